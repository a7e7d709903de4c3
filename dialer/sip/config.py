"""What an endpoint is told when it is made, and the accounts it serves or has."""

from __future__ import annotations

from dataclasses import dataclass, field

from dialer.sip.events import Credentials, Hop


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
    registrar_max_expires_s: int = 300  # so that a headset that died is known soon
    secret: bytes = b""  # for nonces; random when empty
    # Offer SHA-256 beside MD5 to headsets that have both. Off, since phones built on libre 2 (baresip 1.0) give up when
    # one of several challenges names an algorithm they do not know. An account with SHA-256 alone is asked for that.
    offer_sha256: bool = False
