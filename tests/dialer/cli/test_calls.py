"""`dialer calls`: found, shown, and corrected in the version that was seen."""

from __future__ import annotations

from pathlib import Path

from sqlalchemy import select

from crm.audit import AuditEntry
from crm.calls.dial_rules import dialling_stopped
from crm.calls.disposition_sets import set_disposition
from crm.clientele.clients import get_client
from crm.database import Database
from crm.group import Group
from crm.office.users import Role
from crm.plan.dispositions import Ask
from crm.plan.outcome_chain import Outcome, versions_of
from crm.questionnaires.questionnaires import Purpose, add_questionnaire
from crm.questionnaires.wording import parse
from crm.wrap_up.outcomes import OutcomeForm
from recordings.store import LocalStore
from tests.crm.builders import NOON, build_world
from tests.dialer.cli.conftest import Dialer, on_database
from tests.dialer.console.seed import seed_recording

CORRECTED = ("--disposition", "competitor", "--competitor", "Вентпром", "--reason", "довольны")
ASKED = "# Покупают у других?\nkey: buys\nkind: yes_no\nrequired: yes\n# Что сказали\nkey: said\n"


async def one_call(database: Database) -> str:
    """Anna's call of a client that is cold; a manager and a colleague are there, too."""
    world = await build_world(database)
    anna = await world.operator()
    await world.operator("Мария", Role.MANAGER)
    await world.operator("Олег")
    attempt_id = await world.call(await world.client(), anna)
    form = OutcomeForm(disposition="cold", reason="дорого", note="строгий секретарь")
    await world.outcome(attempt_id, form, anna, at=NOON)
    return attempt_id


def chain(office: Path, call: str) -> list[Outcome]:
    async def read(database: Database) -> list[Outcome]:
        async with database.reading() as session:
            return await versions_of(session, call)

    return on_database(office, read)


def test_a_call_is_found_and_shown_and_corrected_by_nobody_else(dialer: Dialer, office: Path) -> None:
    call = on_database(office, one_call)
    said = dialer("calls", "list", "--text", "северный", "--user", "user1", "--from", "2026-11-23",
                  "--to", "2026-11-23", "-c", office)  # fmt: skip
    assert said.code == 0, said.err
    row = said.out.splitlines()[1]
    assert row.startswith(call)
    assert "Северный ветер" in row
    assert "Cold" in row
    for nothing in (("--to", "2026-11-22"), ("--from", "2026-11-24"), ("--user", "user2"), ("--text", "южный")):
        assert call not in dialer("calls", "list", *nothing, "-c", office).out
    shown = dialer("calls", "show", call, "-c", office).out
    assert "Version 1, " in shown
    assert "Cold (cold)" in shown
    assert "Reason: дорого" in shown
    client = dialer("clients", "show", "1", "-c", office).out.splitlines()
    assert client[0] == "“Северный ветер”: client no. 1, organisation no. 1"
    assert client[1].startswith("Вентиляция, Cold, Asia/Yekaterinburg")
    assert client[2:4] == ["Numbers:", "  1  +73420000004  works"]
    assert "New → Cold  by a call" in client[5]
    assert client[7].startswith(f"  {call}  ")
    assert dialer("clients", "show", "9", "-c", office).code == 1
    assert "There is no such call" in dialer("calls", "show", "f" * 32, "-c", office).err
    words = ("calls", "correct", call, "--version", "1", "-c", office)
    assert "another operator's call" in dialer(*words, "--as", "user3", *CORRECTED).err
    assert "Give the reason" in dialer(*words, "--as", "user1", "--reason", "").err
    assert "no such user" in dialer(*words, "--as", "nobody").err.lower()
    assert len(chain(office, call)) == 1


def test_an_outcome_is_corrected_in_the_version_that_was_seen(dialer: Dialer, office: Path) -> None:
    call = on_database(office, one_call)
    words = ("calls", "correct", call, "-c", office)
    said = dialer(*words, "--as", "user2", "--version", "1", *CORRECTED)
    assert (said.code, said.out) == (0, "Version 2 is written down.\n"), said.err
    first, second = chain(office, call)
    assert (first.disposition, second.disposition, second.supersedes_id) == ("cold", "competitor", first.id)
    assert (second.competitor, second.note) == ("Вентпром", "строгий секретарь"), "what is not named stays"

    async def group(database: Database) -> Group:
        async with database.reading() as session:
            return (await get_client(session, 1)).group

    assert on_database(office, group) is Group.COMPETITOR
    late = dialer(*words, "--as", "user2", "--version", "1", "--note", "поздно")
    assert (late.code, late.out) == (1, "")
    assert "written down already" in late.err
    assert "no version 3" in dialer(*words, "--as", "user2", "--version", "3").err
    said = dialer(
        *words, "--as", "user1", "--version", "2", "--disposition", "warm", "--person", "Петрова Анна Ильинична",
        "--position", "директор", "--decides", "--summary", "ждёт предложение", "--when", "завтра 11",
    )  # fmt: skip
    assert said.code == 0, said.err
    third = chain(office, call)[2]
    assert third.full_name == "Петрова Анна Ильинична"
    assert third.callback_at_local is not None
    assert third.callback_at_local.hour == 11
    shown = dialer("calls", "show", call, "-c", office).out
    assert shown.index("Version 3, ") < shown.index("Version 2, ") < shown.index("Version 1, ")


