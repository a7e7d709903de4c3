"""Reading for pages: plain rows, no mapped objects to change by mistake."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Row, Select, or_, select
from sqlalchemy.ext.asyncio import AsyncSession

from crm.base.do_not_call import asked
from crm.base.joined import of_clients, read_as_one
from crm.base.organisations import Organisation
from crm.base.people import people_at
from crm.base.phone_numbers import NumberState, shown_numbers
from crm.base.phone_parsing import digits_sought, national
from crm.base.sources import Source
from crm.base.whom import Whom
from crm.calls.attempts import Attempt
from crm.calls.recording_facts import Recording
from crm.clientele.clients import Client
from crm.errors import NotFound
from crm.group import Group
from crm.office.users import User
from crm.plan.callbacks import Callback, CallbackState
from crm.plan.outcome_chain import Outcome, superseded
from crm.plan.plan_entries import EntryKind, EntryState, PlanEntry
from crm.preparation.campaigns import Campaign
from crm.preparation.results import Result
from crm.reading.scope import EVERYTHING, Scope
from crm.text_rules import fold
from crm.wrap_up.contacts import Contact

LAST_ATTEMPTS = 5


@dataclass(frozen=True, slots=True)
class NumberRow:
    """A telephone number on the card."""

    id: int
    e164: str
    extension: str
    state: NumberState


@dataclass(frozen=True, slots=True)
class PersonRow:
    """A person on the card."""

    id: int
    full_name: str
    position: str
    decides: bool


@dataclass(frozen=True, slots=True)
class PromiseRow:
    """A callback; `local_at` is naive, on the client's clock."""

    id: int
    owner: str
    local_at: datetime
    due_at: datetime
    asked_by: str
    words: str
    state: CallbackState


@dataclass(frozen=True, slots=True)
class CallRow:
    """An attempt with what came of it. `contact`: "main", "other" or ""; `duration_s` of its recording in seconds,
    `None` where none can be listened to."""

    attempt_id: str
    client_id: int
    organisation: str
    group: Group
    operator_id: int
    operator: str
    dialled: str
    opened_at: datetime
    talk_seconds: float | None
    result: Result | None
    disposition: str | None
    full_name: str
    summary: str
    reason: str
    note: str
    contact: str
    duration_s: float | None


@dataclass(frozen=True, slots=True)
class Card:
    """A client as the operator sees it. `time_zone` is the client's. `why_now`: the kind of the plan entry that is
    claimed or waits, `None` when there is none."""

    client_id: int
    campaign_id: int
    campaign: str
    organisation_id: int
    organisation: str
    city: str
    industry: str
    headcount: int | None
    site: str
    email: str
    note: str
    source: str
    group: Group
    time_zone: str
    do_not_call: bool
    off_list_reason: str
    owner: str
    numbers: tuple[NumberRow, ...]
    people: tuple[PersonRow, ...]
    promise: PromiseRow | None
    last_calls: tuple[CallRow, ...]
    entry_id: int | None
    why_now: EntryKind | None


@dataclass(frozen=True, slots=True)
class CallFilters:
    """What the list of calls is narrowed to; `since` (with) and `until` (without) are instants. `text`: a part of the
    organisation's name, or at least three digits of the number that was dialled."""

    operator_id: int | None = None
    client_id: int | None = None
    campaign_id: int | None = None
    group: Group | None = None
    result: Result | None = None
    disposition: str | None = None
    since: datetime | None = None
    until: datetime | None = None
    text: str = ""


@dataclass(frozen=True, slots=True)
class CallKey:
    """The place of a row in the list of calls: the next page begins after it."""

    opened_at: datetime
    attempt_id: str


@dataclass(frozen=True, slots=True)
class CallsPage:
    """A page, the newest first; `next_before` is `None` on the last one."""

    rows: tuple[CallRow, ...]
    next_before: CallKey | None


async def card(session: AsyncSession, *, client_id: int, calls: int = LAST_ATTEMPTS) -> Card:
    """With so many of the last calls. Raises `NotFound`."""
    client, organisation, campaign, source, owner, asked_off = await _known_of(session, client_id)
    entry = await _entry_in_front(session, client_id)
    client_ids = await read_as_one(session, client_id)
    promise = await _open_promise(session, client_ids)
    last = await _page(session, _calls().where(of_clients(Attempt.client_id, client_ids)), None, calls)
    return Card(
        client_id=client.id,
        campaign_id=campaign.id,
        campaign=campaign.name,
        organisation_id=organisation.id,
        organisation=organisation.name,
        city=organisation.city,
        industry=organisation.industry,
        headcount=organisation.headcount,
        site=organisation.site,
        email=organisation.email,
        note=organisation.note,
        source=source or "",
        group=client.group,
        time_zone=organisation.time_zone or campaign.time_zone,
        do_not_call=asked_off,
        off_list_reason=client.off_list_reason,
        owner=owner or "",
        numbers=await _numbers(session, organisation.id),
        people=await _people(session, organisation.id),
        promise=promise,
        last_calls=last.rows,
        entry_id=entry.id if entry else None,
        why_now=entry.kind if entry else None,
    )


async def _known_of(
    session: AsyncSession, client_id: int
) -> Row[Client, Organisation, Campaign, str | None, str | None, bool]:
    """Client, organisation, campaign, the names of source and owner, and whether the company asked not to be called."""
    found = await session.execute(
        select(Client, Organisation, Campaign, Source.name, User.name, asked(Whom.ORGANISATION, Organisation.id))
        .join(Organisation, Organisation.id == Client.organisation_id)
        .join(Campaign, Campaign.id == Client.campaign_id)
        .join(Source, Source.id == Client.source_id, isouter=True)
        .join(User, User.id == Client.owner_id, isouter=True)
        .where(Client.id == client_id)
    )
    row = found.one_or_none()
    if row is None:
        raise NotFound("client.unknown")
    return row


