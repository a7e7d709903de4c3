"""What goes in and out of the sans-IO SIP endpoint."""

from __future__ import annotations

import enum
from dataclasses import dataclass


class Transport(enum.Enum):
    """Transports a hop can use (RFC 3261 section 18)."""

    UDP = "udp"
    TCP = "tcp"


@dataclass(frozen=True, slots=True)
class Hop:
    """Where bytes go to or came from: transport, IP address (never a host name), port."""

    transport: Transport
    host: str
    port: int


@dataclass(frozen=True, slots=True)
class Transmission:
    """One whole SIP message to be sent to `hop`."""

    payload: bytes
    hop: Hop


@dataclass(frozen=True, slots=True)
class Credentials:
    """What a digest challenge from `realm` is answered with; `realm` "" answers any realm of the peer they are for."""

    username: str
    password: str
    realm: str = ""


# --- registration at a trunk -------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Registered:
    """REGISTER was accepted; it is refreshed by the endpoint itself before `expires_s` are over."""

    account: str
    expires_s: int


@dataclass(frozen=True, slots=True)
class RegistrationFailed:
    """REGISTER failed: `sip_code` 0 when nothing came back. The endpoint tries again by itself, with back-off."""

    account: str
    sip_code: int
    phrase: str


@dataclass(frozen=True, slots=True)
class OptionsAnswered:
    """Answer to our OPTIONS (`token` as returned by `send_options`); `sip_code` 0 is a time-out (timer F)."""

    token: str
    sip_code: int


# --- registrar ----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class HeadsetRegistered:
    """A headset's binding was added or refreshed. `hop` is where requests for it must go."""

    headset: str
    contact_uri: str
    hop: Hop
    expires_s: int


@dataclass(frozen=True, slots=True)
class HeadsetUnregistered:
    """A headset's binding was removed or ran out."""

    headset: str


# --- calls --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class CallIncoming:
    """A new INVITE that passed authentication rules; 100 has been sent. Answer with ring/answer/reject."""

    call_id: str
    from_uri: str
    to_uri: str
    request_uri: str
    sdp: bytes
    hop: Hop


@dataclass(frozen=True, slots=True)
class CallProgress:
    """A provisional response (101-199). `sdp` is b"" when there is none."""

    call_id: str
    sip_code: int
    sdp: bytes


@dataclass(frozen=True, slots=True)
class CallAnswered:
    """2xx to our INVITE; the ACK has been sent (and is sent again for every repeated 2xx)."""

    call_id: str
    sdp: bytes


@dataclass(frozen=True, slots=True)
class CallConfirmed:
    """The ACK to our 2xx arrived (a call that came in). `sdp`: the answer to an offer of ours, b"" when theirs came
    first."""

    call_id: str
    sdp: bytes = b""


class CallEndCause(enum.Enum):
    """Why a call ended."""

    REMOTE_BYE = "remote_bye"
    REMOTE_CANCEL = "remote_cancel"
    LOCAL_BYE = "local_bye"
    LOCAL_CANCEL = "local_cancel"
    REFUSED = "refused"
    TIMEOUT = "timeout"  # timer B or F, no ACK, or no answer at all
    TRANSPORT = "transport"  # the connection failed


@dataclass(frozen=True, slots=True)
class CallEnded:
    """The call is over, exactly once for each call. For REFUSED `sip_code` is the final code of the INVITE."""

    call_id: str
    cause: CallEndCause
    sip_code: int = 0
    phrase: str = ""
    q850: int | None = None
    retry_after_s: int | None = None
    contact_uri: str = ""  # of a 3xx


@dataclass(frozen=True, slots=True)
class CallReoffered:
    """The descriptions of a call were exchanged anew, by a re-INVITE or UPDATE. `sdp` is what they said, `answer` what
    we said: our answer to their offer, or our offer, which their ACK answered."""

    call_id: str
    sdp: bytes
    answer: bytes


@dataclass(frozen=True, slots=True)
class InfoDigit:
    """A key pressed, by SIP INFO (application/dtmf-relay or application/dtmf)."""

    call_id: str
    digit: str
    duration_ms: int


SipEvent = (
    Registered
    | RegistrationFailed
    | OptionsAnswered
    | HeadsetRegistered
    | HeadsetUnregistered
    | CallIncoming
    | CallProgress
    | CallAnswered
    | CallConfirmed
    | CallEnded
    | CallReoffered
    | InfoDigit
)
