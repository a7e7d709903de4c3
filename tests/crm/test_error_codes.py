"""Every refusal is shown by a test: here those that the tests of the rules do not come to."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import pytest
from sqlalchemy import text

from crm.clientele.clients import get_client
from crm.errors import ERRORS, Conflict, NotAllowed, NotFound, Refused
from crm.importing import tables
from crm.importing.tables import read_table
from crm.office.users import Role
from crm.preparation.call_lists import existing_list
from crm.preparation.campaigns import campaign_named
from crm.wrap_up.outcomes import OutcomeForm
from tests.crm.builders import NOON, World, open_call

TESTS: Final = Path(__file__).parent
# Returned as sentences and raised by none; `test_database.py` holds them to their words.
SENTENCES: Final = "database."
# Raised by a class of its own, which the tests name instead.
NAMED: Final = {"service.another_runs": "AnotherServiceRuns"}


def test_every_code_is_looked_for_by_a_test() -> None:
    written = "\n".join(path.read_text(encoding="utf-8") for path in TESTS.rglob("test_*.py"))
    codes = [code for code in ERRORS if not code.startswith(SENTENCES)]
    assert [code for code in codes if (NAMED.get(code) or f'"{code}"') not in written] == []


def test_every_code_is_raised_somewhere() -> None:
    """A sentence that nothing can lead to would be translated in vain."""
    package = Path(tables.__file__).parents[1]
    written = "\n".join(
        path.read_text(encoding="utf-8")
        for path in package.rglob("*.py")
        if path.name not in ("errors.py", "problems.py", "refusals.py")
    )
    assert [code for code in ERRORS if code not in NAMED and f'"{code}"' not in written] == []


async def test_names_that_stand_for_nothing(world: World) -> None:
    async with world.database.reading() as session:
        with pytest.raises(NotFound) as unknown:
            await campaign_named(session, "Нет такой")
        assert (unknown.value.code, unknown.value.params) == ("campaign.unknown", {"name": "Нет такой"})
        with pytest.raises(NotFound) as unknown:
            await get_client(session, 999)
        assert unknown.value.code == "client.unknown"
        with pytest.raises(NotFound) as unknown:
            await existing_list(session, campaign_id=world.campaign_id, name="Нет такого")
        assert unknown.value.code == "list.unknown"
        assert (await existing_list(session, campaign_id=world.campaign_id, name=" Первый ")).id == world.call_list_id


async def test_an_operator_in_a_call_cannot_dial_even_with_another_claim(world: World) -> None:
    """The plan lets go of no claim during a call; should it, the rule of the attempts still holds."""
    operator, first, second = await world.operator(), await world.client("Первая"), await world.client("Вторая")
    async with world.transaction() as session:
        await open_call(session, first, operator)
        await session.execute(text("UPDATE plan_entries SET state = 'done'"))
    with pytest.raises(Conflict) as refused:
        async with world.transaction() as session:
            await open_call(session, second, operator)
    assert refused.value.code == "attempt.operator_busy"


async def test_an_outcome_is_the_operators_own_or_the_offices(world: World) -> None:
    anna, boris, client_id = await world.operator(), await world.operator("Борис"), await world.client()
    attempt_id = await world.call(client_id, anna)
    with pytest.raises(NotAllowed) as refused:
        await world.outcome(attempt_id, OutcomeForm("no_contact"), boris, at=NOON)
    assert refused.value.code == "outcome.not_yours"
    manager = await world.operator("Рук", role=Role.MANAGER)
    await world.outcome(attempt_id, OutcomeForm("no_contact"), manager, at=NOON)


def test_files_that_are_too_big_or_in_no_known_encoding(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(Refused) as refused:
        read_table(bytes(range(128, 256)) * 3)
    assert refused.value.code == "table.encoding_not_guessed"
    monkeypatch.setattr(tables, "MAX_BYTES", 1024 * 1024)
    assert read_table(b"name;phone\nA;1\n").header == ("name", "phone")
    with pytest.raises(Refused) as refused:
        read_table(b"name;phone\n" + b"A;1\n" * 300_000)
    assert (refused.value.code, refused.value.params) == ("table.too_big", {"limit_mb": 1})
