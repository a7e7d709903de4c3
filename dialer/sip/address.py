"""Name-addr, addr-spec and SIP URIs as far as a user agent needs them (RFC 3261 sections 19.1 and 20.10).

aiosipua's `parse_address` looks for the first "<" even inside a quoted display name, and its `parse_uri` cuts a user
part at ";" and "?", both of which may stand there; hence these readers. URIs stay strings: nothing is lost on the way.
"""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass

from dialer.sip.errors import Malformed
from dialer.sip.events import Hop, Transport

DEFAULT_PORT = 5060

_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.\-]*:")
_HOST_PORT = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[^\s:;?\[\]]+)(?::([0-9]{1,5}))?")


@dataclass(frozen=True, slots=True)
class NameAddress:
    """One value of From, To, Contact, Route or Record-Route. Parameter names are in lower case."""

    uri: str
    parameters: dict[str, str | None]
    display: str = ""

    @property
    def tag(self) -> str:
        return self.parameters.get("tag") or ""


@dataclass(frozen=True, slots=True)
class UriParts:
    """What routing needs of a SIP URI; `port` is `None` when the URI names none."""

    user: str
    host: str
    port: int | None
    parameters: dict[str, str | None]


def split_outside_quotes(value: str, separator: str) -> list[str]:
    """Split at `separator` outside "quoted strings" and <angle brackets>. Raises `Malformed` for unbalanced quotes."""
    parts: list[str] = []
    start = 0
    quoted = bracketed = escaped = False
    for index, character in enumerate(value):
        if escaped:
            escaped = False
        elif quoted:
            escaped = character == "\\"
            quoted = character != '"'
        elif character == '"' and not bracketed:
            quoted = True
        elif character == "<":
            bracketed = True
        elif character == ">":
            bracketed = False
        elif character == separator and not bracketed:
            parts.append(value[start:index])
            start = index + 1
    if quoted:
        raise Malformed(400, "Unbalanced quotes")
    parts.append(value[start:])
    return parts


def read_parameters(parts: list[str]) -> dict[str, str | None]:
    """`["tag=1", "lr"]` -> `{"tag": "1", "lr": None}`; the first of two with the same name holds."""
    parameters: dict[str, str | None] = {}
    for part in parts:
        name, equals, text = part.partition("=")
        name = name.strip().lower()
        if name:
            parameters.setdefault(name, text.strip() if equals else None)
    return parameters


def read_name_address(value: str) -> NameAddress:
    """Raises `Malformed` when there is no URI with a scheme in `value`, or quotes or brackets are unbalanced."""
    head, *parameters = split_outside_quotes(value.strip(), ";")
    display, uri = "", head.strip()
    start = _bracket_outside_quotes(head)
    if start >= 0:
        end = head.find(">", start)
        if end < 0 or head[end + 1 :].strip():
            raise Malformed(400, "Bad address")
        display, uri = head[:start].strip(), head[start + 1 : end].strip()
    if not _SCHEME.match(uri) or any(c.isspace() for c in uri) or "<" in uri or ">" in uri:
        raise Malformed(400, "Bad address")
    return NameAddress(uri, read_parameters(parameters), display.strip('"'))


def _bracket_outside_quotes(text: str) -> int:
    quoted = escaped = False
    for index, character in enumerate(text):
        if escaped:
            escaped = False
        elif quoted and character == "\\":
            escaped = True
        elif character == '"':
            quoted = not quoted
        elif character == "<" and not quoted:
            return index
    return -1


def read_uri(uri: str) -> UriParts:
    """Split a sip: URI. Raises `Malformed` for anything else, and for a port outside 1..65535."""
    scheme, _, rest = uri.partition(":")
    if scheme.lower() not in ("sip", "sips"):
        raise Malformed(416, "Unsupported URI Scheme")
    user, _, tail = rest.rpartition("@")
    match = _HOST_PORT.match(tail)
    if match is None:
        raise Malformed(400, "Bad URI")
    port = int(match[2]) if match[2] else None
    if port is not None and not 0 < port < 65536:
        raise Malformed(400, "Bad port")
    parameters = tail[match.end() :].partition("?")[0]
    if parameters and not parameters.startswith(";"):
        raise Malformed(400, "Bad URI")
    return UriParts(user, match[1].strip("[]"), port, read_parameters(parameters.split(";")))


def is_ip_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def hop_for(uri: str, otherwise: Hop) -> Hop:
    """Where a request for `uri` goes. Host names are not looked up here: they lead to `otherwise`, the hop that the
    dialog came over. Without a transport parameter the transport of `otherwise` is kept for the same address."""
    try:
        parts = read_uri(uri)
    except Malformed:
        return otherwise
    if not is_ip_address(parts.host):
        return otherwise
    port = parts.port or DEFAULT_PORT
    named = (parts.parameters.get("transport") or "").lower()
    if named in ("tcp", "udp"):
        return Hop(Transport(named), parts.host, port)
    same = (parts.host, port) == (otherwise.host, otherwise.port)
    return otherwise if same else Hop(Transport.UDP, parts.host, port)


def bracketed(host: str) -> str:
    """IPv6 addresses need brackets in URIs and Via."""
    return f"[{host}]" if ":" in host else host


def quoted(text: str) -> str:
    """`text` as a quoted-string."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def user_of(uri: str) -> str:
    """The user part of a sip: URI, "" for anything else."""
    try:
        return read_uri(uri).user
    except Malformed:
        return ""
