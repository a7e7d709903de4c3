"""A small office: two operators, an expert, a manager and the others; a campaign with clients in three time zones."""

from __future__ import annotations

import wave
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy

from crm.base.organisations import add_organisation
from crm.base.people import add_person
from crm.base.phone_numbers import PhoneNumber
from crm.calls import attempts, recording_facts
from crm.clientele.clients import add_client, get_client
from crm.database import Database
from crm.day import day_plan
from crm.group import Group
from crm.office.users import Role, add_user
from crm.plan import callbacks
from crm.preparation.call_lists import ListState, list_named, set_list_state
from crm.preparation.campaigns import add_campaign
from crm.preparation.results import Result
from crm.wrap_up import outcomes
from crm.wrap_up.outcomes import OutcomeForm
from recordings.finalise import finalise
from recordings.store import LocalStore

NOW = datetime(2026, 5, 14, 8, 2, tzinfo=UTC)  # a Thursday, 11:02 in Moscow, 13:02 in Perm
PASSWORD = "correct horse"

PEOPLE = (
    ("anna", "Иванова Анна", Role.OPERATOR),
    ("oleg", "Сидоров Олег", Role.OPERATOR),
    ("egor", "Экспертов Егор", Role.EXPERT),
    ("maria", "Руководова Мария", Role.MANAGER),
    ("konst", "Советов Константин", Role.CONSULTANT),
    ("admin", "Админов Антон", Role.ADMINISTRATOR),
    ("audit", "Проверкин Андрей", Role.AUDITOR),
)

CLIENTS = (
    ("ООО «Северный ветер»", "Пермь", "Asia/Yekaterinburg", Group.WARM, "Вентиляция, монтаж"),
    ("Альфа-Климат", "Казань", "Europe/Moscow", Group.HOT, "Кондиционеры"),
    ("Вектор", "Самара", "Europe/Samara", Group.ABANDONED, "Строительство"),
    ("Гамма-Холод", "Москва", "Europe/Moscow", Group.NEW, "Холодильное оборудование"),
    ("Дельта", "Омск", "Asia/Omsk", Group.COLD, "Торговля"),
    ("Завод «Эпсилон»", "Тула", "Europe/Moscow", Group.NEW, "Машиностроение"),
)


@dataclass(slots=True)
class Office:
    """Ids of what was put into the database."""

    users: dict[str, int] = field(default_factory=dict)
    clients: list[int] = field(default_factory=list)
    organisations: list[int] = field(default_factory=list)
    campaign_id: int = 0
    played: str = ""  # the attempt with a recording


async def seed_users(database: Database, now: datetime, *, language: str = "ru") -> dict[str, int]:
    ids = {}
    async with database.transaction() as session:
        for login, name, role in PEOPLE:
            user = await add_user(
                session,
                login=login,
                name=name,
                role=role,
                password=PASSWORD,
                now=now,
                language=language,
                headset=login if role in (Role.OPERATOR, Role.EXPERT) else "",
            )
            ids[login] = user.id
    return ids


async def seed_office(database: Database, now: datetime = NOW, *, language: str = "ru") -> Office:
    """Users, a campaign with six clients, a promise that fell due two minutes ago, and today's plan."""
    office = Office(users=await seed_users(database, now, language=language))
    async with database.transaction() as session:
        campaign = await add_campaign(session, name="Вентиляция-2", now=now)
        office.campaign_id = campaign.id
        call_list = await list_named(session, campaign_id=campaign.id, name="Основной")
        await set_list_state(session, call_list_id=call_list.id, to=ListState.APPROVED, now=now, by="Заказчик")
        for index, (name, city, zone, group, industry) in enumerate(CLIENTS):
            organisation = await add_organisation(
                session, name=name, now=now, city=city, time_zone=zone, industry=industry, headcount=40 + 35 * index
            )
            office.organisations.append(organisation.id)
            await add_person(
                session,
                organisation_id=organisation.id,
                full_name="Петрова Анна Сергеевна" if index == 0 else f"Директоров Пётр {'И' * (index + 1)}",
                position="директор",
                decides=True,
            )
            await add_person(session, organisation_id=organisation.id, full_name="Сидоров Олег", position="секретарь")
            for rank in range(2 if index == 0 else 1):
                session.add(
                    PhoneNumber(
                        organisation_id=organisation.id,
                        e164=f"+7342000{index:02d}{rank}4",
                        extension="12" if rank else "",
                        raw="",
                        rank=rank,
                    )
                )
            client = await add_client(
                session,
                campaign_id=campaign.id,
                organisation_id=organisation.id,
                call_list_id=call_list.id,
                now=now,
                group=group,
            )
            office.clients.append(client.id)
    await _promises(database, office, now)
    return office


