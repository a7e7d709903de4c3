"""The SIP endpoint: one object for everything that speaks SIP on a socket, without the socket.

Bytes and the time (`now`: seconds of any monotonic clock) go in; after each call the owner drains `transmissions()` and
`events()` and arms one timer for `next_timer()`.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from dialer.sip.events import Credentials, Hop, SipEvent, Transmission


@dataclass(frozen=True, slots=True)
class RegistrarAccount:
    """A headset that may register here. H(A1) = H(user ":" realm ":" password) in lower-case hex; "" = not offered."""

    username: str
    ha1_md5: str
    ha1_sha256: str = ""


@dataclass(frozen=True, slots=True)
class TrunkAccount:
    """A registration of ours at a registrar (RFC 3261 section 10)."""

    name: str
    aor: str  # sip:user@domain
    registrar_uri: str  # sip:domain
    hop: Hop
    credentials: Credentials
    expires_s: int = 300


@dataclass(frozen=True, slots=True)
class EndpointConfig:
    """How the endpoint presents itself. `host`/`port` go into Via and Contact."""

    host: str
    port: int
    user_agent: str = "dialer"
    realm: str = "dialer"
    accounts: dict[str, RegistrarAccount] = field(default_factory=dict)
    accept_calls_from: frozenset[str] = frozenset()  # IP addresses whose INVITEs need no digest (the trunk)
    registrar_min_expires_s: int = 30
    registrar_max_expires_s: int = 3600
    secret: bytes = b""  # for nonces; random when empty


class Endpoint:
    """A user agent (both sides), a registrar for headsets, and registrations of our own."""

    def __init__(self, config: EndpointConfig) -> None:
        raise NotImplementedError

    # in
    def receive(self, payload: bytes, source: Hop, now: float) -> None:
        """One UDP datagram, or one whole message cut from a TCP stream. Never raises."""
        raise NotImplementedError

    def transport_failed(self, hop: Hop, now: float) -> None:
        """Nothing can be sent to `hop` (ICMP unreachable, refused or lost connection) (RFC 3261 section 8.1.3.1)."""
        raise NotImplementedError

    def handle_timers(self, now: float) -> None:
        raise NotImplementedError

    # out
    def next_timer(self) -> float | None:
        raise NotImplementedError

    def transmissions(self) -> list[Transmission]:
        """What is to be sent now; each is handed out once."""
        raise NotImplementedError

    def events(self) -> list[SipEvent]:
        raise NotImplementedError

    # calls we make
    def invite(
        self,
        *,
        call_id: str,
        target_uri: str,
        hop: Hop,
        from_uri: str,
        sdp: bytes,
        now: float,
        credentials: Credentials | None = None,
        display_name: str = "",
        route: tuple[str, ...] = (),
    ) -> None:
        """Send INVITE. 401/407 are answered with `credentials` by the endpoint itself, once (twice for stale=true)."""
        raise NotImplementedError

    # calls that come in
    def ring(self, call_id: str, now: float, sdp: bytes = b"") -> None:
        """180, or 183 when `sdp` is given."""
        raise NotImplementedError

    def answer(self, call_id: str, sdp: bytes, now: float) -> None:
        raise NotImplementedError

    def reject(self, call_id: str, sip_code: int, now: float, phrase: str = "", contact_uri: str = "") -> None:
        raise NotImplementedError

    # both
    def hang_up(self, call_id: str, now: float) -> None:
        """CANCEL, BYE or 603, as the state asks for; with its races (a 2xx that crosses the CANCEL is ACKed and BYEd).
        Unknown or ended calls are ignored."""
        raise NotImplementedError

    def send_info_digit(self, call_id: str, digit: str, now: float, duration_ms: int = 160) -> None:
        raise NotImplementedError

    def set_local_sdp(self, call_id: str, sdp: bytes) -> None:
        """What re-INVITEs and UPDATEs of this call are answered from (codec and address; direction is mirrored)."""
        raise NotImplementedError

    # registration, keep-alive
    def register(self, account: TrunkAccount, now: float) -> None:
        """Register, and keep registered, until `unregister`."""
        raise NotImplementedError

    def unregister(self, name: str, now: float) -> None:
        raise NotImplementedError

    def send_options(self, uri: str, hop: Hop, now: float) -> str:
        """Returns the token of the `OptionsAnswered` that will follow."""
        raise NotImplementedError

    def set_accounts(self, accounts: dict[str, RegistrarAccount]) -> None:
        """Headset accounts changed (a user was added); bindings of accounts that are gone end."""
        raise NotImplementedError
