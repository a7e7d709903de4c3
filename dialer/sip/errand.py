"""Requests of ours inside a dialog that are not INVITE (RFC 3261 section 12.2.1)."""

from __future__ import annotations

from collections.abc import Callable

from dialer.sip.auth import DigestClient
from dialer.sip.client_transaction import ClientFault, ClientTransaction
from dialer.sip.core import Core
from dialer.sip.dialog import Dialog
from dialer.sip.message import Headers, ReceivedResponse

OnOver = Callable[[float], None]


class Errand:
    """A request of ours inside a dialog that is not an INVITE. Challenges are answered."""

    def __init__(
        self,
        core: Core,
        dialog: Dialog,
        digest: DigestClient,
        method: str,
        content_type: str = "",
        body: bytes = b"",
        *,
        on_dialog_lost: Callable[[int, float], None] | None = None,
        on_over: OnOver | None = None,
    ) -> None:
        """`on_over` is called once, when there is a final answer or none can come."""
        self._core = core
        self._dialog = dialog
        self._digest = digest
        self._method = method
        self._content: Headers = [("Content-Type", content_type)] if content_type else []
        self._body = body
        self._on_dialog_lost = on_dialog_lost
        self._on_over = on_over
        digest.begin()

    def send(self, now: float) -> None:
        hop = self._dialog.next_hop()
        request = self._dialog.request(self._method, self._core.via(hop))
        request.headers.set_single("User-Agent", self._core.config.user_agent)
        for name, value in self._digest.headers(self._method, request.uri, hop.host) + self._content:
            request.headers.append(name, value)
        request.body = self._body
        self._core.layer.request(request, hop, self, now)

    def on_response(self, transaction: ClientTransaction, response: ReceivedResponse, now: float) -> None:
        if response.code < 200:
            return
        if response.code in (401, 407) and self._digest.take_challenge(response):
            self.send(now)
            return
        if response.code in (408, 481) and self._on_dialog_lost is not None:
            self._on_dialog_lost(response.code, now)
        self._over(now)

    def on_fault(self, transaction: ClientTransaction, fault: ClientFault, now: float) -> None:
        if fault is ClientFault.TIMEOUT and self._on_dialog_lost is not None:
            self._on_dialog_lost(0, now)
        self._over(now)

    def _over(self, now: float) -> None:
        if self._on_over is not None:
            self._on_over(now)
