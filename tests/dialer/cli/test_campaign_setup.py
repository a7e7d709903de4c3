"""`dialer campaigns check|setup|expert|approve|current`: a campaign is set up without a page."""

from __future__ import annotations

import asyncio
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path

from config.settings import load_settings
from crm.database import Database
from crm.preparation.campaign_setup import CampaignSetup, setup_of
from crm.preparation.campaigns import campaign_named
from tests.dialer.cli.conftest import Dialer, Said

CAMPAIGN = "First campaign"


def campaigns(dialer: Dialer, office: Path, action: str, *words: str) -> Said:
    return dialer("campaigns", action, CAMPAIGN, *words, "-c", office)


def lines(said: Said) -> dict[str, tuple[str, str]]:
    """The checklist: task to its tick and what is told."""
    assert said.code == 0, said.err
    rows = [re.split(r"  +", line.strip()) for line in said.out.splitlines() if re.match(r"  \[[ x]\]", line)]
    return {row[1]: (row[0], row[3] if len(row) > 3 else "") for row in rows}


async def stored(config: Path) -> CampaignSetup:
    database = Database(load_settings(config, {}).database_url)
    try:
        async with database.reading() as session:
            return await setup_of(session, (await campaign_named(session, CAMPAIGN)).id)
    finally:
        await database.dispose()


def test_a_campaign_is_set_up_approved_and_checked(dialer: Dialer, office: Path) -> None:
    today = datetime.now(UTC).date()
    said = campaigns(
        dialer, office, "setup", "--customer", "ООО Заказчик", "--product", "Вентиляторы", "--segments", "Цеха",
        "--rubric", "Заводы", "--rubric", "Склады", "--source", "2ГИС", "--starts", str(today - timedelta(days=30)),
        "--calls-start", str(today - timedelta(days=9)), "--ends", str(today + timedelta(days=20)),
    )  # fmt: skip
    assert (said.code, said.out) == (0, f"The set-up of “{CAMPAIGN}” has been changed.\n"), said.err
    said = campaigns(dialer, office, "approve", "rubrics", "--by", "Орлова И.", "--on", "2026-01-15")
    assert (said.code, said.out) == (0, "Rubrics: approved by Орлова И., 15 Jan 2026.\n")
    told = lines(campaigns(dialer, office, "check"))
    assert told["Customer"] == ("[x]", "")
    assert told["Rubrics"] == ("[x]", "Signed: Орлова И., 15 Jan 2026")
    assert told["Sources"] == ("[ ]", "Not approved yet.")
    assert told["Organisations to be called"] == ("[ ]", "Organisations chosen: 0 of 1000.")
    said = campaigns(dialer, office, "setup", "--rubric", "Заводы")
    assert said.out.endswith("To be approved again: Rubrics\n")
    told = lines(campaigns(dialer, office, "check"))
    assert told["Rubrics"] == ("[ ]", "Changed since it was approved. Signed: Орлова И., 15 Jan 2026")
    assert asyncio.run(stored(office)).rubric_names == ["Заводы"]


def test_the_heads_of_the_stages_say_where_it_stands(dialer: Dialer, office: Path) -> None:
    out = campaigns(dialer, office, "check").out
    assert out.startswith(f"{CAMPAIGN}: not begun yet\n\nStage 1: preparation\n")
    assert "No days are set; usually 10 to 15 working days." in out
    campaigns(dialer, office, "setup", "--starts", "2026-03-02", "--calls-start", "2026-03-16", "--ends", "2026-04-14")
    out = campaigns(dialer, office, "check").out
    assert "  2 Mar 2026 – 15 Mar 2026\n  Working days used: 9 of 9 planned (usually 10 to 15).\n" in out
    said = campaigns(dialer, office, "current", "--since", "2026-04-10")
    assert said.out == f"“{CAMPAIGN}” is in current mode from 10 Apr 2026.\n"
    out = campaigns(dialer, office, "check").out
    assert out.startswith(f"{CAMPAIGN}: current mode\n")
    assert "  16 Mar 2026 – 9 Apr 2026\n" in out
    assert campaigns(dialer, office, "current", "--off").out == f"“{CAMPAIGN}” is not in current mode.\n"


def test_an_expert_is_named_and_leaves(dialer: Dialer, office: Path) -> None:
    said = dialer("users", "add", "egor", "--name", "Егор", "--role", "expert", "-c", office)
    assert said.code == 0, said.err
    assert campaigns(dialer, office, "expert", "egor").out == f"Егор is an expert of “{CAMPAIGN}”.\n"
    assert lines(campaigns(dialer, office, "check"))["Experts"] == ("[x]", "")
    assert campaigns(dialer, office, "expert", "egor", "--remove").out == f"Егор is no expert of “{CAMPAIGN}”.\n"
    assert lines(campaigns(dialer, office, "check"))["Experts"] == ("[ ]", "No expert is named.")


def test_what_cannot_be_is_refused_in_words(dialer: Dialer, office: Path) -> None:
    for words, told in (
        (("approve", "script", "--by", "Орлова"), "There is nothing to approve yet."),
        (("setup", "--caller-id", "abc"), "“abc” is no telephone number."),
        (("setup", "--target-organisations", "0"), "At least one organisation must be wanted."),
        (("current",), "A campaign goes on in current mode only after its calls have begun."),
        (("expert", "nobody"), "There is no such user."),
        (("expert", "manager"), "“Head of sales” is no expert."),
    ):
        said = campaigns(dialer, office, *words)
        assert (said.code, said.err) == (1, f"{told}\n")


def test_only_a_number_that_the_provider_lets_us_show(dialer: Dialer, sqlite_office: Path) -> None:
    text = sqlite_office.read_text()
    trunk = '[trunk]\nhost = "127.0.0.1"\ncaller_id = "+73420001200"\ncaller_ids = ["+73420001200", "+73420001201"]\n'
    sqlite_office.write_text(f"{text}\n{trunk}")
    said = campaigns(dialer, sqlite_office, "setup", "--caller-id", "+7 342 000-12-99")
    assert said.err == (
        "The provider does not let us show +73420001299. It does: +73420001200, +73420001201.\n"
    )  # fmt: skip
    assert campaigns(dialer, sqlite_office, "setup", "--caller-id", "+7 342 000-12-01").code == 0
    assert asyncio.run(stored(sqlite_office)).caller_id == "+73420001201"


def test_the_next_campaign_goes_on_with_the_base(dialer: Dialer, office: Path, tmp_path: Path) -> None:
    file = tmp_path / "firms.csv"
    file.write_text("list;name;phone;group\nspring;А;8 (342) 000-12-34;warm\nspring;Б;8 (342) 000-12-35;cold\n")
    assert dialer("import", file, "--campaign", CAMPAIGN, "-c", office).code == 0
    said = campaigns(dialer, office, "next", "Autumn", "--group", "warm", "--list", "base")
    assert (said.code, said.out) == (0, "The campaign “Autumn” has been added.\n1 client came along.\n"), said.err
    assert re.search(r"^Autumn +base +1 +draft", dialer("lists", "list", "-c", office).out, re.MULTILINE)
    said = campaigns(dialer, office, "next", "Winter")
    assert said.out.endswith("2 clients came along.\n")
    assert "From “First campaign”" in dialer("lists", "list", "--campaign", "Winter", "-c", office).out
    assert campaigns(dialer, office, "next", "Winter").err == "There is a campaign named “Winter” already.\n"