async def _promises(database: Database, office: Office, now: datetime) -> None:
    anna, earlier = office.users["anna"], now - timedelta(days=1)
    async with database.transaction() as session:
        await callbacks.agree(
            session,
            client=await get_client(session, office.clients[0]),
            owner_id=anna,
            local_at=datetime(2026, 5, 14, 13, 0),  # noqa: DTZ001 - the client's clock
            now=earlier,
            asked_by="Петрова Анна Сергеевна",
        )
        await callbacks.agree(
            session,
            client=await get_client(session, office.clients[1]),
            owner_id=anna,
            local_at=datetime(2026, 5, 14, 14, 30),  # noqa: DTZ001 - the client's clock
            now=earlier,
        )
    async with database.transaction() as session:
        await day_plan.build(session, campaign_id=office.campaign_id, day=now.date(), now=now)
        await callbacks.bring_due(session, now=now)


async def seed_call(
    database: Database,
    office: Office,
    *,
    client: int,
    login: str = "anna",
    at: datetime,
    form: OutcomeForm | None,
    result: Result = Result.ANSWERED,
    talk_seconds: float = 468,
) -> str:
    """A finished call, with its outcome if `form` is given."""
    operator_id = office.users[login]
    async with database.transaction() as session:
        entry = await day_plan.claim_client(
            session, client_id=office.clients[client], operator_id=operator_id, now=at, lease_s=900
        )
        attempt = await attempts.open_attempt(
            session, plan_entry_id=entry.id, phone_number_id=None, operator_id=operator_id, now=at
        )
        await attempts.mark_invited(session, attempt_id=attempt.id, now=at)
        end = at + timedelta(seconds=talk_seconds)
        if result is Result.ANSWERED:
            await attempts.mark_answered(session, attempt_id=attempt.id, now=at)
            await attempts.finish(session, attempt_id=attempt.id, result=result, now=end, talk_seconds=talk_seconds)
        else:
            await attempts.finish(session, attempt_id=attempt.id, result=result, now=at + timedelta(seconds=20))
    if form is not None:
        async with database.transaction() as session:
            await outcomes.record(session, attempt_id=attempt.id, form=form, author_id=operator_id, now=end)
    return attempt.id


async def seed_recording(database: Database, store: LocalStore, attempt_id: str, at: datetime) -> Path:
    """A two-channel recording of ten seconds: one side speaks, then the other, and silence in between."""
    store.prepare()
    key = store.new_key(at)
    path = store.path_for_writing(key)
    write_talk(path)
    facts = finalise(path)
    async with database.transaction() as session:
        await recording_facts.open_recording(session, attempt_id=attempt_id, key=key)
        await recording_facts.settle_recording(
            session,
            attempt_id=attempt_id,
            sha256=facts.sha256,
            duration_s=facts.duration_s,
            frames=facts.frames,
            rms_left=facts.rms[0],
            rms_right=facts.rms[1],
            size_bytes=facts.bytes,
        )
    return path


def write_talk(path: Path, seconds: int = 10) -> None:
    time_s = numpy.arange(seconds * 8000) / 8000
    rise_and_fall = 0.35 + 0.65 * numpy.abs(numpy.sin(2.1 * time_s) * numpy.sin(0.7 * time_s + 0.4))
    turn = (time_s // 2) % 2 == 0
    quiet = (time_s >= 6) & (time_s < 8.5)
    left = numpy.where(turn & ~quiet, 9000 * rise_and_fall * numpy.sin(2 * numpy.pi * 220 * time_s), 0)
    right = numpy.where(~turn & ~quiet, 12000 * rise_and_fall * numpy.sin(2 * numpy.pi * 330 * time_s), 0)
    frames = numpy.stack([left, right], axis=1).astype("<i2")
    with wave.open(str(path), "wb") as file:
        file.setnchannels(2)
        file.setsampwidth(2)
        file.setframerate(8000)
        file.writeframes(frames.tobytes())
