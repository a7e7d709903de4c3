"""What the rules of today say of a period's calls, as they were: what another set of rules is compared with."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import date, datetime

from crm.calls.next_try import Due
from crm.group import Group
from crm.plan.plan_entries import EntryKind
from crm.what_if.clock import OF_A_DAY, STEP, Clock, Slot, Written, put_facts
from crm.what_if.drafts import Rules
from crm.what_if.facts import Elsewhere, Facts, Moved, RecordedTry, Skipped
from crm.what_if.tallies import Rates
from crm.what_if.turns import Turns
from crm.what_if.worlds import World


@dataclass(slots=True)
class AsItWas:
    """What the rules of today say of what happened: which calls they allow, what was due after each, in which group
    they saw the client after it and in which it really was, and whose turn it was when it was called."""

    allowed: set[str] = field(default_factory=set)
    due: dict[str, Due | None] = field(default_factory=dict)
    groups: dict[str, tuple[Group, Group]] = field(default_factory=dict)
    in_turn: set[str] = field(default_factory=set)
    rates: Rates = field(default_factory=Rates)


def look_back(facts: Facts, before: Rules, found: AsItWas, *, with_order: bool = False) -> Iterator[None]:
    """Fills `found`, a step at a time."""
    world, clock = World(facts, before), Clock()
    turns = Turns(facts, world) if with_order else None
    yield from put_facts(facts, clock, with_order=with_order)
    for number, (at, what) in enumerate(clock.events()):
        if number % STEP == 0:
            yield
        if turns is not None and isinstance(what, OF_A_DAY):
            yield from turns.begin(at)
        match what:
            case Elsewhere():
                world.had_elsewhere(what)
            case RecordedTry():
                client = facts.clients[what.client_id]
                if world.verdict(client, what.number, at).allowed:
                    found.allowed.add(what.id)
                found.rates.note(what, client, len(world.tries_in_vain(client.id)))
                world.had(what)
                if turns is not None:
                    turns.leaves(what.client_id)
                    turns.called(what.operator_id)
                clock.put(what.written_at, Written(what))
            case Written(one):
                client = facts.clients[one.client_id]
                actual = facts.moved_to.get(one.id, world.group(client))
                found.groups[one.id] = world.decided_group(one, client), actual
                found.due[one.id] = world.written(one, client, at, actual)
            case Slot(one):
                assert turns is not None  # there are such events with it alone
                for chosen in turns.choose(one.operator_id, at):
                    if chosen is None:
                        yield
                    elif chosen == one.client_id:
                        found.in_turn.add(one.id)
                    else:
                        turns.put_back()
                turns.leaves(one.client_id)
            case Skipped() | Moved():
                pass_by(what, world, turns)


def pass_by(what: Skipped | Moved, world: World, turns: Turns | None) -> None:
    """What people did, whatever the rules are."""
    if isinstance(what, Moved):
        world.moved(what.client_id, what.group)
    if turns is not None:
        (turns.leaves if isinstance(what, Skipped) else turns.touch)(what.client_id)


def was_brought(following: RecordedTry, was: Due | None, day_of: Callable[[datetime], date]) -> bool:
    """Whether the call was made because the rules had put the client into the plan of that day."""
    if was is None or following.opened_at < was.window.opens_at:
        return False
    kind = EntryKind.CALLBACK if was.of_promise else EntryKind.RETRY
    return following.kind is kind and day_of(following.opened_at) == day_of(was.window.opens_at)
