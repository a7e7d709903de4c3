"""Users: signing in, headsets, browsers, and what the audit keeps of it."""

from __future__ import annotations

import hashlib
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncSession

from crm.audit import AuditEntry, recording_listened
from crm.database import Database
from crm.errors import CrmError, NotFound, Refused
from crm.office.users import (
    Role,
    User,
    add_user,
    authenticate,
    close_headsets,
    end_sessions_of,
    get_user,
    headset_digests,
    list_users,
    set_active,
    set_headset_password,
    set_password,
    set_role,
    sign_in,
    user_by_headset,
    user_by_login,
)
from crm.office.web_sessions import (
    WebSession,
    end_session,
    session_by_token,
    start_session,
    touch_session,
)
from tests.crm.builders import NOON

PASSWORD = "correct horse"
TWELVE_HOURS = timedelta(hours=12)


async def add_anna(session: AsyncSession) -> User:
    return await add_user(
        session, login="Anna ", name="Иванова Анна", role=Role.OPERATOR, password=PASSWORD, now=NOON, headset="anna"
    )


async def actions(database: Database) -> list[tuple[str, int | None]]:
    async with database.reading() as session:
        return [
            (entry.action, entry.user_id) for entry in await session.scalars(select(AuditEntry).order_by(AuditEntry.id))
        ]


async def test_signing_in(database: Database) -> None:
    async with database.transaction() as session:
        anna = await add_anna(session)
    async with database.transaction() as session:
        for login, password, granted in (
            ("anna", PASSWORD, True),
            (" ANNA", PASSWORD, True),
            ("anna", PASSWORD + " ", False),
            ("anna", "", False),
            ("nobody", PASSWORD, False),
            ("", "", False),
        ):
            user = await authenticate(session, login=login, password=password, now=NOON)
            assert (user is not None) is granted
    assert await sign_in(database, login="anna", password=PASSWORD, now=NOON) is not None
    assert await sign_in(database, login="anna", password="wrong", now=NOON) is None
    failed, granted_entry = ("user.sign_in_failed", None), ("user.signed_in", anna.id)
    assert await actions(database) == [
        ("user.added", None), granted_entry, granted_entry, failed, failed, failed, failed, granted_entry, failed,
    ]  # fmt: skip


async def test_who_is_switched_off_or_has_a_new_password(database: Database) -> None:
    async with database.transaction() as session:
        anna = await add_anna(session)
        await set_password(session, user=anna, password="another horse", now=NOON)
    assert await sign_in(database, login="anna", password=PASSWORD, now=NOON) is None
    assert await sign_in(database, login="anna", password="another horse", now=NOON) is not None
    async with database.transaction() as session:
        token = await start_session(session, user_id=anna.id, now=NOON, lifetime=TWELVE_HOURS)
        anna = await get_user(session, anna.id)
        await set_active(session, user=anna, active=False, now=NOON)
        assert await session_by_token(session, token=token, now=NOON) is None
        await set_active(session, user=anna, active=True, now=NOON)
        assert await session_by_token(session, token=token, now=NOON) is None  # the browser of then stays out
        token = await start_session(session, user_id=anna.id, now=NOON, lifetime=TWELVE_HOURS)
        await set_role(session, user=anna, role=Role.MANAGER, now=NOON)
        assert await session_by_token(session, token=token, now=NOON) is None
        await set_active(session, user=anna, active=False, now=NOON)
    assert await sign_in(database, login="anna", password="another horse", now=NOON) is None


async def test_a_new_password_signs_out_everywhere(database: Database) -> None:
    """Whoever stole the old one must not stay in."""
    async with database.transaction() as session:
        anna = await add_anna(session)
        boris = await add_user(
            session, login="boris", name="Борис", role=Role.OPERATOR, password=PASSWORD, now=NOON, headset="boris"
        )
        tokens = [
            await start_session(session, user_id=user.id, now=NOON, lifetime=TWELVE_HOURS) for user in (anna, boris)
        ]
        await set_password(session, user=anna, password="another horse", now=NOON)
        found = [await session_by_token(session, token=token, now=NOON) for token in tokens]
    assert [signed_in is not None for signed_in in found] == [False, True]


@pytest.mark.parametrize("password", ["", "1234567"])
async def test_a_headset_needs_a_password_as_well(database: Database, password: str) -> None:
    """Whoever registers as the headset hears the calls."""
    async with database.transaction() as session:
        anna = await add_anna(session)
        with pytest.raises(CrmError) as refused:
            await set_headset_password(session, user=anna, password=password, realm="dialer")
    assert refused.value.code == "user.password_short"
    assert headset_digests(anna, database.office_key) is None


async def test_no_secret_is_stored(database: Database) -> None:
    async with database.transaction() as session:
        anna = await add_anna(session)
        await set_headset_password(session, user=anna, password="headset secret", realm="dialer")
        token = await start_session(session, user_id=anna.id, now=NOON, lifetime=TWELVE_HOURS)
    async with database.reading() as session:
        stored = ""
        for table in ("users", "web_sessions", "audit_entries"):
            stored += str([tuple(row) for row in await session.execute(text(f"SELECT * FROM {table}"))])
        anna = await get_user(session, anna.id)
    assert anna.password_hash.startswith("$argon2id$")
    # To the digest of SIP H(A1) is the password, so it is a secret too.
    md5 = hashlib.md5(b"anna:dialer:headset secret").hexdigest()
    sha256 = hashlib.sha256(b"anna:dialer:headset secret").hexdigest()
    for secret in (PASSWORD, "headset secret", token, md5, sha256):
        assert secret not in stored
    assert headset_digests(anna, database.office_key) == (md5, sha256)
    assert headset_digests(anna, b"another key") is None


