"""pyVoIP's message, able to read what peers really send.

Mended here: an unknown response code, a header spelt its short way or without a space after the colon, a value with a
colon in it, a tag that is not the last parameter, a body with an empty line - each made pyVoIP raise - and SDP,
which it reads so that one unusual line loses the whole message (the body is read elsewhere).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from dialer.engines.pyvoip.library import SIP
from dialer.engines.pyvoip.text import Malformed, MessageText, parse_uri, tag_of, uri_of
from dialer.sip.bodies import find_sdp

Address = tuple[str, int]
"""IP address and UDP port."""

METHODS = ("INVITE", "ACK", "BYE", "CANCEL", "INFO", "UPDATE", "OPTIONS")
_NEEDED = ("Via", "From", "To", "Call-ID", "CSeq")


class Message(SIP.SIPMessage):
    """A SIP message and where it came from. Raises `Malformed` when it cannot be read."""

    def __init__(self, payload: bytes, source: Address = ("", 0)) -> None:
        self.source = source
        self.text = MessageText.parse(payload)
        missing = [name for name in _NEEDED if not self.text.first(name)]
        if missing:
            raise Malformed(f"no {missing[0]} header")
        self.code = self.text.code
        try:
            super().__init__(payload)
        except Exception as error:
            # Whatever pyVoIP's parser stumbles over (it raises a dozen kinds), the message is not to be used.
            raise Malformed(f"pyVoIP cannot read it: {error}") from error

    @property
    def call_id(self) -> str:
        return self.text.first("Call-ID")

    @property
    def from_tag(self) -> str:
        return tag_of(self.text.first("From"))

    @property
    def to_tag(self) -> str:
        return tag_of(self.text.first("To"))

    @property
    def sdp(self) -> bytes:
        """The session description, b"" if the body is none."""
        return find_sdp(self.text.first("Content-Type"), self.text.body)

    def parse(self, data: bytes) -> None:
        self.SIPCompatibleMethods = [*METHODS, self.text.method]
        start = self.text.start
        if self.code and self.code not in {int(known.value) for known in SIP.SIPStatus}:
            # RFC 3261 section 8.1.3.2: an unknown code is treated as the x00 of its class.
            start = f"SIP/2.0 {self.code // 100 * 100 if self.code // 100 != 1 else 183} {self.text.phrase}"
        readable = MessageText(start, [entry for entry in self.text.headers if entry[0] != "Content-Type"])
        super().parse(readable.encode())

    @staticmethod
    def parse_raw_header(headers_raw: list[bytes], handle: Callable[[str, Any], None]) -> None:
        vias: list[str] = []
        seen: set[str] = set()
        for line in headers_raw:
            name, _, value = line.decode().partition(": ")
            if name == "Via":
                vias.append(value)
            elif name not in seen:
                seen.add(name)
                handle(name, value)
        handle("Via", vias)

    def parse_header(self, header: str, data: Any) -> None:
        if header in ("From", "To"):
            self.headers[header] = _party(str(data))
        elif header == "Proxy-Authenticate":
            super().parse_header("WWW-Authenticate", data)  # where pyVoIP's digest code looks for the challenge
        elif header == "CSeq":
            super().parse_header(header, " ".join(str(data).split()))
        else:
            super().parse_header(header, data)


def _party(value: str) -> dict[str, str | None]:
    """The shape that pyVoIP gives From and To, with `raw` free of the tag."""
    tag = tag_of(value)
    uri = uri_of(value)
    parts = parse_uri(uri)
    display = value.partition("<")[0].strip().strip('"') if "<" in value else ""
    return {
        "raw": f"{value.partition('>')[0]}>" if "<" in value else uri,
        "tag": tag,
        "address": uri.partition(":")[2],
        "number": parts.user if parts else None,
        "caller": display,
        "host": parts.host if parts else "",
    }
