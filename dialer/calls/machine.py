"""A state machine is an enum, a table of what is allowed, and an error for the rest. One log line for each step."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from typing import Generic, TypeVar

import structlog

log = structlog.get_logger("dialer.calls")

State = TypeVar("State", bound=enum.Enum)
Happening = TypeVar("Happening", bound=enum.Enum)


class IllegalStep(Exception):
    """This cannot happen in this state: a fault of ours, never of a user or of the far end."""


class Machine(Generic[State, Happening]):
    """Holds one state. `name` and `labels` (call=..., operator=...) go into every log line."""

    def __init__(
        self, name: str, state: State, table: Mapping[tuple[State, Happening], State], **labels: object
    ) -> None:
        self.name = name
        self.state = state
        self._table = table
        self._labels = labels

    def allows(self, happening: Happening) -> bool:
        return (self.state, happening) in self._table

    def step(self, happening: Happening, **labels: object) -> State:
        """Go on; `labels` go into this step's line. Raises `IllegalStep` and stays where it was when the table has no
        such step."""
        try:
            now = self._table[self.state, happening]
        except KeyError:
            raise IllegalStep(f"{self.name}: {happening.value} while {self.state.value}") from None
        was, self.state = self.state, now
        log.info(self.name, was=was.value, on=happening.value, now=now.value, **self._labels, **labels)
        return now
