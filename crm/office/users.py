"""Users: who signs in, with which role, at which headset. Passwords are hashed with argon2, out of the event loop."""

from __future__ import annotations

import asyncio
import enum
import hashlib
from datetime import datetime
from typing import TYPE_CHECKING, Final

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError
from sqlalchemy import CheckConstraint, ColumnElement, Index, String, Text, column, delete, false, select, table, text
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Mapped, mapped_column

from crm import audit, transitions
from crm.errors import Conflict, NotFound, Refused
from crm.mapping import WEAK_LOCK, Base, UtcDateTime, Versioned, one_of
from crm.office.headset_keys import OFFICE_KEY, HeadsetDigests, closed, opened
from crm.office.mail_addresses import mail_address
from crm.text_rules import lines_of, tidy
from crm.time_zones import zone

if TYPE_CHECKING:
    from crm.database import Database

LEAST_PASSWORD: Final = 8
# OWASP's smallest setting for argon2id: 19 MiB, two passes. About 25 ms, so that a sign-in holds nobody up.
_HASHER: Final = PasswordHasher(time_cost=2, memory_cost=19_456, parallelism=1)


NO_PASSWORD: Final = "$argon2-none"
"""In the place of a hash: no password is this user's, until one is set."""


class Role(enum.StrEnum):
    """What a user does."""

    OPERATOR = "operator"
    EXPERT = "expert"
    MANAGER = "manager"
    CONSULTANT = "consultant"
    ADMINISTRATOR = "administrator"
    AUDITOR = "auditor"


CALLERS: Final = (Role.OPERATOR, Role.EXPERT)
"""Who calls clients, owns them and promises them calls."""


# Of `crm.office.web_sessions`, which stands on this module.
_WEB_SESSIONS: Final = table("web_sessions", column("user_id"))


