"""Outcomes: what the operator writes down after an attempt, and everything that follows from it in one transaction."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import partial
from typing import Any

from sqlalchemy import ForeignKey, delete
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Mapped, mapped_column

from crm.base.people import Person, add_person, person_at, person_named
from crm.calls.attempts import Attempt, get_attempt, hold_call
from crm.calls.disposition_sets import disposition_of, disposition_then
from crm.clientele.clients import Client, time_zone_of
from crm.errors import Conflict, NotAllowed, Refused
from crm.group import Group
from crm.insert_or_read import insert_or_read
from crm.mapping import Base, UtcDateTime, json_column
from crm.office.users import Role, User, get_user
from crm.plan.callbacks import open_callback
from crm.plan.dispositions import DISPOSITIONS, Ask, Disposition, may_sign, possible, propose
from crm.plan.outcome_chain import UNDONE, Outcome, current_outcome, superseded
from crm.plan.spoken_time import parse_when
from crm.preparation.campaigns import get_campaign
from crm.text_rules import is_full_name, is_summary, lines_of, tidy
from crm.wrap_up.consequences import Following, apply, take_back
from crm.wrap_up.contacts import Spoken
from crm.wrap_up.contracts import Signed
from crm.wrap_up.sheets_due import Typed, due_sheets, feed_records, why_left, write_due
from crm.wrap_up.standing import NOTHING, Standing, what_stands

__all__ = [
    "DISPOSITIONS",
    "Ask",
    "Disposition",
    "Outcome",
    "OutcomeDraft",
    "OutcomeForm",
    "current_outcome",
    "load_draft",
    "possible",
    "propose",
    "record",
    "save_draft",
    "superseded",
]

_OF_A_TALK = frozenset({Ask.PERSON, Ask.SUMMARY, Ask.ASKED_BY})
_MAY_CORRECT = frozenset({Role.MANAGER, Role.ADMINISTRATOR})


class OutcomeDraft(Base):
    """What was typed and not yet saved, so that a reload loses nothing."""

    __tablename__ = "outcome_drafts"

    attempt_id: Mapped[str] = mapped_column(ForeignKey("attempts.id"), primary_key=True)
    fields: Mapped[dict[str, Any]] = mapped_column(json_column())
    updated_at: Mapped[datetime] = mapped_column(UtcDateTime)


@dataclass(frozen=True, slots=True)
class OutcomeForm:
    """What the operator filled in. A person is an existing one by `person_id`, or a name, which becomes a person of the
    organisation. The time of a callback is naive, on the client's clock, or the words for it, as they were typed.
    `number_only` narrows "do not call" to the number that was dialled. `expert_id`: to whom the client is handed,
    `None` by the campaign's rule; `signed` is the contract that came of it; `sheets` are the questionnaires
    that the page had, `language` that of the page.
    Answers to what the disposition does not ask are not taken."""

    disposition: str
    person_id: int | None = None
    person_name: str = ""
    person_position: str = ""
    person_decides: bool = False
    summary: str = ""
    reason: str = ""
    competitor: str = ""
    callback_at_local: datetime | None = None
    callback_words: str = ""
    asked_by: str = ""
    number_only: bool = False
    note: str = ""
    expert_id: int | None = None
    signed: Signed | None = None
    sheets: Typed = field(default_factory=dict)
    language: str = "ru"


async def record(
    session: AsyncSession,
    *,
    attempt_id: str,
    form: OutcomeForm,
    author_id: int,
    now: datetime,
    corrects: int | None = None,
) -> Outcome:
    """Write the outcome down, with all that follows: the group, the contact, the callback, dead numbers, do-not-call,
    the plan. `corrects` is the id of the outcome that this one replaces; its effects are taken back first.

    Raises `Refused` for what is missing or impossible, `Conflict` when the outcome was written by someone else (or by
    the first of two clicks), `NotAllowed` for another operator's call.
    """
    client, attempt, previous = await _held(session, attempt_id, author_id=author_id, corrects=corrects)
    chosen = await disposition_of(session, client.campaign_id, form.disposition)
    disposition = await _as_it_asks(session, chosen, attempt, client, author_id=author_id)
    stands, taken = NOTHING, None
    if previous is not None:
        stands = await _what_stands(session, previous, form, chosen, asks=disposition.asks, now=now)
        form = _as_promised(form, previous) if stands.promise else form
        taken = await take_back(session, previous, attempt, client, author_id=author_id, now=now, stands=stands)
    base_group = taken.base_group if taken is not None else client.group
    was = base_group or client.group
    due = await due_sheets(
        session, client=client, disposition=disposition, was=was, answered=attempt.answered_at is not None,
        typed=form.sheets, competitor=form.competitor,
    )  # fmt: skip
    form = replace(form, reason=form.reason.strip() or why_left(due, form.language))
    await write_due(session, due, attempt=attempt, client=client, author_id=author_id, now=now)
    form, person = await _checked(session, form, attempt, client, disposition, was=was, now=now)
    outcome = await _add(session, attempt, form, person, author_id=author_id, now=now, previous=previous)
    # Whom the corrected outcome had first said to decide still does, where the correction names the same person.
    decides = person is not None and (form.person_decides or (taken is not None and taken.deciding == person.id))
    following = Following(
        session, outcome, attempt, client, disposition, spoken=_spoken(form, person, decides=decides),
        base_group=base_group, decides=decides, is_first=not _counts(previous),
        retries=taken is not None and taken.retried, expert_id=form.expert_id, signed=form.signed, stands=stands,
    )  # fmt: skip
    await apply(following, instead_of=taken)
    await feed_records(session, due, client=client, author_id=author_id, now=now)
    attempt.wrapped_up_at = attempt.wrapped_up_at or now
    await session.execute(delete(OutcomeDraft).where(OutcomeDraft.attempt_id == attempt_id))
    await session.flush()
    return outcome


async def _held(
    session: AsyncSession, attempt_id: str, *, author_id: int, corrects: int | None
) -> tuple[Client, Attempt, Outcome | None]:
    """The client and the call, held, with the last outcome; the author may write one in its place."""
    client, attempt = await hold_call(session, attempt_id)
    if attempt.ended_at is None:
        raise Refused("attempt.still_open")
    await _assert_may_write(session, attempt, author_id)
    previous = await current_outcome(session, attempt_id)
    _assert_replaces(previous, corrects)
    if previous is not None and _counts(previous):
        await _assert_own_to_correct(session, previous, client, author_id=author_id)
    return client, attempt, previous


def _counts(previous: Outcome | None) -> bool:
    """Whether there is an outcome that was not undone."""
    return previous is not None and previous.disposition != UNDONE


async def _what_stands(
    session: AsyncSession,
    previous: Outcome,
    form: OutcomeForm,
    chosen: Disposition,
    *,
    asks: Collection[Ask],
    now: datetime,
) -> Standing:
    """Of the outcome before this one, when it is `chosen` and the form could ask only `asks`."""
    if not _counts(previous):
        return NOTHING
    at_local, words = form.callback_at_local, form.callback_words
    return await what_stands(session, previous, chosen, asks=asks, at_local=at_local, words=words, now=now)


def _as_promised(form: OutcomeForm, previous: Outcome) -> OutcomeForm:
    return replace(form, callback_at_local=previous.callback_at_local, callback_words=previous.callback_words)


async def _as_it_asks(
    session: AsyncSession, disposition: Disposition, attempt: Attempt, client: Client, *, author_id: int
) -> Disposition:
    """Without the question for a contract where there can be none: nobody answered, the campaign does not sell by
    deals, or the author may not sign."""
    author = await session.get_one(User, author_id)
    sells = (await get_campaign(session, client.campaign_id)).sells_by_deals
    if attempt.answered_at and sells and may_sign(disposition, by_operator=author.role is Role.OPERATOR):
        return disposition
    asks = tuple(ask for ask in disposition.asks if ask is not Ask.CONTRACT)
    return replace(disposition, asks=asks, required=disposition.required - {Ask.CONTRACT})


def _spoken(form: OutcomeForm, person: Person | None, *, decides: bool) -> Spoken:
    """The conversation, as contacts are judged by. `decides`: that the person does was said in this talk."""
    if person is None:
        return Spoken(summary=form.summary)
    return Spoken(person.id, decides or person.decides, person.full_name, form.summary)


def _assert_replaces(previous: Outcome | None, corrects: int | None) -> None:
    """The first outcome, or the first since one was undone, corrects nothing; any other corrects the one that holds."""
    holds = previous is not None and previous.disposition != UNDONE
    if corrects is None and not holds:
        return
    if previous is None or previous.id != corrects:
        raise Conflict("outcome.already_recorded")


async def _checked(
    session: AsyncSession,
    form: OutcomeForm,
    attempt: Attempt,
    client: Client,
    disposition: Disposition,
    *,
    was: Group,
    now: datetime,
) -> tuple[OutcomeForm, Person | None]:
    """What was filled in and is asked for, tidied, with the person it names. Raises `Refused` for what is missing."""
    answered = attempt.answered_at is not None
    if not answered and not disposition.unanswered:
        raise Refused("outcome.not_answered", disposition=disposition.key)
    asks = set(disposition.asks) | ({Ask.REASON} if was is Group.ABANDONED else set())
    form = await _tidied(session, _asked_for(form, asks), client, now)
    person = await _person_of(session, form, client)
    _assert_complete(form, disposition, person.full_name if person else "", was=was, answered=answered)
    return form, person


async def save_draft(session: AsyncSession, *, attempt_id: str, fields: Mapping[str, Any], now: datetime) -> None:
    """Keep what was typed. Raises `NotFound` for an unknown attempt; the draft of a written outcome is dropped."""
    attempt = await get_attempt(session, attempt_id)
    if attempt.wrapped_up_at is not None:
        return
    kept = {name: value.replace("\0", "") if isinstance(value, str) else value for name, value in fields.items()}
    draft = await session.get(OutcomeDraft, attempt_id)
    if draft is None:
        first = OutcomeDraft(attempt_id=attempt_id, fields=kept, updated_at=now)
        again = partial(session.get, OutcomeDraft, attempt_id, populate_existing=True)
        written, is_new = await insert_or_read(session, first, again)
        if is_new:
            return
        draft = written
    draft.fields, draft.updated_at = kept, now
    await session.flush()


async def load_draft(session: AsyncSession, *, attempt_id: str) -> dict[str, Any]:
    """What was typed, {} when nothing was."""
    draft = await session.get(OutcomeDraft, attempt_id)
    return dict(draft.fields) if draft is not None else {}


async def _assert_may_write(session: AsyncSession, attempt: Attempt, author_id: int) -> None:
    if attempt.operator_id == author_id:
        return
    author = await get_user(session, author_id)
    if author.role not in _MAY_CORRECT:
        raise NotAllowed("outcome.not_yours")


async def _assert_own_to_correct(session: AsyncSession, previous: Outcome, client: Client, *, author_id: int) -> None:
    """Long after the call the client may be another's: who called does not end a colleague's promise by correcting, nor
    lift what somebody asked for. Whoever answers for the result may."""
    if (await get_user(session, author_id)).role in _MAY_CORRECT:
        return
    if (await disposition_then(session, client.campaign_id, previous.disposition)).asks_off:
        raise NotAllowed("outcome.request_stays")
    promise = await open_callback(session, client.id)
    if promise is not None and promise.owner_id != author_id:
        raise NotAllowed("outcome.promise_of_another")


def _asked_for(form: OutcomeForm, asks: AbstractSet[Ask]) -> OutcomeForm:
    """Without the answers to what this disposition does not ask: they were left behind by another choice, and a promise
    that nobody sees on the form must not be made."""
    when = bool(asks & {Ask.WHEN, Ask.NEXT_CONTACT})
    person = Ask.PERSON in asks
    return replace(
        form,
        person_id=form.person_id if person else None,
        person_name=form.person_name if person else "",
        person_position=form.person_position if person else "",
        person_decides=form.person_decides and person,
        summary=form.summary if Ask.SUMMARY in asks else "",
        reason=form.reason if Ask.REASON in asks else "",
        competitor=form.competitor if Ask.COMPETITOR in asks else "",
        callback_at_local=form.callback_at_local if when else None,
        callback_words=form.callback_words if when else "",
        asked_by=form.asked_by if when else "",
        number_only=form.number_only and Ask.NUMBER_ONLY in asks,
        expert_id=form.expert_id if Ask.EXPERT in asks else None,
        signed=form.signed if Ask.CONTRACT in asks else None,
    )


async def _tidied(session: AsyncSession, form: OutcomeForm, client: Client, now: datetime) -> OutcomeForm:
    callback_at = form.callback_at_local
    if callback_at is None and form.callback_words.strip():
        callback_at = parse_when(form.callback_words, now=now, zone=await time_zone_of(session, client))
    return replace(
        form,
        person_name=tidy(form.person_name),
        person_position=tidy(form.person_position),
        summary=lines_of(form.summary),
        reason=lines_of(form.reason),
        competitor=tidy(form.competitor),
        callback_at_local=callback_at,
        callback_words=tidy(form.callback_words),
        asked_by=tidy(form.asked_by),
        note=lines_of(form.note),
    )


async def _person_of(session: AsyncSession, form: OutcomeForm, client: Client) -> Person | None:
    organisation_id = client.organisation_id
    if form.person_id is not None:
        return await person_at(session, organisation_id=organisation_id, person_id=form.person_id)
    if not form.person_name:
        return None
    return await person_named(session, organisation_id=organisation_id, full_name=form.person_name) or await add_person(
        session, organisation_id=organisation_id, full_name=form.person_name, position=form.person_position
    )


def _assert_complete(
    form: OutcomeForm, disposition: Disposition, full_name: str, *, was: Group, answered: bool
) -> None:
    # Nobody can be asked who did not answer.
    required = disposition.required if answered else disposition.required - _OF_A_TALK
    if was is Group.ABANDONED and answered and not form.reason:
        raise Refused("outcome.needs_reason_left")
    if Ask.COMPETITOR in required and not form.competitor:
        raise Refused("outcome.needs_competitor")
    if Ask.REASON in required and not form.reason:
        raise Refused("outcome.needs_reason")
    if Ask.WHEN in required and form.callback_at_local is None:
        raise Refused("outcome.callback_needs_time")
    if Ask.PERSON in required and not is_full_name(full_name):
        raise Refused("outcome.needs_full_name")
    if Ask.SUMMARY in required and not is_summary(form.summary):
        raise Refused("outcome.needs_summary")
    if Ask.NEXT_CONTACT in required and form.callback_at_local is None:
        raise Refused("outcome.callback_needs_time")
    if Ask.ASKED_BY in required and not form.asked_by:
        raise Refused("outcome.needs_asked_by")
    if Ask.CONTRACT in required and form.signed is None:
        raise Refused("outcome.needs_contract")


async def _add(
    session: AsyncSession,
    attempt: Attempt,
    form: OutcomeForm,
    person: Person | None,
    *,
    author_id: int,
    now: datetime,
    previous: Outcome | None,
) -> Outcome:
    outcome = Outcome(
        attempt_id=attempt.id,
        disposition=form.disposition,
        person_id=person.id if person else None,
        full_name=person.full_name if person else "",
        summary=form.summary,
        reason=form.reason,
        competitor=form.competitor,
        callback_at_local=form.callback_at_local,
        callback_words=form.callback_words,
        asked_by=form.asked_by,
        number_only=form.number_only,
        note=form.note,
        recorded_at=now,
        author_id=author_id,
        supersedes_id=previous.id if previous else None,
    )
    try:
        async with session.begin_nested():
            session.add(outcome)
    except IntegrityError as error:
        raise Conflict("outcome.already_recorded") from error
    return outcome