async def test_what_lies_open_from_before_is_closed_with_the_offices_key(database: Database) -> None:
    async with database.transaction() as session:
        anna = await add_anna(session)
        anna.headset_ha1_md5, anna.headset_ha1_sha256 = "a" * 32, "b" * 64
    assert headset_digests(anna, b"") == ("a" * 32, "b" * 64)
    async with database.transaction() as session:
        await close_headsets(session)
    async with database.reading() as session:
        anna = await get_user(session, anna.id)
    assert (anna.headset_ha1_md5, anna.headset_ha1_sha256) == ("", "")
    assert headset_digests(anna, database.office_key) == ("a" * 32, "b" * 64)
    anna.headset = "boris"
    assert headset_digests(anna, database.office_key) is None


async def test_what_is_refused(database: Database) -> None:
    async with database.transaction() as session:
        await add_anna(session)
    usual: dict[str, Any] = {"name": "Борис", "role": Role.OPERATOR, "password": PASSWORD, "now": NOON}
    for values, code in (
        ({"login": "anna"}, "user.login_taken"),
        ({"login": "ANNA"}, "user.login_taken"),
        ({"login": "boris", "headset": "anna"}, "user.headset_taken"),
        ({"login": ""}, "user.needs_login"),
        ({"login": "bo ris"}, "user.needs_login"),
        ({"login": "boris", "name": " "}, "user.needs_login"),
        ({"login": "boris", "password": "short"}, "user.password_short"),
        ({"login": "boris", "time_zone": "Mars/Base"}, "time_zone.unknown"),
    ):
        with pytest.raises(CrmError) as refused:
            async with database.transaction() as session:
                await add_user(session, **{**usual, **values})
        assert refused.value.code == code
    async with database.transaction() as session:
        boris = await add_user(session, login="boris", **usual)
        with pytest.raises(CrmError) as refused:
            await set_headset_password(session, user=boris, password="x", realm="dialer")
        assert refused.value.code == "user.needs_headset"
        with pytest.raises(NotFound):
            await get_user(session, 999)
    async with database.reading() as session:
        assert [user.login for user in await list_users(session)] == ["anna", "boris"]
        assert (await user_by_headset(session, "anna")) is not None
        assert (await user_by_headset(session, "")) is None
        assert (await user_by_login(session, "Boris")) is not None


async def test_a_password_in_plain_text_is_refused_by_the_database(database: Database) -> None:
    async with database.transaction() as session:
        await add_anna(session)
    with pytest.raises(DBAPIError, match=r"(?i)constraint|violates"):
        async with database.engine.begin() as connection:
            await connection.execute(text("UPDATE users SET password_hash = 'secret'"))


async def test_browsers(database: Database) -> None:
    async with database.transaction() as session:
        anna = await add_anna(session)
        token = await start_session(session, user_id=anna.id, now=NOON, lifetime=TWELVE_HOURS)
        other = await start_session(session, user_id=anna.id, now=NOON, lifetime=timedelta(hours=1))
    assert token != other
    async with database.reading() as session:
        known = await session_by_token(session, token=token, now=NOON + TWELVE_HOURS - timedelta(seconds=1))
        assert known is not None
        assert (known.user.id, len(known.web_session.csrf)) == (anna.id, 43)
        assert await session_by_token(session, token=token, now=NOON + TWELVE_HOURS) is None
        assert await session_by_token(session, token=token[:-1], now=NOON) is None
    async with database.transaction() as session:
        await touch_session(session, token=token, now=NOON + timedelta(seconds=59))
        await touch_session(session, token=token, now=NOON + timedelta(minutes=2))
        await touch_session(session, token=token, now=NOON + timedelta(minutes=2, seconds=30))
    async with database.transaction() as session:
        seen = await session_by_token(session, token=token, now=NOON)
        assert seen is not None
        assert seen.web_session.last_seen_at == NOON + timedelta(minutes=2)
        await end_session(session, token=token, now=NOON)
        await end_session(session, token=token, now=NOON)
        assert await session_by_token(session, token=token, now=NOON) is None
    async with database.transaction() as session:
        await start_session(session, user_id=anna.id, now=NOON + timedelta(hours=2), lifetime=TWELVE_HOURS)
        assert len(list(await session.scalars(select(WebSession)))) == 1  # the expired one was swept
        await end_sessions_of(session, user_id=anna.id)
        assert list(await session.scalars(select(WebSession))) == []
    assert ("user.signed_out", anna.id) in await actions(database)


async def test_who_listened(database: Database) -> None:
    async with database.transaction() as session:
        anna = await add_anna(session)
        recording_listened(session, attempt_id="f" * 32, user_id=anna.id, now=NOON)
    assert ("recording.listened", anna.id) in await actions(database)


async def test_somebody_administers_the_office_as_long_as_there_are_users(database: Database) -> None:
    async with database.transaction() as session:
        head, other = [
            await add_user(session, login=login, name=login, role=Role.ADMINISTRATOR, password=PASSWORD, now=NOON)
            for login in ("head", "other")
        ]
        await set_active(session, user=other, active=False, now=NOON)
    async with database.transaction() as session:
        user = await get_user(session, head.id)
        with pytest.raises(Refused) as demoted:
            await set_role(session, user=user, role=Role.MANAGER, now=NOON)
        with pytest.raises(Refused) as switched_off:
            await set_active(session, user=user, active=False, now=NOON)
    assert demoted.value.code == switched_off.value.code == "user.last_administrator"
    async with database.transaction() as session:
        await set_active(session, user=await get_user(session, other.id), active=True, now=NOON)
        await set_role(session, user=await get_user(session, head.id), role=Role.MANAGER, now=NOON)
