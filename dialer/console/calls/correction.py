"""Correcting an outcome later, on the call's page: the form, and every version that there was."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import tzinfo

from sqlalchemy import exists, select
from sqlalchemy.ext.asyncio import AsyncSession

from crm.base.people import Person, people_at
from crm.calls.disposition_sets import dispositions_of, own_labels
from crm.clientele.clients import Client, get_client
from crm.clientele.groups import GroupMove
from crm.group import Group
from crm.office.users import User
from crm.plan.outcome_chain import UNDONE, Outcome, versions_of
from crm.preparation.campaign_setup import experts_of
from crm.preparation.campaigns import get_campaign
from crm.reading import views
from crm.wrap_up.correcting import as_it_stands
from dialer.console.deals.deal_page import shown_deals
from dialer.console.desk.outcome_form import Choice, as_time, choices
from dialer.console.desk.questionnaire import ShownSheet, asked_now, shown_sheets, surveys
from dialer.console.web.visitors import STOP_ROLES, Visitor
from dialer.shown.formats import moment, naive_moment
from dialer.shown.labels import disposition_name
from dialer.words import Words

FIELDS = (
    *("disposition", "person_id", "person_name", "person_position", "person_decides", "summary", "reason"),
    *("competitor", "when", "asked_by", "number_only", "note", "expert_id"),
    *("contract_deal", "contract_product", "contract_amount", "contract_on"),
)


@dataclass(frozen=True, slots=True)
class Version:
    """One outcome of the chain, its `number` counted from 1; `key`: that of its disposition; answers as pairs of a name
    and a text."""

    number: int
    key: str
    when: str
    author: str
    disposition: str
    answers: list[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class Correction:
    """The form: `corrects` is the outcome that it replaces; `filled`: what stands in its fields;
    `dispositions` with what each asks, as at the desk; `deals`: which may
    have a contract, `None` where the campaign does not sell by deals; `sheets`: what the client is asked, to which the
    same rule holds as at the desk."""

    corrects: int
    filled: Mapping[str, str]
    dispositions: list[Choice]
    people: tuple[Person, ...]
    experts: list[tuple[str, str]]
    deals: list[tuple[str, str]] | None
    sheets: list[ShownSheet]


def may_correct(known: Visitor, operator_id: int) -> bool:
    """Who called, and whoever answers for the result."""
    return known.user_id == operator_id or known.role in STOP_ROLES


async def versions(session: AsyncSession, words: Words, zone: tzinfo, attempt_id: str) -> list[Version]:
    """All versions of the outcome, the newest first; what was undone at once is among them."""
    chain = await versions_of(session, attempt_id)
    named = select(User.id, User.name).where(User.id.in_({each.author_id for each in chain}))
    names = await own_labels(session, words.language)
    authors = dict((await session.execute(named)).all())
    return [
        Version(
            number=number,
            key=outcome.disposition,
            when=moment(words, outcome.recorded_at, zone),
            author=authors[outcome.author_id],
            disposition=names.get(outcome.disposition) or words.gettext(disposition_name(outcome.disposition)),
            answers=answers(words, outcome),
        )
        for number, outcome in reversed(list(enumerate(chain, 1)))
    ]


def answers(words: Words, outcome: Outcome) -> list[tuple[str, str]]:
    """What was answered, with the names of the questions."""
    promised = naive_moment(words, outcome.callback_at_local) if outcome.callback_at_local else ""
    pairs = [
        (words.gettext("Talked to"), outcome.full_name),
        (words.gettext("Reason"), outcome.reason),
        (words.gettext("Competitor"), outcome.competitor),
        (words.gettext("What was said"), outcome.summary),
        (words.gettext("Call back, by the client's clock"), promised),
        (words.gettext("Asked by"), outcome.asked_by),
        (words.gettext("Note"), outcome.note),
    ]
    return [(name, text) for name, text in pairs if text]


async def correction(
    session: AsyncSession,
    words: Words,
    found: views.CallRow,
    outcome: Outcome | None,
    typed: Mapping[str, str] | None,
    *,
    by_operator: bool,
) -> Correction | None:
    """The form with what is written, or with what was `typed` and refused; `None` while there is nothing to correct.
    `by_operator`: whether its reader is one, who may sign fewer contracts."""
    if outcome is None or outcome.disposition == UNDONE:
        return None
    client, answered = await get_client(session, found.client_id), found.talk_seconds is not None
    experts, deals = await experts_of(session, client.campaign_id), await _deals(session, words, client)
    was_abandoned = await _was_abandoned(session, found, client)
    group = Group.ABANDONED if was_abandoned else client.group
    asked = await asked_now(session, client_id=client.id, campaign_id=client.campaign_id, group=group.value)
    offered = choices(
        words, await dispositions_of(session, client.campaign_id), answered=answered, was_abandoned=was_abandoned,
        has_experts=bool(experts), surveyed=surveys(asked), sells=deals is not None, by_operator=by_operator,
    )  # fmt: skip
    return Correction(
        corrects=outcome.id,
        filled={name: typed.get(name, "") for name in FIELDS} if typed else await _stored(session, outcome),
        dispositions=offered,
        people=tuple(await people_at(session, client.organisation_id)),
        experts=[(str(each.id), each.name) for each in experts],
        deals=deals,
        sheets=shown_sheets(words, asked, typed or {}) if answered else [],
    )


async def _was_abandoned(session: AsyncSession, found: views.CallRow, client: Client) -> bool:
    """Whether the client is "abandoned", or this call has taken it out of there."""
    left = exists().where(
        GroupMove.client_id == client.id, GroupMove.attempt_id == found.attempt_id,
        GroupMove.from_group == Group.ABANDONED,
    )  # fmt: skip
    return client.group is Group.ABANDONED or bool(await session.scalar(select(left)))


async def _deals(session: AsyncSession, words: Words, client: Client) -> list[tuple[str, str]] | None:
    if not (await get_campaign(session, client.campaign_id)).sells_by_deals:
        return None
    shown = await shown_deals(session, words, client.id)
    return [(str(each.id), " · ".join(part for part in (each.product, each.amount, each.stage) if part))
            for each in shown]  # fmt: skip


async def _stored(session: AsyncSession, outcome: Outcome) -> dict[str, str]:
    found = await as_it_stands(session, outcome)
    promised, signed = found.callback_at_local, found.signed
    return {
        **dict.fromkeys(FIELDS, ""),
        "disposition": found.disposition,
        "person_id": str(found.person_id or ""),
        "summary": found.summary,
        "reason": found.reason,
        "competitor": found.competitor,
        "when": as_time(promised) if promised is not None else "",
        "asked_by": found.asked_by,
        "number_only": "yes" if found.number_only else "",
        "note": found.note,
        "expert_id": str(found.expert_id or ""),
        "contract_deal": str(signed.deal_id) if signed is not None else "",
        "contract_amount": f"{signed.amount:.2f}" if signed is not None else "",
        "contract_on": str(signed.on) if signed is not None else "",
    }
