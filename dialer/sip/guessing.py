"""A brake on guessing passwords: how many wrong ones an asker may name in a row, and how soon one more."""

from __future__ import annotations

from collections import OrderedDict

WRONG_OF_A_NAME = 20  # from one address, before it is slowed down
SECONDS_FOR_ONE_OF_A_NAME = 5.0
WRONG_OF_AN_ADDRESS = 400  # an office may sit behind one address, with a telephone or two that are set up wrong
SECONDS_FOR_ONE_OF_AN_ADDRESS = 0.5
MOST_KEPT = 10_000

_Key = tuple[str, ...]


class GuessBrake:
    """Buckets that wrong passwords fill and time empties. While one is full, nothing that its asker says is looked at,
    right or wrong: a guess would tell nothing. Time in seconds is handed in."""

    def __init__(self) -> None:
        self._levels: OrderedDict[_Key, tuple[float, float]] = OrderedDict()  # how full, and when that was

    def holds(self, address: str, name: str, now: float) -> bool:
        """Whether this asker has to wait."""
        return any(self._level(key, each_s, now) > most - 1 for key, most, each_s in _buckets(address, name))

    def wrong(self, address: str, name: str, now: float) -> None:
        """One more wrong password."""
        for key, _, each_s in _buckets(address, name):
            self._levels[key] = (self._level(key, each_s, now) + 1, now)
            self._levels.move_to_end(key)
            if len(self._levels) > MOST_KEPT:
                self._levels.popitem(last=False)

    def _level(self, key: _Key, each_s: float, now: float) -> float:
        level, at = self._levels.get(key, (0.0, now))
        return max(0.0, level - (now - at) / each_s)


def _buckets(address: str, name: str) -> tuple[tuple[_Key, int, float], ...]:
    return (
        ((address, name), WRONG_OF_A_NAME, SECONDS_FOR_ONE_OF_A_NAME),
        ((address,), WRONG_OF_AN_ADDRESS, SECONDS_FOR_ONE_OF_AN_ADDRESS),
    )
