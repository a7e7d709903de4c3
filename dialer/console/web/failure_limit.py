"""A brake on guessing passwords: failed sign-ins are counted for the login from one address, for the address, and, far
more patiently, for the login from anywhere: a stranger must not be able to keep its owner out."""

from __future__ import annotations

from collections import OrderedDict, deque
from datetime import datetime, timedelta

WINDOW = timedelta(minutes=15)
FAILURES_OF_A_LOGIN = 8  # from one address
FAILURES_FROM_ANYWHERE = 200
FAILURES_OF_AN_ADDRESS = 40  # an office may sit behind one address
MOST_NAMES = 10_000  # names kept at most, so that a flood of made-up logins cannot fill the memory


Name = tuple[str, ...]


def _names(login: str, address: str) -> tuple[Name, Name, Name]:
    """What a failure is counted for."""
    return ("pair", login.casefold(), address), ("login", login.casefold()), ("address", address)


class FailureLimit:
    """Failures of the last `WINDOW`, kept in the order of each name's last one. Time is handed in."""

    def __init__(self) -> None:
        self._failures: OrderedDict[Name, deque[datetime]] = OrderedDict()

    def wait(self, *, login: str, address: str, now: datetime) -> timedelta:
        """How long this login or this address must wait; zero when it may try."""
        limits = (FAILURES_OF_A_LOGIN, FAILURES_FROM_ANYWHERE, FAILURES_OF_AN_ADDRESS)
        return max(self._wait_of(name, limit, now) for name, limit in zip(_names(login, address), limits, strict=True))

    def failed(self, *, login: str, address: str, now: datetime) -> None:
        for name in _names(login, address):
            self._failures.setdefault(name, deque(maxlen=FAILURES_FROM_ANYWHERE)).append(now)
            self._failures.move_to_end(name)
            if len(self._failures) > MOST_NAMES:
                self._failures.popitem(last=False)  # the one that has been quiet for longest

    def succeeded(self, *, login: str, address: str) -> None:
        """The last try, counted beforehand, was none: take it back. Earlier slips of the login are forgiven, those of
        the address are not."""
        pair, anywhere, of_address = _names(login, address)
        self._failures.pop(pair, None)
        for name in (anywhere, of_address):
            times = self._failures.get(name)
            if times:
                times.pop()

    def _wait_of(self, name: Name, limit: int, now: datetime) -> timedelta:
        times = self._failures.get(name)
        if times is None:
            return timedelta(0)
        while times and now - times[0] >= WINDOW:
            times.popleft()
        if len(times) < limit:
            return timedelta(0)
        return times[-limit] + WINDOW - now
