"""Session descriptions: what we offer, what the far end said, and answers to offers (RFC 3264, RFC 4566)."""

from __future__ import annotations

import ipaddress
import re
import secrets
from collections.abc import Sequence
from dataclasses import dataclass

from aiosipua.sdp import MediaDescription, SdpMessage, parse_sdp

from dialer.sip.errors import NotAcceptable

CODECS = {"PCMA": 8, "PCMU": 0}  # static payload types, RFC 3551
TELEPHONE_EVENT = 101
_DIRECTIONS = ("sendrecv", "sendonly", "recvonly", "inactive")
_MIRRORED = {"sendrecv": "sendrecv", "sendonly": "recvonly", "recvonly": "sendonly", "inactive": "inactive"}


@dataclass(frozen=True, slots=True)
class RemoteAudio:
    """Where and how the far end wants its sound. `we_send`/`we_receive` follow from its direction attribute; the
    payload types are the numbers that it wants to receive."""

    host: str
    port: int
    codec: str  # "PCMA" | "PCMU"
    payload_type: int
    dtmf_payload_type: int | None
    we_send: bool = True
    we_receive: bool = True


def build_offer(host: str, port: int, codecs: Sequence[str] = ("PCMA", "PCMU")) -> bytes:
    """An offer of `codecs` in this order, and telephone-event. Raises `ValueError` for a codec that we do not have."""
    unknown = [codec for codec in codecs if codec not in CODECS]
    if unknown or not codecs:
        raise ValueError(f"codecs must be some of {', '.join(CODECS)}, not {list(codecs)}")
    payloads = [(CODECS[codec], codec) for codec in codecs]
    return _audio_description(host, port, payloads, TELEPHONE_EVENT, "sendrecv", _new_origin())


def read_remote(sdp: bytes, codecs: Sequence[str] = ("PCMA", "PCMU")) -> RemoteAudio:
    """The far end's audio from its offer or answer: the first codec of its list that is in `codecs`.

    Raises `NotAcceptable` when there is none, or no address that we could send to.
    """
    description = _parse(sdp)
    for media in description.media:
        if _is_usable(media):
            return _remote_audio(description, media, codecs)
    raise NotAcceptable("no audio over RTP/AVP")


def build_answer(offer: bytes, local: bytes, *, version_step: int = 0) -> bytes:
    """Answer `offer` from `local`, our last description: our address and port, the first offered codec that `local`
    has, the mirrored direction; every other stream is refused with port 0 (RFC 3264 section 6).

    `version_step` is added to the session version of `local`. Raises `NotAcceptable`.
    """
    theirs, ours = _parse(offer), _parse(local)
    own = next((media for media in ours.media if media.media == "audio"), None)
    if own is None:
        raise NotAcceptable("no audio of ours")
    codecs = [codec.encoding_name.upper() for codec in own.codecs if codec.encoding_name.upper() in CODECS]
    chosen = next((media for media in theirs.media if _is_usable(media)), None)
    if chosen is None:
        raise NotAcceptable("no audio over RTP/AVP")
    remote = _remote_audio(theirs, chosen, codecs)
    origin = f"{ours.origin.username} {ours.origin.session_id} {_number(ours.origin.session_version) + version_step}"
    connection = own.connection or ours.connection
    if connection is None:
        raise NotAcceptable("no connection address of ours")
    if (":" in remote.host) != (":" in connection.address):
        raise NotAcceptable("an address of the other family")
    answer = _audio_description(
        connection.address, own.port, [(remote.payload_type, remote.codec)], remote.dtmf_payload_type,
        _MIRRORED[_direction(theirs, chosen)], origin,
    )  # fmt: skip
    return _beside_refused_streams(answer, theirs.media, chosen)


def build_later_offer(local: bytes, *, version_step: int) -> bytes:
    """`local`, our first description, offered anew later in the call, with `version_step` added to its session
    version: what went between had higher ones (RFC 3264 section 8)."""
    origin = re.compile(rb"^(o=\S+ \S+ )([0-9]+)", re.MULTILINE)
    return origin.sub(lambda found: found[1] + b"%d" % (int(found[2]) + version_step), local, count=1)


