"""What an organisation bought before, and who looked after a client before: what the customer's own base tells."""

from __future__ import annotations

import re
from datetime import date, datetime
from decimal import Decimal
from typing import Final

from sqlalchemy import BigInteger, CheckConstraint, ForeignKey, Index, String, Text, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Mapped, mapped_column

from crm import audit
from crm.errors import Refused
from crm.mapping import Base, UtcDateTime, Versioned
from crm.text_rules import tidy

_CURRENCY: Final = re.compile("[A-Z]{3}")
_PLAIN: Final = re.compile(r"\d{1,18}(\.\d{0,9})?|\.\d{1,9}")  # all of it is within what `Decimal` counts exactly
_ENGLISH: Final = re.compile(r"[1-9][0-9]{0,2}((,[0-9]{3})+\.[0-9]{1,2}|(,[0-9]{3}){2,})")
_AMBIGUOUS: Final = re.compile(r"[1-9][0-9]{0,2}[,.][0-9]{3}")
LARGEST_MINOR: Final = 10**15


class PastDeal(Versioned, Base):
    """A deal: `amount_minor` in hundredths of `currency` (ISO 4217), `None` when nobody knows; `seller` in words."""

    __tablename__ = "past_deals"
    __table_args__ = (
        CheckConstraint("amount_minor IS NULL OR amount_minor >= 0", name="amount"),
        CheckConstraint("length(currency) = 3", name="currency"),
        Index(None, "organisation_id", "made_on"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    organisation_id: Mapped[int] = mapped_column(ForeignKey("organisations.id"))
    made_on: Mapped[date]
    amount_minor: Mapped[int | None] = mapped_column(BigInteger)
    currency: Mapped[str] = mapped_column(String(3), default="RUB")
    what: Mapped[str] = mapped_column(Text, default="")
    seller: Mapped[str] = mapped_column(Text, default="")
    noted_at: Mapped[datetime] = mapped_column(UtcDateTime)
    author_id: Mapped[int | None] = mapped_column(ForeignKey("users.id"))

    @property
    def amount(self) -> Decimal | None:
        """In whole units of the currency."""
        return None if self.amount_minor is None else Decimal(self.amount_minor) / 100


class FormerOwner(Base):
    """Who looked after a client before: a user, or somebody by name; `left_on` when that ended."""

    __tablename__ = "former_owners"
    __table_args__ = (CheckConstraint("user_id IS NOT NULL OR length(trim(name)) > 0", name="named"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    client_id: Mapped[int] = mapped_column(ForeignKey("clients.id"), index=True)
    user_id: Mapped[int | None] = mapped_column(ForeignKey("users.id"))
    name: Mapped[str] = mapped_column(Text, default="")
    left_on: Mapped[date | None]
    noted_at: Mapped[datetime] = mapped_column(UtcDateTime)


def read_amount(written: str) -> Decimal | None:
    """An amount as people write it ("12 500,50", "12,500.50"); `None` for an empty one. Raises `Refused`, also for
    "12,500": in English it is a thousand times what it is in Russian."""
    plain = re.sub(r"[\s\u00a0\u202f']", "", written)
    if not plain:
        return None
    if _ENGLISH.fullmatch(plain):
        plain = plain.replace(",", "")
    elif _AMBIGUOUS.fullmatch(plain):
        raise Refused("deal.amount", amount=written[:40])
    plain = plain.replace(",", ".")
    if not _PLAIN.fullmatch(plain) or (amount := Decimal(plain)) * 100 >= LARGEST_MINOR:
        raise Refused("deal.amount", amount=written[:40])
    return amount


def currency_code(written: str) -> str:
    """The three letters of a currency. Raises `Refused`."""
    currency = written.strip().upper()
    if not _CURRENCY.fullmatch(currency):
        raise Refused("deal.currency", currency=currency)
    return currency


async def add_deal(
    session: AsyncSession,
    *,
    organisation_id: int,
    made_on: date,
    now: datetime,
    amount: Decimal | None = None,
    currency: str = "RUB",
    what: str = "",
    seller: str = "",
    author_id: int | None = None,
) -> PastDeal:
    """A deal of the past. Raises `Refused` for a currency that is none, or a day to come."""
    currency = currency_code(currency)
    if made_on > now.date():
        raise Refused("deal.in_the_future")
    deal = PastDeal(
        organisation_id=organisation_id, made_on=made_on, currency=currency, what=tidy(what), seller=tidy(seller),
        amount_minor=None if amount is None else int((amount * 100).to_integral_value()), noted_at=now,
        author_id=author_id,
    )  # fmt: skip
    session.add(deal)
    await session.flush()
    audit.note(
        session, at=now, user_id=author_id, action=audit.DEAL_ADDED, subject=f"organisation:{organisation_id}",
        details={"deal": deal.id, "made_on": made_on.isoformat(), "amount_minor": deal.amount_minor, "what": deal.what},
    )  # fmt: skip
    await session.flush()
    return deal


async def deals_of(session: AsyncSession, organisation_id: int) -> list[PastDeal]:
    """All deals, the latest first."""
    mine = select(PastDeal).where(PastDeal.organisation_id == organisation_id)
    return list(await session.scalars(mine.order_by(PastDeal.made_on.desc(), PastDeal.id.desc())))


async def add_former_owner(
    session: AsyncSession,
    *,
    client_id: int,
    now: datetime,
    name: str = "",
    user_id: int | None = None,
    left_on: date | None = None,
    author_id: int | None = None,
) -> FormerOwner:
    """Somebody who looked after the client before. Raises `Refused` when it is said of nobody."""
    if user_id is None and not tidy(name):
        raise Refused("former_owner.needs_name")
    former = FormerOwner(client_id=client_id, user_id=user_id, name=tidy(name), left_on=left_on, noted_at=now)
    session.add(former)
    await session.flush()
    audit.note(
        session, at=now, user_id=author_id, action=audit.FORMER_OWNER_ADDED, subject=f"client:{client_id}",
        details={"user": user_id, "name": former.name},
    )  # fmt: skip
    await session.flush()
    return former


async def former_owners_of(session: AsyncSession, client_id: int) -> list[FormerOwner]:
    """All of them, the latest first."""
    mine = select(FormerOwner).where(FormerOwner.client_id == client_id).order_by(FormerOwner.id.desc())
    return list(await session.scalars(mine))
