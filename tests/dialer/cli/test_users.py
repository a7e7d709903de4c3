"""`dialer users`: sign-ins and headsets."""

from __future__ import annotations

import asyncio
import hashlib
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from config.settings import load_settings
from crm.base.organisations import add_organisation
from crm.clientele.clients import add_client
from crm.database import Database
from crm.office import users
from crm.plan.callbacks import agree
from crm.preparation.call_lists import list_named
from crm.preparation.campaigns import list_campaigns
from dialer.office_key import read_key
from tests.dialer.cli.conftest import Dialer


async def user_named(config: Path, login: str) -> users.User:
    database = Database(load_settings(config, {}).database_url)
    try:
        async with database.reading() as session:
            user = await users.user_by_login(session, login)
    finally:
        await database.dispose()
    assert user is not None
    return user


def headset_known_by(config: Path, user: users.User) -> str:
    """H(A1) in MD5, opened with the office's key."""
    digests = users.headset_digests(user, read_key(load_settings(config, {})))
    return digests.md5 if digests else ""


def signs_in(config: Path, login: str, password: str) -> bool:
    async def attempt() -> bool:
        database = Database(load_settings(config, {}).database_url)
        try:
            return await users.sign_in(database, login=login, password=password, now=datetime.now(UTC)) is not None
        finally:
            await database.dispose()

    return asyncio.run(attempt())


def test_a_headset_is_told_no_port_that_is_another_at_each_start(dialer: Dialer, sqlite_office: Path) -> None:
    said = dialer("users", "add", "anna", "--name", "Anna", "--headset", "anna-h", "-c", sqlite_office)
    assert "server 127.0.0.1:5060, user name anna-h" in said.out
    sqlite_office.write_text(sqlite_office.read_text().replace("port = 5060\n", "port = 0\n", 1))
    said = dialer("users", "headset", "anna", "anna-2", "-c", sqlite_office)
    assert "server 127.0.0.1 (sip.port is 0: the port is another one at each start), user name anna-2" in said.out


def test_a_user_with_a_headset_gets_both_passwords_printed(dialer: Dialer, office: Path) -> None:
    said = dialer("users", "add", "anna", "--name", "Anna Petrova", "--headset", "anna-h", "-c", office)
    assert said.code == 0
    password = re.search(r"^Password: (\S+)$", said.out, re.MULTILINE)
    headset = re.search(r"^Headset's password: (\S+)$", said.out, re.MULTILINE)
    assert password
    assert headset
    assert signs_in(office, "anna", password[1])
    stored = asyncio.run(user_named(office, "anna"))
    assert headset_known_by(office, stored) == hashlib.md5(f"anna-h:dialer:{headset[1]}".encode()).hexdigest()
    assert stored.headset_ha1_md5 == ""
    assert "server 127.0.0.1:5060, user name anna-h" in said.out


def test_a_password_from_standard_input_is_taken_and_not_repeated(dialer: Dialer, office: Path) -> None:
    said = dialer("users", "add", "olga", "--name", "Olga", "--password-stdin", "-c", office, stdin="long enough\n")
    assert said.code == 0
    assert "long enough" not in said.out + said.err
    assert signs_in(office, "olga", "long enough")


def test_a_short_password_is_refused_and_nobody_is_added(dialer: Dialer, office: Path) -> None:
    said = dialer("users", "add", "olga", "--name", "Olga", "--password-stdin", "-c", office, stdin="short\n")
    assert (said.code, said.err.strip()) == (1, "A password needs at least 8 characters.")
    assert "olga" not in dialer("users", "list", "-c", office).out


def test_a_login_or_headset_that_is_taken_is_refused_in_words(dialer: Dialer, office: Path) -> None:
    dialer("users", "add", "anna", "--name", "Anna", "--headset", "h1", "-c", office)
    again = dialer("users", "add", "Anna", "--name", "Anna", "-c", office)
    assert (again.code, again.err.strip()) == (1, "There is a user “anna” already.")
    same = dialer("users", "add", "olga", "--name", "Olga", "--headset", "h1", "-c", office)
    assert (same.code, same.err.strip()) == (1, "The headset “h1” belongs to another user.")


def test_the_list_shows_everyone_and_no_secret(dialer: Dialer, office: Path) -> None:
    dialer("users", "add", "anna", "--name", "Anna Petrova", "--role", "expert", "--headset", "h1", "-c", office)
    said = dialer("users", "list", "-c", office)
    rows = [line.split("  ") for line in said.out.splitlines()]
    assert [row[0].strip() for row in rows] == ["login", "administrator", "anna", "manager"]
    assert re.search(r"^anna +Anna Petrova +expert +h1 +yes$", said.out, re.MULTILINE)
    assert "argon2" not in said.out


def test_a_new_password_replaces_the_old_one(dialer: Dialer, office: Path) -> None:
    dialer("users", "passwd", "manager", "--password-stdin", "-c", office, stdin="first password\n")
    said = dialer("users", "passwd", "manager", "--password-stdin", "-c", office, stdin="second password\n")
    assert said.out.strip() == "The password of manager has been changed."
    assert signs_in(office, "manager", "second password")
    assert not signs_in(office, "manager", "first password")


def test_a_headset_gets_a_new_password(dialer: Dialer, office: Path) -> None:
    dialer("users", "add", "anna", "--name", "Anna", "--headset", "h1", "-c", office)
    before = asyncio.run(user_named(office, "anna"))
    said = dialer("users", "passwd", "anna", "--headset", "-c", office)
    after = asyncio.run(user_named(office, "anna"))
    assert "Headset's password: " in said.out
    assert headset_known_by(office, before) != headset_known_by(office, after)
    assert before.password_hash == after.password_hash


