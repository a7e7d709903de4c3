"""Where texts about people and organisations stand: one list for the export and for the erasure.

A text tells of a person when it holds their surname in any case of Russian grammar, or the digits of a number of
theirs. In doubt it does: for an export it is shown, for an erasure it goes.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any, Final

from sqlalchemy import ColumnElement, Select, or_, select

from crm.base.addresses import Address
from crm.base.competitors import CompetitorUse
from crm.base.do_not_call import DoNotCall
from crm.base.organisations import Organisation
from crm.base.past_deals import PastDeal
from crm.base.people import Person
from crm.base.phone_numbers import PhoneNumber
from crm.calls.attempts import Attempt
from crm.calls.letters import Letter
from crm.care.bulk_actions import BulkChange
from crm.clientele.clients import Client
from crm.clientele.consents import ConsentGiven
from crm.clientele.groups import GroupMove
from crm.deals.deals import Deal, DealMove
from crm.experts.referrals import Referral
from crm.importing.list_marks import ListMark
from crm.mail.outbox import OutgoingMail
from crm.mapping import Base
from crm.offers.incoming import IncomingMail
from crm.offers.offers import Offer
from crm.offers.opt_outs import OptOut
from crm.plan.callbacks import Callback
from crm.plan.plan_entries import PlanEntry
from crm.text_rules import fold
from crm.wrap_up.contacts import Contact
from crm.wrap_up.outcomes import Outcome

ERASED: Final = "Erased · Стёрто"
"""What stands where a text was erased that may not be empty: two words of ten letters, in both languages."""

_SURNAME: Final = re.compile(
    r"(?:ов|ев|ёв|ин|ын|ский|цкий|ская|цкая|ова|ева|ина|ына|ко|ук|юк|их|ых|ян|янц|дзе|швили|ия|ер|ман|берг)$"
)
_PATRONYMIC: Final = re.compile(r"(?:вич|вна|ична|оглы|кызы)$")
_LEAST_STEM: Final = 3
_LEAST_DIGITS: Final = 6
_LAST_DIGITS: Final = 10  # of a number, without the country's code


def clients_of(organisation_id: int) -> Select[int]:
    """Ids of the organisation's clients, in all campaigns."""
    return select(Client.id).where(Client.organisation_id == organisation_id)


def attempts_of(organisation_id: int) -> Select[str]:
    """Ids of all calls to the organisation."""
    return select(Attempt.id).where(Attempt.client_id.in_(clients_of(organisation_id)))


def numbers_of(organisation_id: int) -> Select[str]:
    """The organisation's numbers."""
    return select(PhoneNumber.e164).where(PhoneNumber.organisation_id == organisation_id)


@dataclass(frozen=True, slots=True)
class Place:
    """Columns of free text in a table, and which of its rows are an organisation's."""

    table: type[Base]
    columns: tuple[str, ...]
    of: ColumnElement[bool]


