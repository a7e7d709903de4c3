"""The dispositions that an operator chooses from: one digit each, and what each asks."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from crm.group import Group
from crm.preparation.results import Result


class Ask(enum.StrEnum):
    """What the operator's page asks for. `REQUIRED` says what cannot be left empty."""

    PERSON = "person"
    SUMMARY = "summary"
    NEXT_CONTACT = "next_contact"
    COMPETITOR = "competitor"
    REASON = "reason"
    WHEN = "when"
    ASKED_BY = "asked_by"
    NUMBER_ONLY = "number_only"
    EXPERT = "expert"
    QUESTIONNAIRE = "questionnaire"
    CONTRACT = "contract"
    """Only where the campaign sells by deals."""


@dataclass(frozen=True, slots=True)
class Disposition:
    """A choice. `group`: where it moves the client, or `None`. `unanswered`: possible when nobody answered.
    `makes_contact`: a talk that ends so may be a contact. `required` is a part of `asks`. `like`: the key of the usual
    one whose effects another one has; `labels`: own names in Russian and English, "" for the usual ones; not `active`:
    it is offered no more.

    What follows from it is asked of it by these, wherever it matters: `may_be_main`: the talk may have been with the
    one who decides; `number_is_dead`; `asks_off`: a request not to be called; `tried_again`: by the campaign's rules,
    as nobody was reached; `group_is_its_meaning`: so that no campaign decides on another one."""

    key: str
    digit: str
    group: Group | None
    asks: tuple[Ask, ...] = ()
    required: frozenset[Ask] = frozenset()
    unanswered: bool = False
    makes_contact: bool = True
    may_be_main: bool = True
    number_is_dead: bool = False
    asks_off: bool = False
    tried_again: bool = False
    group_is_its_meaning: bool = False
    like: str = ""
    labels: tuple[str, str] = ("", "")
    active: bool = True

    @property
    def acts_as(self) -> str:
        """The key of the usual disposition whose effects it has."""
        return self.like or self.key

    @property
    def hands_over(self) -> bool:
        """Whether a talk that ends so gives the client to an expert, where the campaign has any."""
        return Ask.EXPERT in self.asks

    @property
    def gives_owner(self) -> bool:
        """Whether a talk that ends so makes its caller the owner of a client that nobody keeps."""
        return not (self.asks_off or self.number_is_dead)


def _table(*dispositions: Disposition) -> dict[str, Disposition]:
    return {disposition.key: disposition for disposition in dispositions}


DISPOSITIONS: Final[dict[str, Disposition]] = _table(
    Disposition("hot", "1", Group.HOT, (Ask.PERSON, Ask.SUMMARY, Ask.NEXT_CONTACT, Ask.EXPERT, Ask.CONTRACT)),
    Disposition("warm", "2", Group.WARM, (Ask.PERSON, Ask.SUMMARY, Ask.NEXT_CONTACT, Ask.EXPERT)),
    Disposition(
        "competitor",
        "3",
        Group.COMPETITOR,
        (Ask.PERSON, Ask.SUMMARY, Ask.COMPETITOR, Ask.REASON),
        frozenset({Ask.COMPETITOR}),
    ),
    Disposition("cold", "4", Group.COLD, (Ask.PERSON, Ask.SUMMARY, Ask.REASON), frozenset({Ask.REASON})),
    Disposition("abandoned", "5", Group.ABANDONED, (Ask.PERSON, Ask.SUMMARY, Ask.REASON), frozenset({Ask.REASON})),
    Disposition(
        "no_contact",
        "6",
        Group.NO_CONTACT,
        unanswered=True,
        makes_contact=False,
        tried_again=True,
        group_is_its_meaning=True,
    ),
    Disposition(
        "nonexistent",
        "7",
        Group.NONEXISTENT,
        (Ask.REASON,),
        unanswered=True,
        makes_contact=False,
        number_is_dead=True,
        tried_again=True,
        group_is_its_meaning=True,
    ),
    Disposition(
        "callback",
        "8",
        None,
        (Ask.WHEN, Ask.ASKED_BY, Ask.PERSON, Ask.SUMMARY),
        frozenset({Ask.WHEN}),
        unanswered=True,
    ),
    Disposition(
        "not_main",
        "9",
        None,
        (Ask.PERSON, Ask.SUMMARY),
        frozenset({Ask.PERSON, Ask.SUMMARY}),
        may_be_main=False,
    ),
    Disposition("do_not_call", "0", None, (Ask.NUMBER_ONLY, Ask.REASON), unanswered=True, asks_off=True),
)

_PROPOSALS: Final[dict[Result, str | None]] = {
    Result.ANSWERED: None,
    Result.BUSY: "no_contact",
    Result.NO_ANSWER: "no_contact",
    Result.DECLINED: "no_contact",
    Result.NO_SUCH_NUMBER: "nonexistent",
    Result.UNAVAILABLE: "no_contact",
    Result.DIVERTED: "no_contact",
    Result.TRUNK_FAILURE: "no_contact",
    Result.CANCELLED: "no_contact",
    Result.INTERRUPTED: None,  # they may have talked: the operator knows
    Result.UNCERTAIN: "no_contact",
}


def may_sign(disposition: Disposition, *, by_operator: bool) -> bool:
    """Whether a contract may be written down with it. Operators write one down where the campaign has made an outcome
    that requires one; experts, and who answers for the result, also where it is merely asked."""
    return Ask.CONTRACT in (disposition.required if by_operator else disposition.asks)


def propose(result: Result) -> str | None:
    """The disposition that the network's word suggests, or `None` when only the operator can tell."""
    return _PROPOSALS[result]


def possible(*, answered: bool, of: Mapping[str, Disposition] = DISPOSITIONS) -> list[Disposition]:
    """What may be chosen of these (the usual ones, or a campaign's), in the order of the digits 1 to 9 and 0."""
    return [each for each in of.values() if each.active and (answered or each.unanswered)]