def test_a_correction_writes_a_contract_down_and_takes_it_back(dialer: Dialer, office: Path) -> None:
    call = on_database(office, one_call)
    assert dialer("campaigns", "set", "Вентиляция", "--sells-by-deals", "-c", office).code == 0
    words = ("calls", "correct", call, "-c", office, "--as", "user2")
    said = dialer(
        *words, "--version", "1", "--disposition", "hot", "--contract", "new", "--sum", "12 500,50", "--signed",
        "2026-11-20",
    )  # fmt: skip
    assert said.code == 0, said.err
    told = dialer("deals", "show", "1", "-c", office).out
    assert "contract: 2026-11-20" in told
    assert "12,500.50\xa0RUB" in told
    assert dialer(*words, "--version", "2", "--note", "позже").code == 0, "the contract stands"
    assert "contract: 2026-11-20" in dialer("deals", "show", "1", "-c", office).out
    assert dialer(*words, "--version", "3", "--contract", "").code == 0
    assert "contract: " not in dialer("deals", "show", "1", "-c", office).out
    assert "no such deal" in dialer(*words, "--version", "4", "--contract", "x").err


def test_a_correction_needs_the_answers_that_the_desk_needs(dialer: Dialer, office: Path) -> None:
    call = on_database(office, one_call)

    async def survey(database: Database) -> None:
        async with database.transaction() as session:
            client = await get_client(session, 1, lock=True)
            campaign_id = client.campaign_id
            await add_questionnaire(
                session, name="О клиенте", purpose=Purpose.CLIENT, questions=parse(ASKED).questions, now=NOON
            )
            required = {Ask.REASON, Ask.QUESTIONNAIRE}
            await set_disposition(session, campaign_id=campaign_id, key="cold", required=required, now=NOON)

    on_database(office, survey)
    words = ("calls", "correct", call, "-c", office, "--as", "user2", "--version", "1", "--note", "позже")
    refused = dialer(*words)
    assert (refused.code, refused.out) == (1, "")
    assert "The question “Покупают у других?” needs an answer." in refused.err
    assert "no such questionnaire" in dialer(*words, "--answer", "9.buys=yes").err.lower()
    for unreadable in ("buys=yes", "x.buys=yes", "1.buys"):
        assert "is no answer" in dialer(*words, "--answer", unreadable).err
    said = dialer(*words, "--answer", "1.buys=yes", "--answer", "1.said=да")
    assert said.code == 0, said.err
    again = dialer(*words[:-3], "2", "--answer", "1.said=нет")
    assert again.code == 0, again.err
    shown = dialer("clients", "show", "1", "-c", office).out
    assert "Покупают у других?: yes" in shown, "what is not named stays"
    assert "нет" in shown


def test_the_sound_is_written_and_all_dialling_stopped(dialer: Dialer, office: Path, tmp_path: Path) -> None:
    store = LocalStore(office.parent / "data" / "recordings")

    async def recorded(database: Database) -> tuple[str, bytes]:
        call = await one_call(database)
        return call, (await seed_recording(database, store, call, NOON)).read_bytes()

    async def told(database: Database) -> tuple[bool, list[str]]:
        async with database.reading() as session:
            actions = await session.scalars(select(AuditEntry.action).order_by(AuditEntry.id.desc()).limit(4))
            return await dialling_stopped(session), list(actions)

    call, sound = on_database(office, recorded)
    target = tmp_path / "call.wav"
    assert dialer("calls", "sound", call, target, "-c", office).out == f"{target} holds the recording.\n"
    assert target.read_bytes() == sound
    assert dialer("calls", "sound", call, target, "-c", office).code == 1, "it is not written over"
    assert dialer("calls", "stop", "-c", office).out == "All dialling is stopped; calls in progress go on.\n"
    stopped, (last, *_before) = on_database(office, told)
    assert (stopped, last) == (True, "dialling.stopped")
    assert dialer("calls", "go-on", "-c", office).out == "Dialling goes on.\n"
    stopped, actions = on_database(office, told)
    assert (stopped, actions[:3]) == (False, ["dialling.resumed", "dialling.stopped", "recording.listened"])
    assert actions[3:] != ["recording.listened"], "what was not had is no listening"