def _parse(sdp: bytes) -> SdpMessage:
    try:
        description = parse_sdp(sdp.decode("utf-8", errors="replace"))
    except ValueError as error:  # numbers that are none
        raise NotAcceptable(f"unreadable: {error}") from error
    if not description.media:
        raise NotAcceptable("no media")
    return description


def _is_usable(media: MediaDescription) -> bool:
    return media.media == "audio" and media.proto == "RTP/AVP" and 0 < media.port < 65536


def _remote_audio(description: SdpMessage, media: MediaDescription, codecs: Sequence[str]) -> RemoteAudio:
    found = next(
        (
            c
            for c in media.codecs
            if c.encoding_name.upper() in codecs and c.clock_rate == 8000 and c.channels in (None, 1)
        ),
        None,
    )
    if found is None:
        raise NotAcceptable(f"no codec of {', '.join(codecs)}")
    events = next(
        (c for c in media.codecs if c.encoding_name.lower() == "telephone-event" and c.clock_rate == 8000), None
    )
    connection = media.connection or description.connection
    if connection is None:
        raise NotAcceptable("no connection address")
    held = _check_address(connection.address)
    direction = _direction(description, media)
    return RemoteAudio(
        host=connection.address,
        port=media.port,
        codec=found.encoding_name.upper(),
        payload_type=_payload_type(found.payload_type),
        dtmf_payload_type=_payload_type(events.payload_type) if events else None,
        we_send=direction in ("sendrecv", "recvonly") and not held,
        we_receive=direction in ("sendrecv", "sendonly"),
    )


def _payload_type(number: int) -> int:
    if not 0 <= number < 128:
        raise NotAcceptable(f"payload type {number}")
    return number


def _check_address(address: str) -> bool:
    """True for 0.0.0.0, the way to hold of RFC 2543. Raises `NotAcceptable` for names and multicast."""
    try:
        ip = ipaddress.ip_address(address)
    except ValueError as error:
        raise NotAcceptable(f"address {address!r}") from error
    if ip.is_multicast:
        raise NotAcceptable("multicast")
    return ip.is_unspecified


def _direction(description: SdpMessage, media: MediaDescription) -> str:
    """aiosipua looks only at the stream; the attribute may also stand above all streams (RFC 4566 section 6)."""
    for attributes in (media.attributes, description.attributes):
        for direction in _DIRECTIONS:
            if direction in attributes:
                return direction
    return "sendrecv"


def _new_origin() -> str:
    return f"- {secrets.randbits(31)} 1"


def _number(text: str) -> int:
    return int(text) if text.isdecimal() else 0


def _audio_description(
    host: str, port: int, payloads: list[tuple[int, str]], dtmf: int | None, direction: str, origin: str
) -> bytes:
    """`origin` is user name, session id and version."""
    family = "IP6" if ":" in host else "IP4"
    numbers = [str(number) for number, _ in payloads] + ([str(dtmf)] if dtmf is not None else [])
    lines = [
        "v=0",
        f"o={origin} IN {family} {host}",
        "s=-",
        f"c=IN {family} {host}",
        "t=0 0",
        f"m=audio {port} RTP/AVP {' '.join(numbers)}",
        *(f"a=rtpmap:{number} {codec}/8000" for number, codec in payloads),
    ]
    if dtmf is not None:
        lines += [f"a=rtpmap:{dtmf} telephone-event/8000", f"a=fmtp:{dtmf} 0-15"]
    lines += ["a=ptime:20", f"a={direction}", ""]
    return "\r\n".join(lines).encode()


def _beside_refused_streams(answer: bytes, offered: list[MediaDescription], chosen: MediaDescription) -> bytes:
    """The streams of an answer stand in the order of the offer."""
    head, _, audio = answer.partition(b"m=audio")
    streams = [
        b"m=audio" + audio
        if media is chosen
        else f"m={media.media or 'audio'} 0 {media.proto} {' '.join(media.formats) or '0'}\r\n".encode()
        for media in offered
    ]
    return head + b"".join(streams)