class User(Versioned, Base):
    """A user. `headset` is the SIP user name of the headset, or ""; of its password only H(A1) is kept (RFC 7616
    section 3.4.2), in MD5 and in SHA-256, for the realm in force when it was set, as `headset_sealed`: closed with the
    office's key; as it is only until a service that has one closes it. `callbacks_by_mail`: promised calls
    come to `email` as calendar entries."""

    __tablename__ = "users"
    __table_args__ = (
        CheckConstraint("length(trim(login)) > 0 AND length(trim(name)) > 0", name="named"),
        CheckConstraint("language IN ('ru', 'en')", name="language"),
        CheckConstraint("password_hash LIKE '$argon2%'", name="password_hash"),
        CheckConstraint("NOT callbacks_by_mail OR length(email) > 0", name="mail"),
        Index(
            "uq_users_headset",
            "headset",
            unique=True,
            sqlite_where=text("headset <> ''"),
            postgresql_where=text("headset <> ''"),
        ),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    login: Mapped[str] = mapped_column(String(64), unique=True)
    name: Mapped[str] = mapped_column(Text)
    role: Mapped[Role] = mapped_column(one_of(Role, "role"))
    password_hash: Mapped[str] = mapped_column(Text)
    language: Mapped[str] = mapped_column(String(2), default="ru")
    time_zone: Mapped[str] = mapped_column(Text, default="Europe/Moscow")
    headset: Mapped[str] = mapped_column(String(64), default="")
    headset_ha1_md5: Mapped[str] = mapped_column(String(32), default="")
    headset_ha1_sha256: Mapped[str] = mapped_column(String(64), default="")
    headset_sealed: Mapped[str] = mapped_column(Text, default="", server_default="")
    email: Mapped[str] = mapped_column(Text, default="", server_default="")
    callbacks_by_mail: Mapped[bool] = mapped_column(default=False, server_default=false())
    active: Mapped[bool] = mapped_column(default=True)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    version: Mapped[int] = mapped_column(default=1)


def fold_login(login: str) -> str:
    """The stored form of a login: casefolded, without spaces around it."""
    return lines_of(login).casefold()


async def add_user(
    session: AsyncSession,
    *,
    login: str,
    name: str,
    role: Role,
    password: str,
    now: datetime,
    author_id: int | None = None,
    language: str = "ru",
    time_zone: str = "Europe/Moscow",
    headset: str = "",
) -> User:
    """A new user. Raises `Refused`, or `Conflict` when the login or the headset is taken."""
    login, name = fold_login(login), tidy(name)
    if not login or not name or len(login.split()) != 1 or len(login) > 64:
        raise Refused("user.needs_login")
    zone(time_zone)
    await _assert_free(session, login=login, headset=headset)
    user = User(
        login=login,
        name=name,
        role=role,
        password_hash=await hash_password(password),
        language=language,
        time_zone=time_zone,
        headset=headset,
        created_at=now,
    )
    session.add(user)
    await session.flush()
    audit.note(
        session,
        at=now,
        user_id=author_id,
        action=audit.USER_ADDED,
        subject=f"user:{user.id}",
        details={"login": login, "role": role.value, "headset": headset},
    )
    return user


async def _assert_free(session: AsyncSession, *, login: str, headset: str) -> None:
    if await session.scalar(select(User.id).where(User.login == login)) is not None:
        raise Conflict("user.login_taken", login=login)
    if headset and await session.scalar(select(User.id).where(User.headset == headset)) is not None:
        raise Conflict("user.headset_taken", headset=headset)


async def hash_password(password: str) -> str:
    """The argon2id hash, made in a thread. Raises `Refused` for a short password."""
    _refuse_short(password)
    return await asyncio.to_thread(_HASHER.hash, password)


def _refuse_short(password: str) -> None:
    if len(password) < LEAST_PASSWORD:
        raise Refused("user.password_short", least=LEAST_PASSWORD)


async def set_password(
    session: AsyncSession, *, user: User, password: str, now: datetime, author_id: int | None = None
) -> None:
    """Replace the password, and sign the user out everywhere: whoever knew the old one may be in. Raises `Refused`
    when it is short."""
    user.password_hash = await hash_password(password)
    await end_sessions_of(session, user_id=user.id)
    audit.note(session, at=now, user_id=author_id, action=audit.PASSWORD_SET, subject=f"user:{user.id}")
    await session.flush()


async def set_headset_password(session: AsyncSession, *, user: User, password: str, realm: str) -> None:
    """Keep H(A1) of the headset's password, never the password. Raises `Refused` when the user has no headset, and for
    a short password: whoever registers as the headset hears the calls."""
    if not user.headset:
        raise Refused("user.needs_headset")
    _refuse_short(password)
    a1 = f"{user.headset}:{realm}:{password}".encode()
    user.headset_sealed = ""
    user.headset_ha1_md5 = hashlib.md5(a1, usedforsecurity=False).hexdigest()  # RFC 7616: what headsets speak
    user.headset_ha1_sha256 = hashlib.sha256(a1).hexdigest()
    _close_headset(session, user)
    await session.flush()


def _close_headset(session: AsyncSession, user: User) -> None:
    if office_key := session.info.get(OFFICE_KEY):
        digests = HeadsetDigests(user.headset_ha1_md5, user.headset_ha1_sha256)
        user.headset_sealed = closed(bytes(office_key), user.headset, digests)
        user.headset_ha1_md5, user.headset_ha1_sha256 = "", ""


async def close_headsets(session: AsyncSession) -> None:
    """Close what is kept of headsets' passwords with the office's key where it lies open, from before there was one."""
    for user in await session.scalars(select(User).where(User.headset_ha1_md5 != "")):
        _close_headset(session, user)
    await session.flush()


def headset_digests(user: User, office_key: bytes) -> HeadsetDigests | None:
    """By what the password of the user's headset is known, `None` when there is none, or the office's key is another:
    then it has to be set anew."""
    if user.headset_sealed:
        return opened(office_key, user.headset, user.headset_sealed) if office_key else None
    return HeadsetDigests(user.headset_ha1_md5, user.headset_ha1_sha256) if user.headset_ha1_md5 else None


async def set_headset(
    session: AsyncSession, *, user: User, headset: str, now: datetime, author_id: int | None = None
) -> None:
    """Give the user a headset of this SIP user name, or with "" none. Its password has to be set anew: what is kept of
    it holds the name. Raises `Conflict` when the headset is somebody else's."""
    if headset != user.headset:
        await _assert_free(session, login="", headset=headset)
    user.headset, user.headset_sealed, user.headset_ha1_md5, user.headset_ha1_sha256 = headset, "", "", ""
    _note_change(session, user, {"headset": headset}, now=now, author_id=author_id)
    await session.flush()


async def set_role(
    session: AsyncSession, *, user: User, role: Role, now: datetime, author_id: int | None = None
) -> None:
    """What the user does from now on, after signing in anew. Raises `Refused` when nobody would be left to administer
    the office."""
    if role is not Role.ADMINISTRATOR:
        await _keep_an_administrator(session, user)
    _note_change(session, user, {"role": role.value, "was": user.role.value}, now=now, author_id=author_id)
    user.role = role
    await end_sessions_of(session, user_id=user.id)
    await session.flush()


async def end_sessions_of(session: AsyncSession, *, user_id: int) -> None:
    """Sign a user out everywhere."""
    await session.execute(delete(_WEB_SESSIONS).where(_WEB_SESSIONS.c.user_id == user_id))


async def _keep_an_administrator(session: AsyncSession, user: User) -> None:
    """Raises `Refused` when the user is the only active administrator; the others cannot be changed meanwhile."""
    if user.role is not Role.ADMINISTRATOR or not user.active:
        return
    these = select(User.id).where(User.role == Role.ADMINISTRATOR, User.active).order_by(User.id).with_for_update()
    if set(await session.scalars(these)) <= {user.id}:
        raise Refused("user.last_administrator", login=user.login)


def _note_change(
    session: AsyncSession, user: User, details: dict[str, object], *, now: datetime, author_id: int | None
) -> None:
    audit.note(
        session, at=now, user_id=author_id, action=audit.USER_CHANGED, subject=f"user:{user.id}", details=details
    )


async def set_active(
    session: AsyncSession, *, user: User, active: bool, now: datetime, author_id: int | None = None
) -> None:
    """Switch a user on, or off and out of every browser. Raises `Refused` when nobody would be left to administer the
    office. Whoever has promised something is switched off by `crm.plan.handovers.switch_off`."""
    if not active:
        await _keep_an_administrator(session, user)
    names = {True: "active", False: "switched off"}
    transitions.note(session, "user", user=user.id, was=names[user.active], on="set", now=names[active])
    user.active = active
    await end_sessions_of(session, user_id=user.id)
    _note_change(session, user, {"active": active}, now=now, author_id=author_id)
    await session.flush()


async def set_mail(
    session: AsyncSession,
    *,
    user: User,
    email: str,
    callbacks: bool,
    now: datetime,
    author_id: int | None = None,
    version: int | None = None,
) -> None:
    """The user's e-mail address, or none with "", and whether promised calls come to it as calendar entries. What
    follows for promises that are open: `crm.plan.promise_mail`. Raises `Refused`, and `Conflict` when somebody has
    changed the user since that version was read."""
    if version is not None and version != user.version:
        raise Conflict("user.changed_meanwhile")
    email = mail_address(email) if email.strip() else ""
    if callbacks and not email:
        raise Refused("user.needs_email")
    if (email, callbacks) == (user.email, user.callbacks_by_mail):
        return
    user.email, user.callbacks_by_mail = email, callbacks
    details: dict[str, object] = {"email": email, "callbacks_by_mail": callbacks}
    _note_change(session, user, details, now=now, author_id=author_id)
    await session.flush()


async def get_user(session: AsyncSession, user_id: int) -> User:
    """Raises `NotFound`."""
    user = await session.get(User, user_id)
    if user is None:
        raise NotFound("user.unknown")
    return user


async def hold_user(session: AsyncSession, user_id: int) -> User:
    """Let the user's other tabs, and who would switch the user off, wait until this transaction ends. What the session
    knows of the user is read anew. Raises `NotFound`."""
    held = await session.get(User, user_id, with_for_update=WEAK_LOCK, populate_existing=True)
    if held is None:
        raise NotFound("user.unknown")
    return held


async def keep_user(session: AsyncSession, user_id: int) -> None:
    """Take beforehand what the database takes when a row refers to the user, so that it is not waited for later, with
    rows in hand that come after users in the order of locks. The user's own tabs are not held up."""
    await session.execute(select(User.id).where(User.id == user_id).with_for_update(read=True, key_share=True))


async def hold_users(session: AsyncSession, these: ColumnElement[bool]) -> list[User]:
    """As `hold_user`, of many, by id."""
    found = select(User).where(these).order_by(User.id).with_for_update(key_share=True)
    return list(await session.scalars(found.execution_options(populate_existing=True)))


async def user_by_login(session: AsyncSession, login: str) -> User | None:
    """The user of that login, active or not."""
    return await session.scalar(select(User).where(User.login == fold_login(login)))


async def user_by_headset(session: AsyncSession, headset: str) -> User | None:
    """The active user whose headset registers under this SIP user name."""
    if not headset:
        return None
    return await session.scalar(select(User).where(User.headset == headset, User.active))


async def list_users(session: AsyncSession) -> list[User]:
    """All users by login."""
    return list(await session.scalars(select(User).order_by(User.login)))


async def authenticate(session: AsyncSession, *, login: str, password: str, now: datetime) -> User | None:
    """The active user whose password this is, or `None`. An unknown login costs as much time as a known one. Success
    and failure are audited in this transaction; see `sign_in` for a way that hashes outside of one."""
    user = await user_by_login(session, login)
    granted = user if await _is_password_of(user, password) else None
    _audit_sign_in(session, login=login, user=granted, now=now)
    await session.flush()
    return granted


async def sign_in(database: Database, *, login: str, password: str, now: datetime) -> User | None:
    """As `authenticate`, without holding a write transaction while hashing."""
    async with database.reading() as session:
        user = await user_by_login(session, login)
    granted = user if await _is_password_of(user, password) else None
    async with database.transaction() as session:
        _audit_sign_in(session, login=login, user=granted, now=now)
    return granted


async def _is_password_of(user: User | None, password: str) -> bool:
    known = user is not None and user.active and user.password_hash != NO_PASSWORD
    stored = user.password_hash if user is not None and known else await _hash_of_nobody()
    return await asyncio.to_thread(_verify, stored, password) and known


async def _hash_of_nobody() -> str:
    global _nobody  # noqa: PLW0603 - made once, when first needed: hashing costs 25 ms
    if not _nobody:
        _nobody = await asyncio.to_thread(_HASHER.hash, "nobody's password")
    return _nobody


_nobody = ""


def _verify(stored: str, password: str) -> bool:
    try:
        return _HASHER.verify(stored, password)
    except (VerificationError, InvalidHashError):
        return False


def _audit_sign_in(session: AsyncSession, *, login: str, user: User | None, now: datetime) -> None:
    audit.note(
        session,
        at=now,
        user_id=user.id if user else None,
        action=audit.SIGNED_IN if user else audit.SIGN_IN_FAILED,
        subject=f"user:{user.id}" if user else "",
        details={} if user else {"login": fold_login(login)[:64]},
    )
