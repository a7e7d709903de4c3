"""Sheets on both databases: versions that stay, states that stay, and what reports find in them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from decimal import Decimal

import pytest
from sqlalchemy import select, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncSession

from crm.audit import SHEET_WRITTEN, AuditEntry
from crm.errors import Conflict, NotFound, Refused
from crm.preparation.call_lists import list_named
from crm.preparation.campaigns import add_campaign
from crm.questionnaires.finding import count_found, counts_of, sheets_found
from crm.questionnaires.marking import set_for_reports
from crm.questionnaires.questionnaires import (
    Purpose,
    add_questionnaire,
    asked_in,
    change_questionnaire,
    get_questionnaire,
    get_version,
    versions_of,
)
from crm.questionnaires.report_columns import SheetColumns
from crm.questionnaires.sheets import SheetRow, sheets_of, write_sheet
from crm.questionnaires.wanted import MOST_CONDITIONS, PlaceInOrder, wanted_of
from crm.questionnaires.wording import parse
from tests.crm.builders import NOON, World
from tests.crm.overlap import overlap

FIRST = """
# Покупают у других?
key: buys
kind: yes_no
required: yes
# Чей товар
key: whose
when: buys = yes
- daikin = Daikin
- lg = LG
# Сколько штук
key: pieces
kind: number
# Что важно
key: matters
kind: several
- price = Цена
- term = Срок
# Что сказали
key: said
"""
SECOND = """
# Чей товар
key: whose
- lg = LG
- haier = Haier
# Покупают у других?
key: buys
kind: yes_no
# Насколько довольны
key: happy
kind: scale
"""


async def questionnaire(
    world: World, wording: str = FIRST, *, reports: Sequence[str] = (), office: bool = False
) -> int:
    async with world.transaction() as session:
        made = await add_questionnaire(
            session, name="О клиенте", purpose=Purpose.CLIENT, questions=parse(wording).questions, now=NOON,
            campaign_id=None if office else world.campaign_id,
        )  # fmt: skip
        await set_for_reports(session, questionnaire_id=made.questionnaire.id, keys=reports, now=NOON)
        return made.questionnaire.id


async def change(world: World, number: int, wording: str = SECOND, version: int | None = None) -> int:
    async with world.transaction() as session:
        changed = await change_questionnaire(
            session, questionnaire_id=number, questions=parse(wording).questions, now=NOON, version=version
        )
        return changed.version.number


async def mark(world: World, number: int, *keys: str) -> None:
    async with world.transaction() as session:
        await set_for_reports(session, questionnaire_id=number, keys=keys, now=NOON)


async def answer(
    world: World, client_id: int, number: int, typed: Mapping[str, str], *, seen: int | None = None, whole: bool = True
) -> int | None:
    async with world.transaction() as session:
        state = await write_sheet(
            session, client_id=client_id, questionnaire_id=number, typed=typed, now=NOON, seen=seen,
            must_be_complete=whole,
        )  # fmt: skip
        return state.number if state is not None else None


async def read(world: World, client_id: int, *, all_states: bool = False) -> list[SheetRow]:
    async with world.database.reading() as session:
        return await sheets_of(session, client_id, all_states=all_states)


async def found(world: World, number: int, *conditions: str) -> list[str]:
    async with world.database.reading() as session:
        wanted = await wanted_of(session, number, conditions)
        rows, further = await sheets_found(session, number, wanted, limit=50)
        assert further is None
        assert await count_found(session, number, wanted) == len(rows)
        return [row.organisation for row in rows]


class TestVersions:
    async def test_one_without_sheets_is_changed_and_one_with_them_is_followed(self, world: World) -> None:
        number, client_id = await questionnaire(world), await world.client()
        assert await change(world, number, FIRST + "\n# Ещё\nkey: more\n") == 1
        await answer(world, client_id, number, {"buys": "нет", "said": "Всё хорошо"})
        assert await change(world, number) == 2
        (sheet,) = await read(world, client_id)
        assert (sheet.version, [each.key for each in sheet.questions][:2]) == (1, ["buys", "whose"])
        assert sheet.answers == {"buys": False, "said": "Всё хорошо"}

    async def test_what_was_answered_cannot_be_changed_by_anybody(self, world: World) -> None:
        number, client_id = await questionnaire(world), await world.client()
        await answer(world, client_id, number, {"buys": "да", "whose": "LG"})
        for statement in (
            "UPDATE questionnaire_versions SET document = '[]'",
            "DELETE FROM questionnaire_versions",
            "UPDATE sheet_states SET answers = '{}'",
            "UPDATE sheet_states SET complete = NOT complete",
            "DELETE FROM sheet_states",
            "UPDATE sheets SET newest = 7",
            "DELETE FROM sheets",
        ):
            with pytest.raises(DBAPIError):
                async with world.transaction() as session:
                    await session.execute(text(statement))

    async def test_a_key_stays_what_it_was(self, world: World) -> None:
        number = await questionnaire(world)
        with pytest.raises(Refused) as refusal:
            await change(world, number, "# Сколько штук\nkey: pieces\nkind: text")
        assert refusal.value.code == "questionnaire.other_kind"

    async def test_the_second_of_two_editors_is_told(self, world: World) -> None:
        number = await questionnaire(world)
        async with world.database.reading() as session:
            seen = (await get_questionnaire(session, number)).version
        await change(world, number, SECOND, seen)
        with pytest.raises(Conflict) as conflict:
            await change(world, number, FIRST, seen)
        assert conflict.value.code == "questionnaire.changed_meanwhile"

    @pytest.mark.parametrize(
        ("name", "code"), [(" ", "questionnaire.needs_name"), ("я" * 121, "questionnaire.name_long")]
    )
    async def test_a_name_is_needed(self, world: World, name: str, code: str) -> None:
        number = await questionnaire(world)
        with pytest.raises(Refused) as refusal:
            async with world.transaction() as session:
                await change_questionnaire(session, questionnaire_id=number, name=name, now=NOON)
        assert refusal.value.code == code

    async def test_a_version_is_found_by_its_number(self, world: World) -> None:
        number, client_id = await questionnaire(world), await world.client()
        await answer(world, client_id, number, {"buys": "нет"})
        await change(world, number)
        async with world.database.reading() as session:
            assert [(await get_version(session, number, each)).questions[0].key for each in (1, 2)] == ["buys", "whose"]
            with pytest.raises(NotFound) as unknown:
                await get_version(session, number, 3)
            assert (unknown.value.code, unknown.value.params) == ("questionnaire.no_version", {"version": 3})
            with pytest.raises(NotFound) as unknown:
                await get_questionnaire(session, number + 1)
            assert unknown.value.code == "questionnaire.unknown"

    async def test_a_campaign_has_its_own_or_the_offices(self, world: World) -> None:
        offices = await questionnaire(world, office=True)
        async with world.database.reading() as session:
            assert (await asked_in(session, world.campaign_id))[Purpose.CLIENT].questionnaire.id == offices
        own = await questionnaire(world)
        again = await questionnaire(world)
        async with world.database.reading() as session:
            assert (await asked_in(session, world.campaign_id))[Purpose.CLIENT].questionnaire.id == again
            assert not (await get_questionnaire(session, own)).active

    async def test_a_change_waits_for_a_sheet_that_is_being_written(self, world: World) -> None:
        number, client_id = await questionnaire(world), await world.client()

        async def write(session: AsyncSession) -> object:
            return await write_sheet(
                session, client_id=client_id, questionnaire_id=number, typed={"buys": "нет"}, now=NOON
            )

        async def alter(session: AsyncSession) -> object:
            questions = parse(SECOND).questions
            return await change_questionnaire(session, questionnaire_id=number, questions=questions, now=NOON)

        await overlap(world.database, write, alter)
        (sheet,) = await read(world, client_id)
        async with world.database.reading() as session:
            versions = {each.number: each for each in await versions_of(session, number)}
        assert {each.key for each in versions[sheet.version].questions} >= sheet.answers.keys()


class TestSheets:
    async def test_a_correction_is_a_further_state(self, world: World) -> None:
        number, client_id = await questionnaire(world), await world.client()
        assert await answer(world, client_id, number, {"buys": "нет"}) == 1
        assert await answer(world, client_id, number, {"buys": "нет"}) is None
        assert await answer(world, client_id, number, {"buys": "да"}, seen=1) == 2
        with pytest.raises(Conflict) as conflict:
            await answer(world, client_id, number, {"buys": "нет"}, seen=1)
        assert conflict.value.code == "sheet.changed_meanwhile"
        states = await read(world, client_id, all_states=True)
        assert [(each.number, each.answers["buys"]) for each in states] == [(2, True), (1, False)]
        async with world.database.reading() as session:
            noted = await session.scalars(select(AuditEntry).where(AuditEntry.action == SHEET_WRITTEN))
            assert [entry.details["state"] for entry in noted] == [1, 2]

    async def test_what_needs_an_answer_is_asked_for(self, world: World) -> None:
        number, client_id = await questionnaire(world), await world.client()
        with pytest.raises(Refused) as refusal:
            await answer(world, client_id, number, {"pieces": "5"})
        assert refusal.value.code == "sheet.needs_answer"
        await answer(world, client_id, number, {"pieces": "5"}, whole=False)
        (sheet,) = await read(world, client_id)
        assert not sheet.complete

    async def test_hostile_answers_are_kept_as_text_or_refused(self, world: World) -> None:
        number, client_id = await questionnaire(world), await world.client()
        hostile = "<script>alert(1)</script>\0'; DROP TABLE sheets; --"
        await answer(world, client_id, number, {"buys": "нет", "said": hostile})
        (sheet,) = await read(world, client_id)
        assert sheet.answers["said"] == hostile.replace("\0", "")
        with pytest.raises(Refused):
            await answer(world, client_id, number, {"buys": "нет", "said": "я" * 1_000_000})

    async def test_one_of_another_campaign_is_refused(self, world: World) -> None:
        number, other = await questionnaire(world), await build_another(world)
        client_id = await world.client(campaign_id=other.campaign_id, call_list_id=other.call_list_id)
        with pytest.raises(Refused) as refusal:
            await answer(world, client_id, number, {"buys": "нет"})
        assert refusal.value.code == "sheet.other_campaign"


async def build_another(world: World) -> World:
    async with world.transaction() as session:
        campaign = await add_campaign(session, name="Вторая", now=NOON)
        call_list = await list_named(session, campaign_id=campaign.id, name="Список")
        return World(world.database, campaign.id, call_list.id)


class TestReports:
    async def test_old_and_new_versions_are_found_and_counted_together(self, world: World) -> None:
        number = await questionnaire(world, reports=["buys", "whose"])
        names = ("А", "Б", "В", "Г")
        ids = [await world.client(name) for name in names]
        await answer(world, ids[0], number, {"buys": "да", "whose": "lg", "pieces": "10"})
        await answer(world, ids[1], number, {"buys": "да", "whose": "daikin", "pieces": "3,5"})
        await change(world, number)
        await answer(world, ids[2], number, {"buys": "нет", "whose": "lg", "happy": "3"})
        await answer(world, ids[3], number, {"whose": "haier", "happy": "9"})
        assert await found(world, number, "whose = lg") == ["А", "В"]
        assert await found(world, number, "whose = lg", "buys = yes") == ["А"]
        # Marked only now: what was answered before is filled in.
        await mark(world, number, "buys", "whose", "pieces", "happy", "matters")
        assert await found(world, number, "buys = yes", "pieces > 3") == ["Б", "А"]
        assert await found(world, number, "whose = haier", "happy > 8") == ["Г"]
        assert await found(world, number) == list(names)
        async with world.database.reading() as session:
            counts = {each.question.key: each for each in await counts_of(session, number, [])}
        assert [(each.answer, each.sheets) for each in counts["whose"].counts] == [
            ("lg", 2), ("haier", 1), ("daikin", 1),
        ]  # fmt: skip
        assert (counts["buys"].answered, counts["buys"].counts[0].sheets) == (3, 2)
        assert (counts["pieces"].low, counts["pieces"].mean) == (Decimal("3.5"), Decimal("6.75"))

    async def test_a_correction_is_found_as_it_is_now(self, world: World) -> None:
        number, client_id = await questionnaire(world, reports=["buys", "matters"]), await world.client("А")
        await answer(world, client_id, number, {"buys": "да", "matters": "price,term"})
        assert await found(world, number, "matters has term", "buys = yes") == ["А"]
        await answer(world, client_id, number, {"buys": "нет", "matters": "price"})
        assert await found(world, number, "matters has term") == []
        assert await found(world, number, "buys = no") == ["А"]
        async with world.database.reading() as session:
            wanted = await wanted_of(session, number, ["buys = no"])
            (several,) = [each for each in await counts_of(session, number, wanted) if each.question.key == "matters"]
        assert (several.answered, [each.sheets for each in several.counts]) == (1, [1, 0])

    async def test_what_is_for_reports_no_more_leaves_nothing_behind(self, world: World) -> None:
        number, client_id = await questionnaire(world, reports=["buys", "matters"]), await world.client("А")
        await answer(world, client_id, number, {"buys": "да", "matters": "term"})
        await mark(world, number)
        with pytest.raises(Refused):
            await found(world, number, "buys = yes")
        async with world.database.reading() as session:
            assert await session.scalar(select(SheetColumns.word_1)) is None
        await mark(world, number, "whose")  # the column is another question's now
        assert await found(world, number, "whose = lg") == []

    async def test_there_are_so_many_columns(self, world: World) -> None:
        wording = "".join(f"# Вопрос {each}\nkey: k{each}\nkind: yes_no\n" for each in range(5))
        number = await questionnaire(world, wording)
        with pytest.raises(Refused) as refusal:
            await mark(world, number, "k0", "k1", "k2", "k3", "k4")
        assert refusal.value.code == "questionnaire.most_for_reports"
        with pytest.raises(Refused) as refusal:
            await mark(world, await questionnaire(world), "said")
        assert refusal.value.code == "questionnaire.text_for_reports"

    @pytest.mark.parametrize("condition", ["buys", "buys = может", "said = да", "pieces has 3", "whose > lg", "= yes"])
    async def test_what_is_no_condition_is_refused(self, world: World, condition: str) -> None:
        number = await questionnaire(world, reports=["buys", "whose", "pieces"])
        with pytest.raises(Refused) as refusal:
            await found(world, number, condition)
        assert refusal.value.code in ("sheet.cannot_filter", "sheet.no_yes_no")

    async def test_so_many_conditions_and_no_more(self, world: World) -> None:
        number = await questionnaire(world, reports=["buys"])
        with pytest.raises(Refused) as refusal:
            await found(world, number, *["buys = yes"] * (MOST_CONDITIONS + 1))
        assert refusal.value.code == "sheet.most_conditions"

    @pytest.mark.parametrize("conditions", [["buys = yes"], ["pieces > 2"], ["buys = yes", "pieces < 9"], []])
    async def test_pages_follow_one_another(self, world: World, conditions: list[str]) -> None:
        number = await questionnaire(world, reports=["buys", "pieces"])
        for pieces in (5, 3, 5, 4):
            await answer(world, await world.client(), number, {"buys": "да", "pieces": str(pieces)})
        seen: list[int] = []
        after: PlaceInOrder | None = None
        async with world.database.reading() as session:
            wanted = await wanted_of(session, number, conditions)
            while True:
                rows, after = await sheets_found(session, number, wanted, after=after, limit=1)
                seen += [row.client_id for row in rows]
                if after is None:
                    break
        assert len(seen) == len(set(seen)) == 4

    async def test_later_states_have_their_moments(self, world: World) -> None:
        number, client_id = await questionnaire(world), await world.client()
        await answer(world, client_id, number, {"buys": "да"})
        async with world.transaction() as session:
            await write_sheet(
                session, client_id=client_id, questionnaire_id=number, typed={"buys": "no"},
                now=NOON + timedelta(days=1),
            )  # fmt: skip
        first, second = await read(world, client_id, all_states=True)
        assert first.written_at - second.written_at == timedelta(days=1)
