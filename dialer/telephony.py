"""The telephony port: what `dialer.calls` needs of an engine, and nothing else.

Two engines stand behind it (`dialer.engines.native`, `dialer.engines.pyvoip`); one contract suite
(`tests/dialer/engines/`) runs on both. What an engine cannot do it leaves out of `capabilities` and refuses with
`NotCapable`, in words.
"""

from __future__ import annotations

import enum
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from dialer.reasons import Reason, of_error


class TelephonyError(Exception):
    """Something in the telephone part failed; raised with a `Reason` wherever people are told why."""

    @property
    def reason(self) -> str:
        """Why, if possible as a `Reason`."""
        return of_error(self)


class NotCapable(TelephonyError):
    """This engine cannot do that; `capability` names what was asked of it."""

    def __init__(self, engine: str, capability: Capability) -> None:
        super().__init__(f"the {engine} engine cannot do this: {capability.value}")
        self.engine = engine
        self.capability = capability


class HeadsetUnavailable(TelephonyError):
    """The headset is not registered, so it cannot be called."""


class PortBusy(TelephonyError):
    """The address and port that were configured are in use by another program."""


class Capability(enum.Enum):
    """What an engine may or may not be able to do."""

    REGISTER_AT_TRUNK = "register at a trunk"
    HEADSET_REGISTRAR = "let headsets register here"
    CANCEL = "cancel a call that rings"
    REFUSALS_TOLD_APART = "tell refusals apart"
    EARLY_MEDIA = "early media"
    TCP = "SIP over TCP"
    PROXY_ROUTE = "record-routing proxies"
    PROXY_AUTHENTICATION = "407 proxy authentication"
    SHA256_DIGEST = "SHA-256 digest"
    RETRANSMISSION = "retransmission of lost packets"
    DTMF = "touch tones"
    RECORDING = "recording"
    INCOMING_CALLS = "take calls that come in"


class LegEnd(enum.Enum):
    """Why a leg ended. What it means for the attempt is decided in `dialer.calls.result`."""

    REMOTE_HUNG_UP = "remote_hung_up"
    WE_HUNG_UP = "we_hung_up"
    REFUSED = "refused"  # a final code 3xx-6xx, in `sip_code`
    CANCELLED = "cancelled"  # we gave up before an answer (hang_up)
    RING_TIMEOUT = "ring_timeout"  # nobody answered in time; we sent CANCEL
    NETWORK_FAILURE = "network_failure"  # nothing came back, or the transport failed
    MEDIA_LOST = "media_lost"  # the media worker died or could not give a port


@dataclass(frozen=True, slots=True)
class LegRinging:
    """180 or 183 without sound."""


@dataclass(frozen=True, slots=True)
class LegEarlyMedia:
    """The far end sends sound before it answers (183 or 180 with SDP); the media path is set up."""


@dataclass(frozen=True, slots=True)
class LegAnswered:
    """200 came and was acknowledged; sound can flow both ways. `codec` is "PCMA" or "PCMU"."""

    codec: str


@dataclass(frozen=True, slots=True)
class LegDigit:
    """The far end pressed a key: one of `0123456789*#ABCD` (RFC 4733 or SIP INFO)."""

    digit: str


@dataclass(frozen=True, slots=True)
class LegLevels:
    """About once a second while sound can flow.

    `level_dbov` is the RMS of the last second in dB relative to full scale (-127 = silence or nothing came), `lost` and
    `received` count packets since the start, `jitter_ms` as RFC 3550 section 6.4.1.
    """

    level_dbov: float
    received: int
    lost: int
    jitter_ms: float


@dataclass(frozen=True, slots=True)
class LegRecordingFailed:
    """The recording of this client's leg stopped: `reason` is a `Reason` if it is a usual one (disk full, ...). The
    call goes on. The operator's leg, which outlives many recordings, is not told."""

    reason: str


@dataclass(frozen=True, slots=True)
class LegEnded:
    """The last event of every leg. `sip_code` 0 when no final code was seen; `q850` from a Reason header, else None."""

    end: LegEnd
    sip_code: int = 0
    phrase: str = ""
    q850: int | None = None
    retry_after_s: int | None = None


LegEvent = LegRinging | LegEarlyMedia | LegAnswered | LegDigit | LegLevels | LegRecordingFailed | LegEnded


@dataclass(frozen=True, slots=True)
class TrunkStatus:
    """State of the trunk: `detail` is "" or what is wrong, a `Reason` (`trunk.no_answer`, `trunk.refused`, ...) that is
    shown in the reader's language."""

    ready: bool
    detail: str = ""

    @property
    def words(self) -> str:
        """In English, for the log."""
        return "ready" if self.ready else self.detail

    @property
    def code(self) -> str:
        """The reason's code, "" for a trunk that is ready."""
        return self.detail.code if isinstance(self.detail, Reason) else ""

    @property
    def params(self) -> Mapping[str, object]:
        """What the reason is about."""
        return self.detail.params if isinstance(self.detail, Reason) else {}


@dataclass(frozen=True, slots=True)
class HeadsetStatus:
    """Whether a headset is registered here, and where (`sip:anna@127.0.0.1:5070`, "" if not)."""

    registered: bool
    contact: str = ""


@dataclass(frozen=True, slots=True)
class TrunkChanged:
    """The trunk came up, or went down."""

    status: TrunkStatus


@dataclass(frozen=True, slots=True)
class HeadsetChanged:
    """A headset registered, moved, or its registration ended."""

    headset: str
    status: HeadsetStatus


