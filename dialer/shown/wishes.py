"""What people wish, in words: who agreed to be called, and who asked not to be."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from sqlalchemy.ext.asyncio import AsyncSession

from crm.base.whom import OfWhom
from crm.clientele.consents import consents_of
from crm.plan.silence import requests_of
from crm.reading.views import Card
from dialer.shown.formats import phone
from dialer.words import Words


@dataclass(frozen=True, slots=True)
class Wish:
    """A consent or a request that is in force: its number, who it is about, the evidence."""

    id: int
    whom: str
    evidence: str


@dataclass(frozen=True, slots=True)
class Wishes:
    """What is in force at a client. `choices`: who may wish something, as a form sends it and in words."""

    agreed: list[Wish]
    asked_off: list[Wish]
    choices: list[tuple[str, str]]


async def read_wishes(session: AsyncSession, words: Words, card: Card) -> Wishes:
    """All that is in force about the organisation of this card, its people and its numbers."""
    names = {each.id: each.full_name for each in card.people}
    numbers = {each.e164: each.id for each in card.numbers}
    return Wishes(
        agreed=[
            Wish(each.id, _named(words, each, names), each.evidence)
            for each in await consents_of(session, card.organisation_id)
        ],
        asked_off=[
            Wish(each.id, _named(words, each, names), each.evidence or words.gettext("said in a call"))
            for each in await requests_of(session, card.organisation_id)
        ],
        choices=[
            ("", words.gettext("the company")),
            *((f"person:{person_id}", name) for person_id, name in names.items()),
            *((f"number:{number_id}", phone(e164)) for e164, number_id in numbers.items()),
        ],
    )


def _named(words: Words, wish: OfWhom, names: Mapping[int, str]) -> str:
    if wish.e164 is not None:
        return phone(wish.e164)
    if wish.person_id is not None:
        return names.get(wish.person_id, "—")
    return words.gettext("the company")
