"""The refusals of `crm.calls.dial_rules`, and what each means for the plan: one table, so that all who act on a refusal
agree on it."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final


class Leaves(enum.Enum):
    """What a client who waits in the plan and may not be dialled takes out of it."""

    NOTHING = enum.auto()
    ENTRY = enum.auto()
    LIST = enum.auto()  # all that wait of the client's list: it was returned, and may hold thousands


@dataclass(frozen=True, slots=True)
class Refusal:
    """`leaves`: what goes out of the plan, as it will not change today by itself. `any_day`: it holds on any day,
    whoever calls, so that nobody can be picked by hand against it. `comes_back`: what went comes back on the same day
    once the reason is gone; `crm.plan.reachable` or the calendar must know of the reason, or it would come back before.
    `any_client`: another client would be refused for it too, so that giving this one up helps nobody.
    """

    leaves: Leaves = Leaves.NOTHING
    any_day: bool = False
    comes_back: bool = False
    any_client: bool = False


_OF_THE_CLIENT: Final = Refusal(Leaves.ENTRY, any_day=True, comes_back=True)
_OF_THE_DAY: Final = Refusal(Leaves.ENTRY)
_OF_THE_MOMENT: Final = Refusal()

REFUSALS: Final[Mapping[str, Refusal]] = {
    "dial.attempt_active": _OF_THE_MOMENT,
    "dial.cap": _OF_THE_DAY,
    "dial.day_off": Refusal(Leaves.ENTRY, comes_back=True),
    "dial.do_not_call": _OF_THE_CLIENT,
    "dial.gap": _OF_THE_MOMENT,
    "dial.held_by_other": _OF_THE_MOMENT,
    "dial.hours": _OF_THE_MOMENT,
    "dial.list_not_approved": Refusal(Leaves.LIST, any_day=True, comes_back=True),
    "dial.no_consent": _OF_THE_CLIENT,
    "dial.no_number": _OF_THE_CLIENT,
    "dial.nonexistent": _OF_THE_CLIENT,
    "dial.number_cap": _OF_THE_DAY,
    "dial.number_dead": _OF_THE_MOMENT,
    "dial.number_do_not_call": _OF_THE_MOMENT,
    "dial.number_of_other": _OF_THE_MOMENT,
    "dial.off_list": _OF_THE_CLIENT,
    "dial.outcome_missing": _OF_THE_MOMENT,
    "dial.owned": _OF_THE_MOMENT,
    "dial.stopped": Refusal(any_client=True),
}
COME_BACK: Final = tuple(code for code, refusal in REFUSALS.items() if refusal.comes_back)
