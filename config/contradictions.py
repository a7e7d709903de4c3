"""Settings that are right by themselves and wrong together."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from config.advice import ADVICE
from config.errors import Problem

if TYPE_CHECKING:
    from config.settings import Settings


def contradictions(settings: Settings) -> list[Problem]:
    """Everything that contradicts itself in `settings`."""
    return [
        *_service(settings),
        *_console(settings),
        *_sip(settings),
        *_media_ports(settings),
        *_trunk(settings),
        *_dialing(settings),
        *_mail(settings),
        *_inbox(settings),
    ]


def _problem(name: str, value: object, code: str, /, **params: object) -> Problem:
    shown = str(value).lower() if isinstance(value, bool) else str(value)
    return Problem(name, shown, ADVICE[code], {key: str(param) for key, param in params.items()})


def _service(settings: Settings) -> Iterator[Problem]:
    if not settings.service.further_node:
        return
    if settings.database_url.startswith("sqlite"):
        yield _problem("service.further_node", True, "further_node_sqlite")
    if settings.service.node == "main":
        yield _problem("service.node", "main", "further_node_name")


def _console(settings: Settings) -> Iterator[Problem]:
    console = settings.console
    files = {"tls_certificate": console.tls_certificate, "tls_key": console.tls_key}
    for (name, file), other in zip(files.items(), reversed(files), strict=True):
        if file and not files[other]:
            yield _problem(f"console.{other}", "", "needs", key=f"console.{name}", other=f"console.{other}")
        if file and not Path(file).is_file():
            yield _problem(f"console.{name}", file, "tls_file")
    if console.tls_certificate and console.behind_proxy:
        yield _problem("console.behind_proxy", True, "tls_and_proxy")
    if console.tls_certificate and console.public_url.startswith("http://"):
        yield _problem("console.public_url", console.public_url, "public_url_http")


def _sip(settings: Settings) -> Iterator[Problem]:
    sip, console = settings.sip, settings.console
    if sip.engine == "pyvoip" and sip.tcp and "tcp" in sip.model_fields_set:
        yield _problem("sip.tcp", True, "pyvoip_listens_udp")
    if sip.tcp and sip.port and sip.port == console.port and _may_collide(sip.host, console.host):
        yield _problem("sip.port", sip.port, "same_port")
    for section, host, advertised in (
        ("sip", sip.host, sip.advertised_host),
        ("media", settings.media.host, settings.media.advertised_host),
    ):
        announced = advertised or host
        if _is_any(announced):
            key = f"{section}.advertised_host"
            yield _problem(key, advertised, "advertised", host=announced, other=key)


def _media_ports(settings: Settings) -> Iterator[Problem]:
    first, last = settings.media.first_port, settings.media.last_port
    if first == last == 0:
        return
    if not first or not last:
        yield _problem("media.last_port" if first else "media.first_port", 0, "ports_any")
        return
    if first > last:
        yield _problem("media.last_port", last, "ports_reversed", first=first)
        return
    if first < 1024:
        yield _problem("media.first_port", first, "ports_low")
    if first % 2:
        yield _problem("media.first_port", first, "ports_odd", even=first + 1)
    if last - first < 3:
        yield _problem("media.last_port", last, "ports_few", least=first + 3)
    if first <= settings.sip.port <= last and _may_collide(settings.sip.host, settings.media.host):
        yield _problem("sip.port", settings.sip.port, "port_in_range", first=first, last=last)


def _trunk(settings: Settings) -> Iterator[Problem]:
    trunk = settings.trunk
    if trunk is None:
        return
    if trunk.registers and not (trunk.user and trunk.password.get_secret_value()):
        yield _problem("trunk.register", True, "register_needs_user")
    elif trunk.password.get_secret_value() and not trunk.user:
        yield _problem("trunk.password", "***", "password_needs_user")
    if not trunk.user and not trunk.caller_id:
        yield _problem("trunk.caller_id", "", "caller_id_needed")
    if settings.sip.engine == "pyvoip" and trunk.transport == "tcp":
        yield _problem("trunk.transport", "tcp", "pyvoip_tcp")
    elif trunk.transport == "tcp" and not settings.sip.tcp:  # RFC 3261 section 18.2.2: to where our Contact points
        yield _problem("sip.tcp", False, "trunk_tcp")
    if _is_loopback(trunk.host):
        return
    for key, host in (("sip.host", settings.sip.host), ("media.host", settings.media.host)):
        if _is_loopback(host):
            yield _problem(key, host, "loopback_trunk", host=host, trunk=trunk.host)


def _dialing(settings: Settings) -> Iterator[Problem]:
    dialing = settings.dialing
    if dialing.claim_lease_s <= dialing.ring_timeout_s:
        yield _problem("dialing.claim_lease_s", dialing.claim_lease_s, "lease_short", ring=dialing.ring_timeout_s)


def _mail(settings: Settings) -> Iterator[Problem]:
    mail = settings.mail
    if not mail.host:
        return
    if not mail.sender:
        yield _problem("mail.sender", "", "needs", key="mail.host", other="mail.sender")
    password = mail.password.get_secret_value()
    if password and not mail.user:
        yield _problem("mail.user", "", "needs", key="mail.password", other="mail.user")
    if mail.user and not password:
        yield _problem("mail.password", "", "needs", key="mail.user", other="mail.password")
    if mail.tls == "none" and not _is_loopback(mail.host):
        yield _problem("mail.tls", "none", "mail_in_the_clear", host=mail.host)
    if mail.ca_file and not Path(mail.ca_file).is_file():
        yield _problem("mail.ca_file", mail.ca_file, "tls_file")


def _inbox(settings: Settings) -> Iterator[Problem]:
    inbox = settings.inbox
    if not inbox.host:
        return
    if not settings.mail.host:
        yield _problem("inbox.host", inbox.host, "inbox_without_mail")
    for key, value in (("user", inbox.user), ("password", inbox.password.get_secret_value())):
        if not value:
            yield _problem(f"inbox.{key}", "", "needs", key="inbox.host", other=f"inbox.{key}")
    if inbox.tls == "none" and not _is_loopback(inbox.host):
        yield _problem("inbox.tls", "none", "mail_in_the_clear", host=inbox.host)
    if inbox.ca_file and not Path(inbox.ca_file).is_file():
        yield _problem("inbox.ca_file", inbox.ca_file, "tls_file")


def _is_loopback(host: str) -> bool:
    if host in ("localhost", "localhost."):
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _is_any(host: str) -> bool:
    return host in ("0.0.0.0", "::")


def _may_collide(one: str, other: str) -> bool:
    return one == other or _is_any(one) or _is_any(other)
