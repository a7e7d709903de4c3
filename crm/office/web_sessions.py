"""Signed-in browsers. The database holds the SHA-256 of the token only: reading the table signs nobody in."""

from __future__ import annotations

import hashlib
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import ForeignKey, Index, String, delete, update
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Mapped, mapped_column

from crm import audit
from crm.mapping import Base, UtcDateTime
from crm.office.users import User

SEEN_EVERY = timedelta(minutes=1)


class WebSession(Base):
    """A browser. `id` is the SHA-256 of its token, `csrf` what its forms must bring back."""

    __tablename__ = "web_sessions"
    __table_args__ = (Index(None, "user_id"), Index(None, "expires_at"))

    id: Mapped[str] = mapped_column(String(64), primary_key=True)
    user_id: Mapped[int] = mapped_column(ForeignKey("users.id"))
    csrf: Mapped[str] = mapped_column(String(64))
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    expires_at: Mapped[datetime] = mapped_column(UtcDateTime)
    last_seen_at: Mapped[datetime] = mapped_column(UtcDateTime)


@dataclass(frozen=True, slots=True)
class SignedIn:
    """Who is behind a token."""

    web_session: WebSession
    user: User


async def start_session(session: AsyncSession, *, user_id: int, now: datetime, lifetime: timedelta) -> str:
    """A new token for this user; expired ones of everybody are swept away."""
    await session.execute(delete(WebSession).where(WebSession.expires_at <= now))
    token = secrets.token_urlsafe(32)
    session.add(
        WebSession(
            id=_digest(token),
            user_id=user_id,
            csrf=secrets.token_urlsafe(32),
            created_at=now,
            expires_at=now + lifetime,
            last_seen_at=now,
        )
    )
    await session.flush()
    return token


async def session_by_token(session: AsyncSession, *, token: str, now: datetime) -> SignedIn | None:
    """Who this is, or `None` when the token is unknown or expired or the user was switched off. Reads only."""
    found = await session.get(WebSession, _digest(token))
    if found is None or found.expires_at <= now:
        return None
    user = await session.get_one(User, found.user_id)
    return SignedIn(found, user) if user.active else None


async def touch_session(session: AsyncSession, *, token: str, now: datetime) -> None:
    """Note that the browser is there, at most once a minute."""
    await session.execute(
        update(WebSession)
        .where(WebSession.id == _digest(token), WebSession.last_seen_at <= now - SEEN_EVERY)
        .values(last_seen_at=now)
    )


async def end_session(session: AsyncSession, *, token: str, now: datetime) -> None:
    """Sign out; an unknown token is no error."""
    found = await session.get(WebSession, _digest(token))
    if found is not None:
        audit.note(session, at=now, user_id=found.user_id, action=audit.SIGNED_OUT, subject=f"user:{found.user_id}")
        await session.delete(found)
        await session.flush()


def _digest(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()