@pytest.mark.parametrize(("login", "words"), [("nobody", "no such user"), ("manager", "no headset")])
def test_a_password_for_nobody_is_refused(dialer: Dialer, office: Path, login: str, words: str) -> None:
    said = dialer("users", "passwd", login, "--headset", "-c", office)
    assert said.code == 1
    assert words in said.err


def test_who_has_left_is_switched_off_and_who_returns_on_again(dialer: Dialer, office: Path) -> None:
    dialer("users", "passwd", "manager", "--password-stdin", "-c", office, stdin="the password\n")
    assert dialer("users", "off", "manager", "-c", office).out.strip() == "manager can sign in no more."
    assert not signs_in(office, "manager", "the password")
    assert re.search(r"^manager .* no$", dialer("users", "list", "-c", office).out, re.MULTILINE)
    assert dialer("users", "on", "manager", "-c", office).out.strip() == "manager may sign in again."
    assert signs_in(office, "manager", "the password")
    assert "no such user" in dialer("users", "off", "nobody", "-c", office).err


def test_a_typed_password_is_asked_twice(dialer: Dialer, office: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    answers = iter(["one password", "another password", "one password", "one password"])
    monkeypatch.setattr("getpass.getpass", lambda *_args, **_options: next(answers))
    differing = dialer("users", "passwd", "manager", "-c", office, at_keyboard=True)
    assert (differing.code, differing.err.strip()) == (1, "The two passwords differ; nothing was changed.")
    assert dialer("users", "passwd", "manager", "-c", office, at_keyboard=True).code == 0
    assert signs_in(office, "manager", "one password")


def test_an_empty_database_is_said_so(dialer: Dialer, sqlite_office: Path) -> None:
    (sqlite_office.parent / "data" / "dialer.db").unlink()
    said = dialer("users", "list", "-c", sqlite_office)
    assert said.code == 1
    assert said.err.startswith("The database is not ready:")
    assert "dialer db upgrade" in said.err


def test_another_role(dialer: Dialer, office: Path) -> None:
    assert dialer("users", "add", "olga", "--name", "Olga", "-c", office).code == 0
    said = dialer("users", "role", "olga", "manager", "-c", office)
    assert (said.code, said.out) == (0, "The role of olga is now manager.\n")
    assert asyncio.run(user_named(office, "olga")).role is users.Role.MANAGER


@pytest.mark.parametrize("words", [("role", "administrator", "manager"), ("off", "administrator")])
def test_the_last_administrator_stays(dialer: Dialer, office: Path, words: tuple[str, ...]) -> None:
    said = dialer("users", *words, "-c", office)
    assert said.code == 1
    assert said.err == "“administrator” is the only administrator. Make another user one first.\n"
    assert dialer("users", "add", "olga", "--name", "Olga", "--role", "administrator", "-c", office).code == 0
    assert dialer("users", *words, "-c", office).code == 0


def test_another_headset_and_none(dialer: Dialer, office: Path) -> None:
    for login in ("anna", "olga"):
        assert dialer("users", "add", login, "--name", login, "--headset", f"{login}-h", "-c", office).code == 0
    said = dialer("users", "headset", "anna", "olga-h", "-c", office)
    assert (said.code, said.err) == (1, "The headset “olga-h” belongs to another user.\n")
    said = dialer("users", "headset", "anna", "new-h", "-c", office)
    password = re.search(r"^Headset's password: (\S+)$", said.out, re.MULTILINE)
    assert password
    stored = asyncio.run(user_named(office, "anna"))
    assert headset_known_by(office, stored) == hashlib.md5(f"new-h:dialer:{password[1]}".encode()).hexdigest()
    said = dialer("users", "headset", "anna", "--none", "-c", office)
    assert said.out == "anna has no headset any more.\n"
    stored = asyncio.run(user_named(office, "anna"))
    assert (stored.headset, stored.headset_sealed, stored.headset_ha1_md5) == ("", "", "")


async def promise_to_somebody(config: Path, login: str) -> None:
    """A callback that this user has promised."""
    database = Database(load_settings(config, {}).database_url)
    now = datetime.now(UTC)
    try:
        async with database.transaction() as session:
            campaign = (await list_campaigns(session))[0]
            call_list = await list_named(session, campaign_id=campaign.id, name="List")
            organisation = await add_organisation(session, name="Acme", now=now)
            client = await add_client(
                session, campaign_id=campaign.id, organisation_id=organisation.id, call_list_id=call_list.id, now=now
            )
            owner = await users.user_by_login(session, login)
            assert owner is not None
            in_a_week = (now + timedelta(days=7)).replace(tzinfo=None)
            await agree(session, client=client, owner_id=owner.id, local_at=in_a_week, now=now)
    finally:
        await database.dispose()


def test_who_leaves_hands_the_promises_over(dialer: Dialer, office: Path) -> None:
    for login in ("anna", "boris", "clara"):
        said = dialer("users", "add", login, "--name", login, "--password-stdin", "-c", office, stdin="long enough\n")
        assert said.code == 0
    asyncio.run(promise_to_somebody(office, "anna"))
    said = dialer("users", "off", "anna", "-c", office)
    told = "anna still has clients, promises, deals or places in the plan (1). Say who takes them over.\n"
    assert (said.code, said.err) == (1, told)
    said = dialer("users", "hand-over", "anna", "clara", "-c", office)
    assert (said.code, said.out) == (0, "1 callback is clara's now.\n")
    said = dialer("users", "off", "clara", "--hand-over-to", "boris", "-c", office)
    assert "takes over: promised calls 1\nclara can sign in no more.\n" in said.out
    assert not asyncio.run(user_named(office, "clara")).active
