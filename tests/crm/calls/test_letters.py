"""E-mails and faxes to a client: noted by hand, withdrawn, and counted with the calls."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import select, text
from sqlalchemy.exc import DBAPIError

from crm.audit import LETTER_NOTED, LETTER_WITHDRAWN, AuditEntry
from crm.calls.dial_rules import Verdict, may_dial
from crm.calls.letters import LONGEST_NOTE, Channel, letters_of, note_letter, withdraw_letter
from crm.care.merging import merge, undo
from crm.clientele.clients import add_client, get_client
from crm.errors import CrmError, NotFound, Refused
from crm.plan.plan_entries import EntryKind, PlanEntry
from crm.preparation.call_lists import list_named
from crm.preparation.campaigns import add_campaign
from crm.preparation.results import Result
from crm.wrap_up.outcomes import OutcomeForm
from tests.crm.builders import NOON, World

EVENING = NOON + timedelta(hours=2)  # 16:00 at the client's


async def letter(
    world: World, client_id: int, *, at: datetime = NOON, channel: Channel = Channel.EMAIL, note: str = ""
) -> int:
    async with world.transaction() as session:
        return (await note_letter(session, client_id=client_id, channel=channel, sent_at=at, note=note, now=EVENING)).id


async def withdraw(world: World, letter_id: int, reason: str = "не тому клиенту") -> None:
    async with world.transaction() as session:
        await withdraw_letter(session, letter_id=letter_id, reason=reason, now=EVENING)


async def verdict_at(world: World, client_id: int, operator_id: int, now: datetime = EVENING) -> Verdict:
    async with world.database.reading() as session:
        return await may_dial(session, client_id=client_id, operator_id=operator_id, now=now)


async def unanswered(world: World, client_id: int, operator_id: int, at: datetime = NOON) -> None:
    attempt_id = await world.call(client_id, operator_id, result=Result.NO_ANSWER, at=at)
    await world.outcome(attempt_id, OutcomeForm("no_contact"), operator_id, at=at)


async def other_client_of(world: World, client_id: int) -> int:
    """The same company in a second campaign."""
    async with world.transaction() as session:
        other = await add_campaign(session, name="Вторая", now=NOON)
        call_list = await list_named(session, campaign_id=other.id, name="Список")
        organisation_id = (await get_client(session, client_id)).organisation_id
        made = await add_client(
            session, campaign_id=other.id, organisation_id=organisation_id, call_list_id=call_list.id, now=NOON
        )
        return made.id


async def test_calls_and_letters_reach_the_cap_together(world: World) -> None:
    operator, client_id = await world.operator(), await world.client()
    elsewhere = await other_client_of(world, client_id)
    await unanswered(world, client_id, operator)
    await letter(world, elsewhere, channel=Channel.FAX)
    assert (await verdict_at(world, client_id, operator)).allowed
    mistaken = await letter(world, client_id)
    for client in (client_id, elsewhere):
        verdict = await verdict_at(world, client, operator)
        assert (verdict.code, verdict.params) == ("dial.cap", {"count": 3, "cap": 3})
        assert verdict.next_at == datetime(2026, 11, 24, 4, tzinfo=UTC), "9:00 at the client's"
        assert (await verdict_at(world, client, operator, NOON + timedelta(days=1))).allowed
    await withdraw(world, mistaken)
    assert (await verdict_at(world, client_id, operator)).allowed


async def test_a_day_is_the_campaigns(world: World) -> None:
    operator, client_id = await world.operator(), await world.client()
    midnight = datetime(2026, 11, 22, 21, tzinfo=UTC)  # in Moscow
    for at in (midnight - timedelta(minutes=1), midnight, midnight + timedelta(hours=1)):
        await letter(world, client_id, at=at)
    assert (await verdict_at(world, client_id, operator)).allowed
    await letter(world, client_id)
    assert (await verdict_at(world, client_id, operator)).code == "dial.cap"


async def test_it_is_noted_at_the_cap_too_and_nothing_more_is_planned(world: World) -> None:
    """The client would be tried again in an hour, were there not the letters."""
    operator, client_id = await world.operator(), await world.client()
    for _ in range(4):
        await letter(world, client_id)
    async with world.database.reading() as session:
        assert len(await letters_of(session, client_id)) == 4
    other = await world.client("Юг")
    await letter(world, other)
    await letter(world, other)
    await unanswered(world, other, operator)
    async with world.database.reading() as session:
        planned = select(PlanEntry.id).where(PlanEntry.client_id == other, PlanEntry.kind == EntryKind.RETRY)
        assert await session.scalar(planned) is None


async def test_of_a_merged_company_they_count_until_it_is_its_own_again(world: World) -> None:
    operator = await world.operator()
    kept, gone = await world.client("Север"), await world.client("Север плюс")
    for client_id in (kept, gone, gone):
        await letter(world, client_id)
    assert (await verdict_at(world, kept, operator)).allowed
    survivor, duplicate = [(await world.get_client(each)).organisation_id for each in (kept, gone)]
    async with world.transaction() as session:
        made = await merge(session, survivor_id=survivor, duplicate_id=duplicate, now=EVENING)
    assert (await verdict_at(world, kept, operator)).code == "dial.cap"
    async with world.database.reading() as session:
        assert len(await letters_of(session, kept)) == 3
    async with world.transaction() as session:
        _, left = await undo(session, merge_id=made.id, now=EVENING)
    assert left == []
    assert (await verdict_at(world, kept, operator)).allowed
    async with world.database.reading() as session:
        assert [len(await letters_of(session, each)) for each in (kept, gone)] == [1, 2]


async def test_who_sent_it_and_who_withdrew_it_is_read_and_audited(world: World) -> None:
    anna, boris, client_id = await world.operator(), await world.operator("Борис"), await world.client()
    async with world.transaction() as session:
        sent = await note_letter(
            session, client_id=client_id, channel=Channel.FAX, note=" прайс\0 ", sent_by=anna, now=NOON, author_id=boris
        )
    async with world.transaction() as session:
        await withdraw_letter(session, letter_id=sent.id, reason="не  ушло", now=EVENING, author_id=boris)
    async with world.database.reading() as session:
        (row,) = await letters_of(session, client_id)
        entries = list(
            await session.scalars(
                select(AuditEntry).where(AuditEntry.subject == f"client:{client_id}").order_by(AuditEntry.id)
            )
        )
    assert (row.channel, row.sent_at, row.sender, row.note) == (Channel.FAX, NOON, "Анна", "прайс")
    assert (row.withdrawn_at, row.withdrawer, row.withdraw_reason) == (EVENING, "Борис", "не ушло")
    assert [(each.action, each.user_id, each.details["letter"]) for each in entries] == [
        (LETTER_NOTED, boris, sent.id), (LETTER_WITHDRAWN, boris, sent.id),
    ]  # fmt: skip


async def test_what_cannot_be(world: World) -> None:
    client_id = await world.client()
    for note, at, code in (
        ("", EVENING + timedelta(seconds=1), "letter.in_future"),
        ("п" * (LONGEST_NOTE + 1), NOON, "letter.note_too_long"),
    ):
        with pytest.raises(Refused) as refused:
            await letter(world, client_id, note=note, at=at)
        assert refused.value.code == code
    with pytest.raises(NotFound):
        await letter(world, 99)
    letter_id = await letter(world, client_id, note="п" * LONGEST_NOTE)
    for number, reason, code in (
        (99, "x", "letter.unknown"),
        (letter_id, " ", "letter.needs_reason"),
        (letter_id, "не ушло", ""),
        (letter_id, "x", "letter.withdrawn"),
    ):
        if not code:
            await withdraw(world, number, reason)
            continue
        with pytest.raises(CrmError) as told:
            await withdraw(world, number, reason)
        assert told.value.code == code


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE letters SET sent_at = '2026-11-24 09:00:00'",
        "UPDATE letters SET note = 'другое'",
        "UPDATE letters SET client_id = (SELECT max(id) FROM clients)",
        "UPDATE letters SET withdraw_reason = 'иначе' WHERE withdrawn_at IS NOT NULL",
        "UPDATE letters SET withdrawn_at = NULL, withdraw_reason = '' WHERE withdrawn_at IS NOT NULL",
        "UPDATE letters SET withdrawn_at = noted_at WHERE withdrawn_at IS NULL",
        "DELETE FROM letters",
    ],
)
async def test_the_database_keeps_them_as_they_were_noted(world: World, change: str) -> None:
    client_id = await world.client()
    await letter(world, client_id, note="прайс")
    await withdraw(world, await letter(world, client_id, note="прайс"))
    await world.client("Юг")
    with pytest.raises(DBAPIError):
        async with world.database.engine.begin() as connection:
            await connection.execute(text(change))


@pytest.mark.parametrize(
    ("channel", "sent_at", "note"),
    [("pigeon", NOON, ""), ("fax", EVENING + timedelta(days=1), ""), ("fax", NOON, "п" * (LONGEST_NOTE + 1))],
)
async def test_the_database_takes_no_nonsense(world: World, channel: str, sent_at: datetime, note: str) -> None:
    client_id = await world.client()
    with pytest.raises(DBAPIError):
        async with world.database.engine.begin() as connection:
            await connection.execute(
                text(
                    "INSERT INTO letters (client_id, channel, sent_at, note, noted_at, withdraw_reason)"
                    " VALUES (:client, :channel, :sent, :note, :noted, '')"
                ),
                {
                    "client": client_id, "channel": channel, "note": note,
                    **{name: str(at.replace(tzinfo=None)) if world.database.dialect == "sqlite" else at
                       for name, at in (("sent", sent_at), ("noted", EVENING))},
                },
            )  # fmt: skip
