"""The agenda: who is woken when."""

from __future__ import annotations

from dialer.sip.timing import Agenda


class Sleeper:
    def __init__(self, *deadlines: float) -> None:
        self.deadlines = list(deadlines)
        self.woken: list[float] = []

    def next_timer(self) -> float | None:
        return self.deadlines[0] if self.deadlines else None

    def handle_timers(self, now: float) -> None:
        self.woken.append(self.deadlines.pop(0))


def test_each_is_woken_at_its_deadlines() -> None:
    agenda, one, two = Agenda(), Sleeper(1.0, 3.0), Sleeper(2.0)
    agenda.watch(one)
    agenda.watch(two)
    assert agenda.next_timer() == 1.0
    agenda.handle_timers(2.5)
    assert (one.woken, two.woken) == ([1.0], [2.0])
    assert agenda.next_timer() == 3.0
    agenda.handle_timers(9.0)
    assert agenda.next_timer() is None


def test_a_deadline_may_move_either_way_or_go() -> None:
    agenda, one = Agenda(), Sleeper(5.0)
    agenda.watch(one)
    one.deadlines = [2.0]
    agenda.watch(one)
    assert agenda.next_timer() == 2.0
    one.deadlines = [7.0]
    assert agenda.next_timer() == 7.0
    agenda.handle_timers(6.0)
    assert one.woken == []
    one.deadlines = []
    assert agenda.next_timer() is None
    agenda.handle_timers(100.0)
    assert one.woken == []


def test_watching_often_does_not_wake_often() -> None:
    agenda, one = Agenda(), Sleeper(1.0)
    for _ in range(5):
        agenda.watch(one)
    agenda.handle_timers(1.0)
    assert one.woken == [1.0]