LineEvent = TrunkChanged | HeadsetChanged


class Sound(enum.Enum):
    """Sounds that a worker can play into a leg."""

    RINGBACK = "ringback"  # 425 Hz, 0.8 s on, 3.2 s off, until stopped
    BUSY = "busy"  # 425 Hz, 0.4 s on, 0.4 s off, until stopped
    BEEP = "beep"  # 1 kHz once, 0.2 s: "a client is on the line"


@dataclass(frozen=True, slots=True)
class RecordedFacts:
    """What the worker knows of a recording that it closed; the checked facts come from `recordings.finalise`."""

    path: Path
    frames: int
    failure: str = ""


class Leg(Protocol):
    """One SIP dialog with its sound: the operator's headset or the client. Methods may be called at any time; on a leg
    that has ended they do nothing."""

    @property
    def id(self) -> str:
        """The SIP Call-ID."""
        ...

    @property
    def ended(self) -> LegEnded | None: ...

    def events(self) -> AsyncIterator[LegEvent]:
        """Every event from the start, ending after `LegEnded`. To be iterated by one task."""
        ...

    async def hang_up(self) -> None:
        """CANCEL or BYE, whatever the state calls for. Returns when the request has been handed to the network;
        `LegEnded` follows."""
        ...

    async def send_digits(self, digits: str) -> None:
        """RFC 4733 events, paced. Returns when they are queued. Raises `ValueError` for anything but `0-9*#A-D`."""
        ...

    async def play(self, sound: Sound | Path) -> None:
        """Play to the far end instead of what is bridged: a sound by its name until `stop_playing`, or once a prompt, a
        WAV of 8 kHz, mono, 16 bits, at most two minutes. Raises `TelephonyError` for a file that cannot be played."""
        ...

    async def stop_playing(self) -> None: ...


class IncomingLeg(Leg, Protocol):
    """A call that comes in over the trunk and rings here. A caller who gives up ends it with `REMOTE_HUNG_UP`;
    `hang_up` before the answer refuses it with 603."""

    @property
    def caller(self) -> str:
        """Who calls, as the trunk says: the user part of the From address, "" if it hides it. Anybody can make one
        up."""
        ...

    @property
    def called(self) -> str:
        """The number that was dialled: the user part of the Request-URI."""
        ...

    async def answer(self, *, beside: Leg | None = None) -> None:
        """200. `LegAnswered` follows with the ACK. `beside`: as of `Telephony.call_client`. Raises `TelephonyError`
        where the sound cannot be had; the caller is told so and the leg ends."""
        ...

    async def refuse(self, sip_code: int = 480) -> None:
        """A final code 4xx-6xx; `LegEnded` follows with `CANCELLED`."""
        ...


class Telephony(Protocol):
    """An engine."""

    @property
    def name(self) -> str: ...

    @property
    def capabilities(self) -> frozenset[Capability]: ...

    async def start(self) -> None:
        """Bind, start the media workers, register at the trunk. Raises `PortBusy`. A dead trunk does not raise: it is a
        `TrunkStatus`, and the engine keeps trying."""
        ...

    async def stop(self) -> None:
        """Hang every leg up, unregister, stop the workers. Safe to call twice."""
        ...

    def on_line_event(self, listener: Callable[[LineEvent], None]) -> None:
        """`listener` is called, in the event loop, for every change of a headset or the trunk."""
        ...

    def on_incoming(self, listener: Callable[[IncomingLeg], None]) -> None:
        """`listener` is given, in the event loop, each call that comes in over the trunk; the caller hears it ring.
        Until there is one such calls are refused with 480; nobody else can call."""
        ...

    def trunk(self) -> TrunkStatus: ...

    def headset(self, name: str) -> HeadsetStatus: ...

    async def call_headset(self, headset: str, *, call_id: str) -> Leg:
        """Call a registered headset. Raises `HeadsetUnavailable`."""
        ...

    async def call_client(
        self, number: str, *, call_id: str, beside: Leg | None, ring_timeout_s: float, caller_id: str = ""
    ) -> Leg:
        """Place a call to `number` (E.164 with `+`, or a practice number) over the trunk; its SIP Call-ID is `call_id`.

        `caller_id` is the number of ours that the client sees, as the provider wants it; "" for the trunk's own, which
        is also shown instead of one that the settings do not let us show.

        `beside` is the operator's leg, so that both come to the same media worker. Returns once the INVITE has been
        handed to the network, or was refused at once; what follows comes as events. Never raises for the far end's
        faults. After `ring_timeout_s` without an answer the engine sends CANCEL and the leg ends `RING_TIMEOUT`, or
        `NETWORK_FAILURE` if the trunk said nothing but 100 all the while. Raises `ValueError` for a `call_id` in use.
        """
        ...

    async def bridge(self, operator: Leg, client: Leg) -> None:
        """Let both legs hear each other (also before the answer, for early media)."""
        ...

    async def unbridge(self, operator: Leg) -> None:
        """Part the legs; the operator's line stays up, hearing silence."""
        ...

    async def start_recording(self, operator: Leg, client: Leg, path: Path) -> None:
        """Record from now on: operator left, client right. Raises `TelephonyError` if the file cannot be opened."""
        ...

    async def stop_recording(self, operator: Leg) -> RecordedFacts | None:
        """Close the file. `None` if nothing was being recorded. Also done when the client's leg ends."""
        ...
