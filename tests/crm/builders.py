"""Builds what tests begin from: a campaign with its list, operators, clients with numbers and people."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, time, timedelta
from itertools import count

from sqlalchemy import func, insert, select
from sqlalchemy.ext.asyncio import AsyncSession

from crm.base.do_not_call import ask, request_of
from crm.base.organisations import Organisation, add_organisation
from crm.base.people import Person, add_person
from crm.base.phone_numbers import PhoneNumber
from crm.base.whom import Whom
from crm.calls.attempts import Attempt, Result, finish, mark_answered, mark_invited, open_attempt
from crm.clientele.clients import Client, add_client, get_client
from crm.database import Database
from crm.day.day_plan import claim_client
from crm.group import Group
from crm.office.users import Role, User
from crm.preparation.call_lists import list_named
from crm.preparation.campaigns import Campaign, add_campaign
from crm.wrap_up.outcomes import Outcome, OutcomeForm, record

# A Monday, 12:00 in Moscow and 14:00 in Perm.
NOON = datetime(2026, 11, 23, 9, 0, tzinfo=UTC)
LEASE_S = 900.0
HASH = "$argon2id$v=19$m=8,t=1,p=1$c29tZXNhbHQ$none"  # hashing takes time; who signs in is tested elsewhere


@dataclass
class World:
    """One campaign and what the tests put into it."""

    database: Database
    campaign_id: int
    call_list_id: int
    numbers: count[int] = field(default_factory=lambda: count(1))

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[AsyncSession]:
        async with self.database.transaction() as session:
            yield session

    async def operator(self, name: str = "Анна", role: Role = Role.OPERATOR, time_zone: str = "Europe/Moscow") -> int:
        async with self.database.transaction() as session:
            user = User(
                login=f"user{next(self.numbers)}",
                name=name,
                role=role,
                password_hash=HASH,
                time_zone=time_zone,
                created_at=NOON,
            )
            session.add(user)
            await session.flush()
            return user.id

    async def client(
        self,
        name: str = "Северный ветер",
        *,
        group: Group = Group.NEW,
        time_zone: str = "Asia/Yekaterinburg",
        phones: int = 1,
        campaign_id: int | None = None,
        call_list_id: int | None = None,
    ) -> int:
        """A client with so many numbers in the exchange that nobody has."""
        async with self.database.transaction() as session:
            organisation = await add_organisation(session, name=name, now=NOON, time_zone=time_zone)
            for rank in range(phones):
                e164 = f"+734200{next(self.numbers):05}"
                session.add(PhoneNumber(organisation_id=organisation.id, e164=e164, raw=e164, rank=rank))
            client = await add_client(
                session,
                campaign_id=campaign_id or self.campaign_id,
                organisation_id=organisation.id,
                call_list_id=call_list_id or self.call_list_id,
                group=group,
                now=NOON,
            )
            return client.id

    async def silence(self, client_id: int) -> None:
        """The client's company has asked not to be called."""
        async with self.database.transaction() as session:
            client = await get_client(session, client_id)
            await ask(session, whom=Whom.ORGANISATION, target=client.organisation_id, evidence="письмо", now=NOON)

    async def is_silent(self, client_id: int) -> bool:
        """Whether the register holds a request of the client's company."""
        async with self.database.reading() as session:
            client = await get_client(session, client_id)
            return await request_of(session, Whom.ORGANISATION, client.organisation_id) is not None

    async def clients(
        self, count: int, *, time_zone: str = "Asia/Yekaterinburg", owner_id: int | None = None
    ) -> list[int]:
        """So many new clients at once, each with a number; returns their ids."""
        async with self.database.transaction() as session:
            first = (await session.scalar(select(func.max(Organisation.id))) or 0) + 1
            numbers = range(first, first + count)
            named = {"name": "Клиент", "name_folded": "клиент", "time_zone": time_zone, "created_at": NOON}
            await session.execute(insert(Organisation), [{"id": number, **named} for number in numbers])
            phones = [{"organisation_id": number, "e164": f"+734200{number:05}", "raw": ""} for number in numbers]
            await session.execute(insert(PhoneNumber), phones)
            common = {
                "campaign_id": self.campaign_id, "call_list_id": self.call_list_id, "created_at": NOON,
                "owner_id": owner_id,
            }  # fmt: skip
            await session.execute(insert(Client), [{"organisation_id": number, **common} for number in numbers])
            return list(await session.scalars(select(Client.id).where(Client.organisation_id >= first)))

    async def person(self, client_id: int, full_name: str = "Петрова Анна", *, decides: bool = True) -> int:
        async with self.database.transaction() as session:
            client = await get_client(session, client_id)
            person: Person = await add_person(
                session, organisation_id=client.organisation_id, full_name=full_name, decides=decides
            )
            return person.id

    async def call(
        self,
        client_id: int,
        operator_id: int,
        *,
        result: Result = Result.ANSWERED,
        at: datetime = NOON,
        talk_seconds: float = 60.0,
    ) -> str:
        """Claim the client, dial, and end with `result`; the outcome is left to the test."""
        async with self.database.transaction() as session:
            attempt = await open_call(session, client_id, operator_id, at=at)
            await mark_invited(session, attempt_id=attempt.id, now=at)
            ended = at + timedelta(seconds=20)
            if result is Result.ANSWERED:
                await mark_answered(session, attempt_id=attempt.id, now=ended)
                ended += timedelta(seconds=talk_seconds)
            await finish(session, attempt_id=attempt.id, result=result, now=ended)
            return attempt.id

    async def outcome(
        self, attempt_id: str, form: OutcomeForm, author_id: int, *, at: datetime, corrects: int | None = None
    ) -> Outcome:
        async with self.database.transaction() as session:
            return await record(
                session, attempt_id=attempt_id, form=form, author_id=author_id, now=at, corrects=corrects
            )

    async def get_client(self, client_id: int) -> Client:
        async with self.database.reading() as session:
            return await get_client(session, client_id)


def wall(shown: str) -> datetime:
    """What a clock on the wall shows: naive."""
    return datetime.fromisoformat(shown)


async def open_call(session: AsyncSession, client_id: int, operator_id: int, *, at: datetime = NOON) -> Attempt:
    """Claim the client and open an attempt at its first number."""
    entry = await claim_client(session, client_id=client_id, operator_id=operator_id, now=at, lease_s=LEASE_S)
    return await open_attempt(session, plan_entry_id=entry.id, phone_number_id=None, operator_id=operator_id, now=at)


async def build_world(database: Database, *, lists_need_approval: bool = False) -> World:
    """A campaign that calls from 9 to 18 on the client's clock."""
    async with database.transaction() as session:
        campaign: Campaign = await add_campaign(
            session,
            name="Вентиляция",
            now=NOON,
            calls_from=time(9),
            calls_until=time(18),
            lists_need_approval=lists_need_approval,
        )
        call_list = await list_named(session, campaign_id=campaign.id, name="Первый")
        return World(database, campaign.id, call_list.id)
