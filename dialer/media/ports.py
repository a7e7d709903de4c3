"""UDP ports for RTP, taken from the configured range."""

from __future__ import annotations

import errno
import socket
from collections.abc import Iterator

from dialer.media.leg import family_of

_TYPE_OF_SERVICE = 0xB8  # DSCP EF (RFC 4594 section 4.1): voice before other traffic, where the network heeds it
_EVEN_TRIES = 8


class NoPort(OSError):
    """Every port of the range is in use."""


class Ports:
    """Binds sockets to even ports (RFC 3550 section 11), going round the range so that a port rests after its call."""

    def __init__(self, host: str, first: int, last: int) -> None:
        """(0, 0): any port that the system gives."""
        self._host = host
        self._first = first + first % 2
        self._last = last
        self._next = self._first

    def bind(self) -> socket.socket:
        """A bound, non-blocking UDP socket. Raises `NoPort`, or `OSError` when the address is not of this machine."""
        if not self._first:
            return self._any()
        for port in self._round():
            try:
                bound = self._bind(port)
            except OSError as error:
                if error.errno != errno.EADDRINUSE:
                    raise
                continue
            self._next = port + 2
            return bound
        raise NoPort(errno.EADDRINUSE, f"all ports from {self._first} to {self._last} are in use")

    def _round(self) -> Iterator[int]:
        if not self._first <= self._next <= self._last:
            self._next = self._first
        yield from range(self._next, self._last + 1, 2)
        yield from range(self._first, self._next, 2)

    def _any(self) -> socket.socket:
        """Even if the system gives one soon, else any: the pairing of ports matters to few."""
        for _ in range(_EVEN_TRIES):
            bound = self._bind(0)
            if bound.getsockname()[1] % 2 == 0:
                return bound
            bound.close()
        return self._bind(0)

    def _bind(self, port: int) -> socket.socket:
        bound = socket.socket(family_of(self._host), socket.SOCK_DGRAM)
        try:
            bound.setblocking(False)
            if bound.family == socket.AF_INET:
                bound.setsockopt(socket.IPPROTO_IP, socket.IP_TOS, _TYPE_OF_SERVICE)
            else:
                bound.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_TCLASS, _TYPE_OF_SERVICE)
            bound.bind((self._host, port))
        except OSError:
            bound.close()
            raise
        return bound