async def _entry_in_front(session: AsyncSession, client_id: int) -> PlanEntry | None:
    """The one that is claimed, or else the first that waits."""
    return await session.scalar(
        select(PlanEntry)
        .where(PlanEntry.client_id == client_id, PlanEntry.state.in_((EntryState.CLAIMED, EntryState.WAITING)))
        .order_by(PlanEntry.state, PlanEntry.rank)
        .limit(1)
    )


async def _numbers(session: AsyncSession, organisation_id: int) -> tuple[NumberRow, ...]:
    return tuple(
        NumberRow(number.id, number.e164, number.extension, state)
        for number, state in await shown_numbers(session, organisation_id)
    )


async def _people(session: AsyncSession, organisation_id: int) -> tuple[PersonRow, ...]:
    return tuple(
        PersonRow(person.id, person.full_name, person.position, person.decides)
        for person in await people_at(session, organisation_id)
        if person.erased_at is None
    )


async def calls_page(
    session: AsyncSession,
    *,
    before: CallKey | None = None,
    filters: CallFilters | None = None,
    limit: int = 50,
    scope: Scope = EVERYTHING,
) -> CallsPage:
    """Calls that `scope` sees, the newest first, after `before`."""
    filters = filters or CallFilters()
    calls = _narrowed(_calls(), filters).where(scope.attempts())
    if filters.client_id is not None:
        client_ids = await read_as_one(session, filters.client_id)
        calls = calls.where(of_clients(Attempt.client_id, client_ids))
    return await _page(session, calls, before, limit)


async def _page(
    session: AsyncSession, calls: Select[*tuple[Any, ...]], before: CallKey | None, limit: int
) -> CallsPage:
    if before is not None:
        calls = calls.where(
            (Attempt.opened_at < before.opened_at)
            | ((Attempt.opened_at == before.opened_at) & (Attempt.id < before.attempt_id))
        )
    found = await session.execute(calls.order_by(Attempt.opened_at.desc(), Attempt.id.desc()).limit(limit + 1))
    rows = [_call_row(row) for row in found]
    page = tuple(rows[:limit])
    more = len(rows) > limit
    return CallsPage(page, CallKey(page[-1].opened_at, page[-1].attempt_id) if more else None)


async def call(session: AsyncSession, *, attempt_id: str) -> CallRow:
    """One call. Raises `NotFound`."""
    found = (await session.execute(_calls().where(Attempt.id == attempt_id))).one_or_none()
    if found is None:
        raise NotFound("attempt.unknown")
    return _call_row(found)


@functools.cache
def _calls() -> Select[*tuple[Any, ...]]:
    """What a `CallRow` is made of, in its order; put together once."""
    return (
        select(
            Attempt.id, Attempt.client_id, Organisation.name, Client.group, Attempt.operator_id, User.name,
            Attempt.dialled, Attempt.opened_at, Attempt.talk_seconds, Attempt.result, Outcome.disposition,
            Outcome.full_name, Outcome.summary, Outcome.reason, Outcome.note, Contact.main,
            Recording.duration_s,
        )
        .join(Client, Client.id == Attempt.client_id)
        .join(Organisation, Organisation.id == Client.organisation_id)
        .join(User, User.id == Attempt.operator_id)
        .join(Outcome, (Outcome.attempt_id == Attempt.id) & ~superseded(), isouter=True)
        .join(Contact, Contact.attempt_id == Attempt.id, isouter=True)
        .join(Recording, (Recording.attempt_id == Attempt.id) & Recording.playable, isouter=True)
    )  # fmt: skip


def _narrowed(calls: Select[*tuple[Any, ...]], filters: CallFilters) -> Select[*tuple[Any, ...]]:
    equal = (
        (Attempt.operator_id, filters.operator_id),
        (Client.campaign_id, filters.campaign_id),
        (Client.group, filters.group),
        (Attempt.result, filters.result),
        (Outcome.disposition, filters.disposition),
    )
    for column, wanted in equal:
        if wanted is not None:
            calls = calls.where(column == wanted)
    if filters.since is not None:
        calls = calls.where(Attempt.opened_at >= filters.since)
    if filters.until is not None:
        calls = calls.where(Attempt.opened_at < filters.until)
    if filters.text.strip():
        named = Organisation.name_folded.contains(fold(filters.text), autoescape=True)
        digits = digits_sought(filters.text)
        calls = calls.where(or_(named, Attempt.dialled.contains(national(digits))) if digits else named)
    return calls


def _call_row(found: Row[*tuple[Any, ...]]) -> CallRow:
    columns: list[Any] = list(found)
    columns[11:15] = [words or "" for words in columns[11:15]]  # without an outcome there are none
    columns[15] = {None: "", True: "main", False: "other"}[columns[15]]
    return CallRow(*columns)


async def _open_promise(session: AsyncSession, client_ids: Sequence[int]) -> PromiseRow | None:
    """The oldest one, of this client and of those who are read with it."""
    promises = (
        select(Callback, User.name)
        .join(User, User.id == Callback.owner_id)
        .where(of_clients(Callback.client_id, client_ids), Callback.state == CallbackState.OPEN)
        .order_by(Callback.id)
        .limit(1)
    )
    found = (await session.execute(promises)).one_or_none()
    if found is None:
        return None
    callback, owner = found
    return PromiseRow(
        id=callback.id,
        owner=owner,
        local_at=callback.local_at,
        due_at=callback.due_at,
        asked_by=callback.asked_by,
        words=callback.words,
        state=callback.state,
    )
