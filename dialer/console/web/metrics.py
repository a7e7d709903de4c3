"""Counters of the console for Prometheus; a registry of its own, so that two consoles in one process do not collide."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"


class Metrics:
    """What the console counts."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.requests = Counter(
            "dialer_console_requests_total", "Requests answered.", ["route", "code"], registry=self.registry
        )
        self.seconds = Histogram(
            "dialer_console_request_seconds",
            "Time to answer, live connections apart.",
            buckets=(0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10),
            registry=self.registry,
        )
        self.sign_in_failures = Counter(
            "dialer_console_sign_in_failures_total", "Sign-ins refused.", ["why"], registry=self.registry
        )
        self.live_pages = Gauge("dialer_console_live_pages", "Operators' pages connected now.", registry=self.registry)
        self.listened = Counter(
            "dialer_console_recordings_opened_total", "Recordings played or downloaded.", registry=self.registry
        )

        self.mail = Gauge("dialer_mail_messages", "Messages in the outbox.", ["state"], registry=self.registry)
        self.mail_trouble = Gauge(
            "dialer_mail_server_trouble", "1 while the mail server takes nothing.", registry=self.registry
        )

    def text(self) -> bytes:
        """The counters in Prometheus' text format."""
        return generate_latest(self.registry)
