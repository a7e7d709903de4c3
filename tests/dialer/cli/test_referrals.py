"""`dialer referrals`: clients who are handed to experts, from the command line."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from crm.database import Database
from crm.office.users import Role, get_user
from crm.preparation.campaign_setup import set_expert
from crm.preparation.campaigns import get_campaign
from crm.wrap_up.outcomes import OutcomeForm
from tests.crm.builders import NOON, build_world
from tests.dialer.cli.conftest import Dialer, on_database

CAMPAIGN = "First campaign"


@pytest.fixture
def base(dialer: Dialer, office: Path) -> Path:
    """An expert `egor` of the campaign."""
    said = dialer("users", "add", "egor", "--name", "Егор", "--role", "expert", "-c", office)
    assert said.code == 0, said.err
    said = dialer("campaigns", "expert", CAMPAIGN, "egor", "--industries", "Торговля; Металл", "-c", office)
    assert said.code == 0, said.err
    return office


def test_nothing_waits_yet(dialer: Dialer, base: Path) -> None:
    said = dialer("referrals", "list", "--expert", "egor", "-c", base)
    assert (said.code, said.out.split()[0]) == (0, "number")
    assert dialer("referrals", "list", "--late", "-c", base).code == 0
    said = dialer("referrals", "times", "--campaign", CAMPAIGN, "--clients", "-c", base)
    assert said.code == 0
    assert [line.split()[-1] for line in said.out.splitlines()[1:]] == ["—", "—", "0", "0"]


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("list", "--expert", "nobody"), "There is no such user."),
        (("accept", "7", "--by", "egor"), "There is no such referral."),
        (("give-back", "7", "--by", "egor", "--reason", "x"), "There is no such referral."),
        (("give", "7", "--to", "egor"), "There is no such referral."),
    ],
)
def test_what_cannot_be_is_said_in_words(dialer: Dialer, base: Path, words: tuple[str, ...], told: str) -> None:
    said = dialer("referrals", *words, "-c", base)
    assert said.code == 1
    assert told in said.err


async def three_warm_clients(database: Database) -> None:
    """Anna finds three who want to see an offer; Egor and Zoya are experts."""
    world = await build_world(database)
    anna = await world.operator()
    for name in ("Егор", "Зоя"):
        user_id = await world.operator(name, Role.EXPERT)
        async with world.transaction() as session:
            campaign, user = await get_campaign(session, world.campaign_id), await get_user(session, user_id)
            await set_expert(session, campaign=campaign, user=user, belongs=True, now=NOON)
    for name in ("А", "Б", "В"):
        attempt_id = await world.call(await world.client(name), anna)
        form = OutcomeForm("warm", person_name="Петрова Анна", person_decides=True, callback_words="завтра 11")
        await world.outcome(attempt_id, form, anna, at=NOON)


def test_a_client_is_accepted_given_back_and_given(dialer: Dialer, office: Path) -> None:
    on_database(office, three_warm_clients)

    def waiting(*words: str) -> dict[str, str]:
        """Who is offered which client, by its number."""
        said = dialer("referrals", "list", *words, "-c", office)
        assert said.code == 0, said.err
        rows = [re.split(r"\s{2,}", line.strip()) for line in said.out.splitlines()[1:]]
        return {row[0]: row[5] for row in rows}

    assert waiting() == {"1": "Егор", "2": "Зоя", "3": "Егор"}, "by load: in turn, as each has as much to do"
    assert set(waiting("--expert", "user2")) == {"1", "3"}
    assert waiting("--late") == {}
    said = dialer("referrals", "accept", "1", "--by", "user2", "-c", office)
    assert (said.code, said.out) == (0, "The client is Егор's now.\n")
    said = dialer("referrals", "give-back", "2", "--by", "user3", "--reason", "не моя отрасль", "-c", office)
    assert (said.code, said.out) == (0, "The next expert is offered it, as no. 4.\n"), said.err
    assert waiting() == {"3": "Егор", "4": "Егор"}
    assert set(waiting("--late")) == {"4"}
    said = dialer("referrals", "give", "3", "--to", "user3", "-c", office)
    assert (said.code, said.out) == (0, "Зоя is offered it, as no. 5.\n"), said.err
    said = dialer("referrals", "give-back", "4", "--by", "user2", "--reason", "не моя", "-c", office)
    assert (said.code, said.out) == (0, "No expert is left for this client: it waits for whoever takes it.\n")
    assert set(waiting().values()) == {"Зоя", "nobody"}
    told = dialer("clients", "show", "2", "-c", office).out
    assert "не моя отрасль" in told
    said = dialer("referrals", "times", "--days", "9999", "--clients", "-c", office)
    assert said.code == 0, said.err
    assert said.out.count("waits") == 3
    assert "talked" not in said.out
    said = dialer("users", "role", "user2", "operator", "-c", office)
    assert "user2 still has clients" in said.err
    said = dialer("users", "role", "user2", "operator", "--hand-over-to", "user3", "-c", office)
    assert "takes over: " in said.out
    assert said.out.endswith("The role of user2 is now operator.\n")


def test_the_limit_and_the_rule_are_set_by_command(dialer: Dialer, base: Path) -> None:
    for value, code in (("30", 0), ("0", 0), ("-1", 1)):
        said = dialer("campaigns", "set", CAMPAIGN, "--referral-limit", value, "--referrals-by", "industry", "-c", base)
        assert said.code == code, said.err
    said = dialer("campaigns", "expert", "No such", "egor", "--industries", "", "-c", base)
    assert said.code == 1
