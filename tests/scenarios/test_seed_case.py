"""The list of the seed case goes through the whole: imported, approved, planned, called, written down, counted."""

from __future__ import annotations

import asyncio
import csv
import json
import os
import re
import sys
from pathlib import Path
from typing import Any

from sqlalchemy import func, select

from crm.calls.attempts import Attempt, Result
from crm.clientele.clients import Client
from crm.clientele.groups import GroupMove, MoveCause
from crm.plan.plan_entries import PlanEntry
from crm.preparation.campaigns import campaign_named
from crm.wrap_up.contacts import Contact
from dialer.demo import seed
from tests.crm.importing.test_clients import SEED_CASE
from tests.scenarios.office import Operator, World, office

CALLS = 6
ENGLISH = '[service]\nlanguage = "en"\n'
COLD = {
    "disposition": "cold", "reason": "Не пользуются", "person_name": "Петров Пётр Петрович",
    "summary": "Директор в командировке до весны",
}  # fmt: skip


async def dialer(world: World, *words: str) -> str:
    """What a command said; its failure fails the test."""
    process = await asyncio.create_subprocess_exec(
        str(Path(sys.executable).with_name("dialer")), *words, "-c", str(world.service.config),
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE, env={**os.environ, "LANG": "C.UTF-8"},
    )  # fmt: skip
    out, err = await process.communicate()
    assert process.returncode == 0, (words, out.decode(), err.decode())
    return out.decode()


async def of_the_seed(world: World) -> tuple[int, int]:
    """How many clients the campaign has, and how many of them are in a plan."""

    async def read(session: Any) -> tuple[int, int]:
        campaign = await campaign_named(session, "Seed")
        clients = select(func.count()).where(Client.campaign_id == campaign.id)
        planned = select(func.count(PlanEntry.client_id.distinct())).where(PlanEntry.campaign_id == campaign.id)
        return await session.scalar(clients) or 0, await session.scalar(planned) or 0

    return await world.stored(read)


async def call_one(operator: Operator) -> str:
    """The next client of the plan is called and written down, whatever the call comes to."""
    view = await operator.until(lambda view: view["line"] == "ready" and view["client"] is not None)
    attempt_id = str((await operator.post("dial", client_id=view["client"]))["attempt_id"])
    view = await operator.until(lambda view: view["call"] in ("talking", "wrap_up"))
    if view["call"] == "talking":
        await operator.post("hang-up", attempt_id=attempt_id)
        await operator.until(lambda view: view["call"] == "wrap_up")
        await operator.post("outcome", attempt_id=attempt_id, fields=COLD)
    else:
        await operator.post("outcome", attempt_id=attempt_id, fields={"disposition": "no_contact"})
    return attempt_id


async def prepare(world: World) -> None:
    """The demonstration's list is taken out of the plan; the seed's comes in, with its contacts."""
    await dialer(world, "lists", "return", seed.LIST, "--campaign", seed.CAMPAIGN)
    hours = ("--from", "0:00", "--until", "23:59", "--calls-on-days-off")
    await dialer(world, "campaigns", "add", "Seed", "--lists-need-approval", *hours)
    said = await dialer(
        world, "import", str(SEED_CASE / "organisations.csv"), "--campaign", "Seed", "--list", "contacts"
    )
    assert "taken: 266" in said
    said = await dialer(world, "import-contacts", str(SEED_CASE / "contacts.csv"), "--campaign", "Seed")
    assert "taken: 301" in said


async def until_planned(world: World, operator: Operator) -> None:
    await operator.post("ready")
    await operator.until(lambda view: view["client"] is not None)
    clients, planned = await of_the_seed(world)
    assert clients == 266
    assert planned > 0


async def test_the_list_goes_through_the_whole(tmp_path: Path) -> None:
    async with office(tmp_path, further=ENGLISH) as world, world.headset() as headset:
        await headset.registered()
        operator = await world.operator()
        await prepare(world)
        assert (await of_the_seed(world))[1] == 0, "nothing is planned from a list that nobody has approved"
        await dialer(world, "lists", "submit", "contacts", "--campaign", "Seed")
        await dialer(world, "lists", "approve", "contacts", "--campaign", "Seed", "--by", "Заказчик")
        await until_planned(world, operator)
        called = [await call_one(operator) for _ in range(CALLS)]
        await operator.post("offline")
        await check_what_is_stored(world, called)
        said = await dialer(world, "reports", "contacts", "--campaign", "Seed")
        total = next(line for line in said.splitlines() if line.startswith("Total"))
        assert total.split()[-1] == str(301 + await talks(world, called))


async def talks(world: World, called: list[str]) -> int:
    async def read(session: Any) -> int:
        answered = select(func.count()).where(Attempt.id.in_(called), Attempt.talked)
        return int(await session.scalar(answered) or 0)

    return await world.stored(read)


async def check_what_is_stored(world: World, called: list[str]) -> None:
    """Each call reached the number of a client of the list; who was talked to is cold, with a contact behind it."""
    with (SEED_CASE / "organisations.csv").open(encoding="utf-8-sig", newline="") as file:
        numbers = {
            "+7" + re.sub(r"\D", "", row["phone"])[1:]
            for row in csv.DictReader(file, delimiter=";")
            if row["list"] == "contacts"
        }
    far_end = [json.loads(line) for line in (world.service.folder / "far-end.jsonl").read_text().splitlines()]
    heard = {str(entry.get("number", "")) for entry in far_end}

    async def read(session: Any) -> tuple[list[Attempt], int, int]:
        attempts = list(await session.scalars(select(Attempt).where(Attempt.id.in_(called))))
        moves = select(func.count()).where(GroupMove.cause == MoveCause.CALL, GroupMove.attempt_id.in_(called))
        contacts = select(func.count()).where(Contact.attempt_id.in_(called))
        return attempts, await session.scalar(moves) or 0, await session.scalar(contacts) or 0

    attempts, moves, contacts = await world.stored(read)
    assert len(attempts) == CALLS
    assert len({attempt.client_id for attempt in attempts}) == CALLS
    assert {attempt.dialled for attempt in attempts} <= numbers
    assert {attempt.dialled for attempt in attempts} <= heard
    answered = sum(attempt.result is Result.ANSWERED for attempt in attempts)
    assert answered > 0
    assert contacts == answered
    assert moves >= answered
