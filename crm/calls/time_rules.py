"""What a campaign's hours and caps say of a try at a moment: values go in, a verdict comes out. `crm.calls.dial_rules`
asks it of what happened, `crm.what_if` of what would have."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, time, timedelta
from typing import Any, Final, Protocol

from crm.calls.refusals import REFUSALS, Refusal
from crm.preparation.calling_hours import Hours, Window, day_at, promise_window, window_at_or_after
from crm.time_zones import instant, local


@dataclass(frozen=True, slots=True)
class Verdict:
    """The answer. `code` is a key of `crm.errors.ERRORS` and of `REFUSALS`, "" when allowed; `next_at` is when it may
    change by itself; `phone_number_id` is the number to dial when allowed."""

    allowed: bool
    code: str = ""
    params: Mapping[str, Any] = field(default_factory=dict)
    next_at: datetime | None = None
    phone_number_id: int | None = None

    @property
    def refusal(self) -> Refusal | None:
        """What kind of refusal it is, `None` when allowed."""
        return None if self.allowed else REFUSALS[self.code]


ALLOWED: Final = Verdict(True)


class Caps(Hours, Protocol):
    """What a campaign says of its hours and of how often it calls."""

    attempts_a_day: int
    number_attempts_a_day: int
    gap_min: int


@dataclass(frozen=True, slots=True)
class NumberTry:
    """A try at a number that said something of the client."""

    ended_at: datetime | None
    answered_at: datetime | None


def of_the_hours(rules: Caps, time_zone: str, *, promised_at: datetime | None, now: datetime) -> Verdict | None:
    """By the clock alone, `None` where the day's tries decide. `promised_at`: the call that was promised for `now` or
    before; it weighs more than the hours and the caps."""
    if promised_at is not None and promise_window(rules, time_zone, due_at=promised_at, now=now).holds(now):
        return ALLOWED
    window = window_at_or_after(rules, time_zone, now)
    return None if window.holds(now) else _outside_hours(rules, time_zone, now, window)


def of_the_tries(
    rules: Caps, time_zone: str, *, company: int, numbers: Mapping[int, Sequence[NumberTry]], now: datetime
) -> Verdict:
    """By what was tried today, within the hours: `company` tries at the company, and those at each number by its id,
    the number first that is dialled first."""
    if company >= rules.attempts_a_day:
        cap = {"count": company, "cap": rules.attempts_a_day}
        return Verdict(False, "dial.cap", cap, next_at=_tomorrow(rules, time_zone, now).opens_at)
    refusals = []
    for number_id, tries in numbers.items():
        refusal = _of_the_number(rules, tries, time_zone, now)
        if refusal is None:
            return Verdict(True, phone_number_id=number_id)
        refusals.append(refusal)
    return min(refusals, key=lambda refusal: refusal.next_at or now)


def _outside_hours(rules: Caps, time_zone: str, now: datetime, window: Window) -> Verdict:
    day = day_at(rules, time_zone, now)
    if not rules.calls_on(day):
        return Verdict(False, "dial.day_off", {"day": day}, next_at=window.opens_at)
    hours = {
        "local_time": local(now, time_zone).strftime("%H:%M"),
        "calls_from": rules.calls_from.strftime("%H:%M"),
        "calls_until": rules.calls_until.strftime("%H:%M"),
    }
    return Verdict(False, "dial.hours", hours, next_at=window.opens_at)


def _of_the_number(rules: Caps, tries: Sequence[NumberTry], time_zone: str, now: datetime) -> Verdict | None:
    if len(tries) >= rules.number_attempts_a_day:
        cap = {"count": len(tries), "cap": rules.number_attempts_a_day}
        return Verdict(False, "dial.number_cap", cap, next_at=_tomorrow(rules, time_zone, now).opens_at)
    unanswered = [each.ended_at for each in tries if each.answered_at is None and each.ended_at is not None]
    gap = timedelta(minutes=rules.gap_min)
    if unanswered and now < max(unanswered) + gap:
        passed = {"minutes": int((now - max(unanswered)).total_seconds()) // 60, "gap": rules.gap_min}
        return Verdict(False, "dial.gap", passed, next_at=max(unanswered) + gap)
    return None


def midnight(rules: Hours, now: datetime) -> datetime:
    """When the campaign's day began."""
    return instant(datetime.combine(local(now, rules.time_zone).date(), time()), rules.time_zone)


def _tomorrow(rules: Hours, time_zone: str, now: datetime) -> Window:
    """The next hours of another day than the campaign's today."""
    next_midnight = datetime.combine(local(now, rules.time_zone).date() + timedelta(days=1), time())
    return window_at_or_after(rules, time_zone, instant(next_midnight, rules.time_zone))
