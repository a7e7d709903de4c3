"""A SIP message as text: what pyVoIP writes is amended here header by header, and what it cannot read is kept.

pyVoIP's own messages are strings and its parser forgets repeated headers (Record-Route), so both directions go through
this neutral form.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

# RFC 3261 section 7.3.3, RFC 3515, RFC 6665: the short names that peers may use.
_COMPACT = {
    "v": "Via",
    "f": "From",
    "t": "To",
    "i": "Call-ID",
    "m": "Contact",
    "l": "Content-Length",
    "c": "Content-Type",
    "e": "Content-Encoding",
    "k": "Supported",
    "s": "Subject",
}
_SPELLING = {
    name.lower(): name
    for name in (
        *_COMPACT.values(),
        "CSeq",
        "Record-Route",
        "WWW-Authenticate",
        "Proxy-Authenticate",
        "Authorization",
        "Proxy-Authorization",
        "Max-Forwards",
        "Allow",
        "Expires",
        "Reason",
        "Retry-After",
        "Route",
    )
}
_START = re.compile(r"(?:SIP/2\.0 (?P<code>\d{3})(?: (?P<phrase>.*))?|(?P<method>[A-Z]+) (?P<uri>\S+) SIP/2\.0)")
_TAG = re.compile(r";\s*tag\s*=\s*([^;,\s]+)", re.IGNORECASE)
_URI = re.compile(
    r"sips?:(?:(?P<user>[^@]*)@)?(?P<host>\[[0-9a-fA-F:]+\]|[^:;?>]+)(?::(?P<port>\d{1,5}))?", re.IGNORECASE
)


class Malformed(ValueError):
    """What came is not a SIP message that can be read."""


@dataclass(slots=True)
class MessageText:
    """Start line, headers in their order (canonical names), body."""

    start: str
    headers: list[tuple[str, str]] = field(default_factory=list)
    body: bytes = b""

    @classmethod
    def parse(cls, payload: bytes) -> MessageText:
        """Read one datagram. Raises `Malformed`."""
        head, end, rest = payload.lstrip(b"\r\n").partition(b"\r\n\r\n")
        if not end:
            raise Malformed("the headers do not end")
        try:
            text = cls.of_lines(re.sub(r"\r\n[ \t]+", " ", head.decode("utf-8")).split("\r\n"))
        except UnicodeDecodeError as error:
            raise Malformed("the headers are not UTF-8") from error
        if not _START.fullmatch(text.start):
            raise Malformed("no SIP start line")
        text.body = _body(text, rest)
        return text

    @classmethod
    def written(cls, by_pyvoip: str) -> MessageText:
        """Take up what pyVoIP wrote, to be amended; its start line may be no good."""
        return cls.of_lines(by_pyvoip.partition("\r\n\r\n")[0].split("\r\n"))

    @classmethod
    def of_lines(cls, lines: list[str]) -> MessageText:
        text = cls(lines[0])
        for line in lines[1:]:
            name, colon, value = line.partition(":")
            if not colon:
                raise Malformed("a header without a colon")
            text.headers.append((_canonical(name), value.strip()))
        return text

    @property
    def code(self) -> int:
        """The response's code, 0 for a request."""
        return int(self._start("code") or 0)

    @property
    def phrase(self) -> str:
        return self._start("phrase")

    @property
    def method(self) -> str:
        """The request's method; of a response, that of its CSeq."""
        return self._start("method") or self.first("CSeq").rpartition(" ")[2]

    @property
    def uri(self) -> str:
        """The Request-URI, "" for a response."""
        return self._start("uri")

    @property
    def sequence(self) -> int:
        """The number in CSeq, 0 if there is none."""
        number = self.first("CSeq").partition(" ")[0]
        return int(number) if number.isdecimal() else 0

    @property
    def branch(self) -> str:
        """The branch of the topmost Via, "" if there is none."""
        found = re.search(r";\s*branch\s*=\s*([^;,\s]+)", self.first("Via"), re.IGNORECASE)
        return found.group(1) if found else ""

    def all(self, name: str) -> list[str]:
        """Every value of a header, comma-separated lists taken apart (Via, Record-Route, Route, Contact)."""
        return [part for header, value in self.headers if header == name for part in split_list(value)]

    def first(self, name: str) -> str:
        return next((value for header, value in self.headers if header == name), "")

    def put(self, name: str, *values: str) -> None:
        """Replace a header by one line for each value, where it stood (or at the end); without values, remove it."""
        places = [place for place, (header, _) in enumerate(self.headers) if header == name]
        place = places[0] if places else len(self.headers)
        self.headers = [entry for entry in self.headers if entry[0] != name]
        self.headers[place:place] = [(name, value) for value in values]

    def encode(self) -> bytes:
        self.put("Content-Length", str(len(self.body)))
        lines = [self.start, *(f"{name}: {value}" for name, value in self.headers), "", ""]
        return "\r\n".join(lines).encode() + self.body

    def _start(self, part: str) -> str:
        found = _START.fullmatch(self.start)
        return (found.group(part) if found else None) or ""


def _canonical(name: str) -> str:
    lower = name.strip().lower()
    return _COMPACT.get(lower) or _SPELLING.get(lower) or name.strip()


def _body(text: MessageText, rest: bytes) -> bytes:
    """RFC 3261 section 18.3: the rest of the datagram, cut to Content-Length; shorter than promised is an error."""
    promised = text.first("Content-Length")
    if not promised:
        return rest
    if not promised.isdecimal() or int(promised) > len(rest):
        raise Malformed("the body is shorter than its Content-Length")
    return rest[: int(promised)]


def split_list(value: str) -> list[str]:
    """Take a comma-separated header value apart, minding quotes and angle brackets."""
    return [part.strip() for part in _parts(value) if part.strip()]


def _parts(value: str) -> Iterator[str]:
    start, quoted, angled = 0, False, False
    for place, char in enumerate(value):
        if char == '"' and value[place - 1 : place] != "\\":
            quoted = not quoted
        elif not quoted and char in "<>":
            angled = char == "<"
        elif char == "," and not quoted and not angled:
            yield value[start:place]
            start = place + 1
    yield value[start:]


def uri_of(value: str) -> str:
    """The URI of a From, To, Contact or Route value."""
    if "<" in value:
        return value.partition("<")[2].partition(">")[0].strip()
    return value.partition(";")[0].strip()


def tag_of(value: str) -> str:
    """The tag of a From or To value, "" if it has none."""
    found = _TAG.search(value.rpartition(">")[2] if "<" in value else value)
    return found.group(1) if found else ""


@dataclass(frozen=True, slots=True)
class SipUri:
    """The parts of a sip: URI that are needed here; `port` 0 when it names none."""

    user: str
    host: str
    port: int


def parse_uri(uri: str) -> SipUri | None:
    """The parts of a sip: URI, None if it is none."""
    found = _URI.match(uri)
    if not found:
        return None
    return SipUri(found["user"] or "", found["host"], int(found["port"] or 0))
