"""Our registrations at trunks: register, refresh in time, try again with back-off (RFC 3261 section 10.2)."""

from __future__ import annotations

import enum
import secrets

import structlog

from dialer.sip.address import DEFAULT_PORT, read_name_address, read_uri
from dialer.sip.auth import DigestClient
from dialer.sip.call import read_seconds
from dialer.sip.client_transaction import ClientFault, ClientTransaction
from dialer.sip.config import TrunkAccount
from dialer.sip.core import Core
from dialer.sip.errors import Malformed
from dialer.sip.events import Hop, Registered, RegistrationFailed, Transport
from dialer.sip.message import ReceivedResponse, new_tag

log = structlog.get_logger("dialer.sip")

FIRST_RETRY_S = 5.0
LONGEST_RETRY_S = 300.0
LEAST_GRANTED_S = 20  # taken from another's Contact: it may be about to run out
REFUSED_RETRY_S = 60.0  # after 401, 403, 404: a person has to change something first


class RegistrationState(enum.Enum):
    IDLE = "idle"
    REGISTERING = "registering"
    REGISTERED = "registered"
    REFRESHING = "refreshing"
    WAITING = "waiting"  # for the next try
    UNREGISTERING = "unregistering"
    GONE = "gone"


_S = RegistrationState


class Registration:
    """One account of ours at one registrar."""

    def __init__(self, core: Core, account: TrunkAccount) -> None:
        self.account = account
        self.state = _S.IDLE
        self._core = core
        self._digest = DigestClient(account.credentials, account.hop.host)
        self._call_id = secrets.token_hex(16)
        self._tag = new_tag()
        self._cseq = 0
        self._expires_s = account.expires_s
        self._retry_s = FIRST_RETRY_S
        self._timer: float | None = None
        self._current: ClientTransaction | None = None

    def start(self, now: float) -> None:
        self._begin(_S.REGISTERING, "start", now)

    def stop(self, now: float) -> None:
        """Take the binding away; nothing more is told about this account."""
        registered = self.state in (_S.REGISTERED, _S.REFRESHING, _S.REGISTERING)
        self._timer = None
        if registered:
            self._begin(_S.UNREGISTERING, "stop", now)
        else:
            self._enter(_S.GONE, "stop")

    def transport_failed(self, hop: Hop, now: float) -> None:
        """Registrars forget a binding with the TCP connection that it came over: register anew, over another one."""
        if self.state is _S.REGISTERED and hop.transport is Transport.TCP and hop == self.account.hop:
            self._timer = None
            self._begin(_S.REFRESHING, "connection lost", now)

    def next_timer(self) -> float | None:
        return self._timer

    def handle_timers(self, now: float) -> None:
        if self._timer is not None and self._timer <= now:
            self._timer = None
            refresh = self.state is _S.REGISTERED
            self._begin(_S.REFRESHING if refresh else _S.REGISTERING, "timer", now)

    # --- answers

    def on_response(self, transaction: ClientTransaction, response: ReceivedResponse, now: float) -> None:
        if transaction is not self._current or response.code < 200:
            return
        if response.code in (401, 407) and self._digest.take_challenge(response):
            self._send(now)
        elif self.state is _S.UNREGISTERING:
            self._enter(_S.GONE, str(response.code))
        elif response.code < 300:
            self._accepted(response, now)
        elif response.code == 423 and self._lengthen(response):
            self._send(now)
        else:
            self._failed(response.code, response.phrase, now, read_seconds(response.header("retry-after")))

    def on_fault(self, transaction: ClientTransaction, fault: ClientFault, now: float) -> None:
        if transaction is not self._current:
            return
        if self.state is _S.UNREGISTERING:
            self._enter(_S.GONE, fault.value)
        else:
            phrase = "no answer" if fault is ClientFault.TIMEOUT else "not reachable"
            self._failed(0, phrase, now, None)

    def _accepted(self, response: ReceivedResponse, now: float) -> None:
        expires_s = self._granted_s(response)
        self._retry_s = FIRST_RETRY_S
        self._enter(_S.REGISTERED, str(response.code))
        # Early enough for a refresh that times out (32 s) and one more try.
        self._arm(now + max(expires_s * 0.5, expires_s - 90.0))
        self._core.emit(Registered(self.account.name, expires_s))

    def _failed(self, code: int, phrase: str, now: float, retry_after_s: int | None) -> None:
        self._enter(_S.WAITING, str(code) if code else phrase)
        wait_s = max(self._retry_s, REFUSED_RETRY_S) if 400 <= code < 500 and code not in (408, 480) else self._retry_s
        self._arm(now + min(max(wait_s, retry_after_s or 0), LONGEST_RETRY_S))
        self._retry_s = min(self._retry_s * 2, LONGEST_RETRY_S)
        self._core.emit(RegistrationFailed(self.account.name, code, phrase))

    def _lengthen(self, response: ReceivedResponse) -> bool:
        """423: ask again with Min-Expires (section 10.2.8)."""
        least = read_seconds(response.header("min-expires"))
        if least is None or least <= self._expires_s:
            return False
        self._expires_s = least
        return True

    def _granted_s(self, response: ReceivedResponse) -> int:
        """The expiry of our own Contact among all that are listed; where none is like ours (an address translator on
        the way wrote another) the earliest of them. Without any: Expires, else what we asked for."""
        mine = _place(read_name_address(self._core.contact(self.account.hop)).uri)
        listed: list[int] = []
        for value in response.header_values("contact"):
            try:
                contact = read_name_address(value)
                place = _place(contact.uri)
            except Malformed:
                continue
            granted = read_seconds(contact.parameters.get("expires") or "")
            if granted and place == mine:
                return granted
            if granted:
                listed.append(max(granted, LEAST_GRANTED_S))
        return min(listed, default=None) or read_seconds(response.header("expires")) or self._expires_s

    # --- requests

    def _begin(self, state: RegistrationState, on: str, now: float) -> None:
        self._enter(state, on)
        self._digest.begin()
        self._send(now)

    def _send(self, now: float) -> None:
        self._cseq += 1
        account = self.account
        register = self._core.request(
            "REGISTER",
            account.registrar_uri,
            account.hop,
            from_value=f"<{account.aor}>;tag={self._tag}",
            to_value=f"<{account.aor}>",
            call_id=self._call_id,
            cseq=self._cseq,
        )
        expires_s = 0 if self.state is _S.UNREGISTERING else self._expires_s
        register.headers.set_single("Contact", f"{self._core.contact(account.hop)};expires={expires_s}")
        register.headers.set_single("Expires", str(expires_s))
        for name, value in self._digest.headers("REGISTER", register.uri, account.hop.host):
            register.headers.append(name, value)
        self._current = self._core.layer.request(register, account.hop, self, now)

    def _arm(self, at: float) -> None:
        self._timer = at
        self._core.agenda.watch(self)

    def _enter(self, state: RegistrationState, on: str) -> None:
        was, self.state = self.state, state
        log.info("registration", account=self.account.name, was=was.value, on=on, now=state.value)


def _place(uri: str) -> tuple[str, str, int]:
    """What says whose Contact it is. Raises `Malformed` for what is no SIP URI."""
    parts = read_uri(uri)
    return parts.user, parts.host.lower(), parts.port or DEFAULT_PORT