def places(organisation_id: int) -> tuple[Place, ...]:
    """Everywhere that somebody may have written about the organisation or its people."""
    clients, attempts = clients_of(organisation_id), attempts_of(organisation_id)
    promises = select(Callback.id).where(Callback.client_id.in_(clients))
    people = select(Person.id).where(Person.organisation_id == organisation_id)
    asked = or_(
        DoNotCall.organisation_id == organisation_id,
        DoNotCall.person_id.in_(people),
        DoNotCall.attempt_id.in_(attempts),
        DoNotCall.e164.in_(numbers_of(organisation_id)),
    )
    consented = or_(
        ConsentGiven.organisation_id == organisation_id,
        ConsentGiven.person_id.in_(people),
        ConsentGiven.e164.in_(numbers_of(organisation_id)),
    )
    unwanted = or_(
        OptOut.organisation_id == organisation_id, OptOut.noted_at_id == organisation_id, OptOut.person_id.in_(people)
    )
    offered = select(Offer.id).where(Offer.client_id.in_(clients))
    outcome = ("full_name", "summary", "reason", "competitor", "callback_words", "asked_by", "note")
    return (
        Place(Outcome, outcome, Outcome.attempt_id.in_(attempts)),
        Place(Contact, ("full_name", "summary"), Contact.organisation_id == organisation_id),
        Place(Callback, ("words", "asked_by"), Callback.client_id.in_(clients)),
        Place(OutgoingMail, ("organisation", "person", "words"), OutgoingMail.callback_id.in_(promises)),
        Place(PlanEntry, ("reason",), PlanEntry.client_id.in_(clients)),
        Place(GroupMove, ("note",), GroupMove.client_id.in_(clients)),
        Place(Client, ("code", "off_list_reason"), Client.organisation_id == organisation_id),
        Place(DoNotCall, ("evidence", "lift_reason"), asked),
        Place(ConsentGiven, ("evidence", "withdraw_reason"), consented),
        Place(Letter, ("note", "withdraw_reason"), Letter.client_id.in_(clients)),
        Place(Referral, ("reason",), Referral.client_id.in_(clients)),
        Place(Offer, ("address", "subject", "body"), Offer.client_id.in_(clients)),
        Place(IncomingMail, ("sender", "subject", "body"), IncomingMail.offer_id.in_(offered)),
        Place(OptOut, ("evidence", "lift_reason"), unwanted),
        Place(Address, ("written",), Address.organisation_id == organisation_id),
        Place(CompetitorUse, ("note",), CompetitorUse.organisation_id == organisation_id),
        Place(Deal, ("product", "note"), Deal.client_id.in_(clients)),
        Place(DealMove, ("note",), DealMove.deal_id.in_(select(Deal.id).where(Deal.client_id.in_(clients)))),
        Place(PastDeal, ("what", "seller"), PastDeal.organisation_id == organisation_id),
        Place(BulkChange, ("before", "after"), BulkChange.client_id.in_(clients)),
        Place(ListMark, ("remark",), ListMark.client_id.in_(clients)),
        Place(Organisation, ("note",), Organisation.id == organisation_id),
        Place(Person, ("position", "note"), Person.organisation_id == organisation_id),
    )


@dataclass(frozen=True, slots=True)
class Traces:
    """By what somebody is recognised in a text: beginnings of words, runs of digits, whole phrases, and beginnings of
    words that stand `together`: the surname with the first name."""

    stems: frozenset[str]
    digits: frozenset[str]
    phrases: frozenset[str] = frozenset()
    together: frozenset[tuple[str, ...]] = frozenset()

    def strict(self) -> Traces:
        """For texts about anybody: a surname alone is not theirs there."""
        return replace(self, stems=frozenset())

    def are_in(self, text: str) -> bool:
        """Whether the text tells of them."""
        words = re.split(r"\W+", fold(text))
        if any(word.startswith(stem) for stem in self.stems for word in words):
            return True
        if any(all(any(word.startswith(stem) for word in words) for stem in name) for name in self.together):
            return True
        if any(phrase in fold(text) for phrase in self.phrases):
            return True
        run = re.sub(r"\D", "", text)
        return any(digits in run for digits in self.digits)

    def are_inside(self, value: Any) -> bool:
        """As `are_in`, for whatever JSON can hold."""
        if isinstance(value, dict):
            return any(self.are_inside(each) for pair in value.items() for each in pair)
        if isinstance(value, list):
            return any(map(self.are_inside, value))
        return isinstance(value, str) and self.are_in(value)


def traces(full_names: Iterable[str], e164s: Iterable[str], phrases: Iterable[str] = ()) -> Traces:
    """The traces of people by these names and numbers; `phrases` are folded, such as an organisation's name."""
    names = list(full_names)
    stems = {stem for name in names if (stem := _stem(surname(name)))}
    split = [[_stem(word) for word in fold(name).split() if not _PATRONYMIC.search(word)] for name in names]
    together = frozenset(tuple(each) for each in split if len(each) > 1)
    digits = {number[-_LAST_DIGITS:] for e164 in e164s if len(number := e164.lstrip("+")) >= _LEAST_DIGITS}
    whole = frozenset(phrase for phrase in phrases if phrase)
    return Traces(frozenset(stems), frozenset(digits), whole, together)


def surname(full_name: str) -> str:
    """The word of a name that looks like a surname, otherwise the first one; folded."""
    words = [word for word in fold(full_name).split() if not _PATRONYMIC.search(word)] or fold(full_name).split()
    return next((word for word in words if _SURNAME.search(word)), words[0] if words else "")


def _stem(word: str) -> str:
    """What stays of a surname in every case: "петров" of "Петрова" and of "Петровой"."""
    stem = word if len(word) <= _LEAST_STEM else word[: max(_LEAST_STEM, len(word) - 2)].rstrip("аоуеиыяюйь")
    return stem if len(stem) >= _LEAST_STEM else word
