"""Deals of clients: what is to be sold to whom, for how much, and how far it has come.

Every move to another stage is kept for ever; a contract makes its client hot in the same transaction. Only campaigns
that sell by deals have any.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime
from decimal import Decimal
from typing import Any, Final

from sqlalchemy import BigInteger, CheckConstraint, ForeignKey, ForeignKeyConstraint, Index, String, Text, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Mapped, mapped_column

from crm import audit
from crm.base.joined import standing_client
from crm.base.past_deals import LARGEST_MINOR, currency_code
from crm.base.people import person_at
from crm.clientele.clients import Client, get_client
from crm.deals.deal_stages import OPEN, DealStage, MoveCause
from crm.errors import Conflict, NotFound, Refused
from crm.mapping import Base, UtcDateTime, Versioned, one_of
from crm.office.users import CALLERS, User
from crm.preparation.campaign_setup import setup_of
from crm.preparation.campaigns import Campaign, get_campaign
from crm.text_rules import lines_of, tidy
from crm.time_zones import local

LONGEST_NOTE: Final = 2_000
LONGEST_PRODUCT: Final = 500
"""Characters."""
DAYS: Final = ("opened_at", "stage_since", "expected_on", "contract_on", "delivered_on", "paid_on")
"""The columns by which deals are in order."""
_OPEN_VALUES: Final = ", ".join(f"'{stage}'" for stage in OPEN)


class Deal(Versioned, Base):
    """A deal with a client. `amount_minor` in hundredths of `currency` (ISO 4217), `None` while nobody knows; a
    contract has one. `expected_on`: when a contract is expected; `contract_on`: its day; `delivered_on`, `paid_on`: the
    first delivery, the first payment. `lost_reason` is a key of `crm.deals.lost_reasons`, "" unless it is lost.
    `stage_since`: when it came into its stage. Triggers carry each `DealMove` over to it, let nothing else change its
    stage, and refuse to delete it."""

    __tablename__ = "deals"
    __table_args__ = (
        ForeignKeyConstraint(["client_id", "campaign_id"], ["clients.id", "clients.campaign_id"]),
        CheckConstraint(f"amount_minor IS NULL OR (amount_minor >= 0 AND amount_minor < {LARGEST_MINOR})",
                        name="amount"),
        CheckConstraint("length(currency) = 3", name="currency"),
        CheckConstraint("stage <> 'contract' OR amount_minor IS NOT NULL", name="contract_has_sum"),
        CheckConstraint("(stage = 'contract') = (contract_on IS NOT NULL)", name="contract_has_day"),
        CheckConstraint("(stage = 'lost') = (length(lost_reason) > 0)", name="lost_has_reason"),
        Index(None, "client_id"),
        Index(None, "owner_id", "stage"),
        Index(None, "campaign_id", "stage"),
        Index(None, "person_id"),
        # The sales book in each of its orders, with what it is narrowed to: a page is read in order from one of them.
        *(Index(f"ix_deals_by_{day}", day, "id", "campaign_id", "stage", "owner_id", "product") for day in DAYS),
    )  # fmt: skip

    id: Mapped[int] = mapped_column(primary_key=True)
    client_id: Mapped[int]
    campaign_id: Mapped[int]
    owner_id: Mapped[int] = mapped_column(ForeignKey("users.id"))
    person_id: Mapped[int | None] = mapped_column(ForeignKey("people.id"))
    product: Mapped[str] = mapped_column(Text, default="")
    amount_minor: Mapped[int | None] = mapped_column(BigInteger)
    currency: Mapped[str] = mapped_column(String(3), default="RUB")
    stage: Mapped[DealStage] = mapped_column(one_of(DealStage, "stage"))
    lost_reason: Mapped[str] = mapped_column(String(24), default="")
    expected_on: Mapped[date | None]
    contract_on: Mapped[date | None]
    delivered_on: Mapped[date | None]
    paid_on: Mapped[date | None]
    note: Mapped[str] = mapped_column(Text, default="")
    opened_at: Mapped[datetime] = mapped_column(UtcDateTime)
    stage_since: Mapped[datetime] = mapped_column(UtcDateTime)

    @property
    def amount(self) -> Decimal | None:
        """In whole units of the currency."""
        return None if self.amount_minor is None else Decimal(self.amount_minor) / 100


class DealMove(Base):
    """One move of a deal; the first has no `from_stage`. `amount_minor` and `currency`: the sum as it stood then.
    `group_move_id`: the move between groups that followed from it. `outcome_id`: the outcome that moved it, in the call
    `attempt_id`. Append-only by triggers, but for the `note`, which an erasure blanks."""

    __tablename__ = "deal_moves"
    __table_args__ = (
        CheckConstraint(
            f"(from_stage IS NULL AND to_stage IN ({_OPEN_VALUES})) OR (from_stage IS NOT NULL AND"
            " from_stage <> to_stage AND NOT (from_stage = 'lost' AND to_stage = 'contract'))",
            name="moves",
        ),
        CheckConstraint("(to_stage = 'lost') = (length(reason) > 0)", name="reason"),
        CheckConstraint("(to_stage = 'contract') = (contract_on IS NOT NULL)", name="contract_has_day"),
        CheckConstraint("to_stage <> 'contract' OR amount_minor IS NOT NULL", name="contract_has_sum"),
        CheckConstraint("cause <> 'call' OR outcome_id IS NOT NULL", name="call_names_outcome"),
        ForeignKeyConstraint(["outcome_id", "attempt_id"], ["outcomes.id", "outcomes.attempt_id"]),
        CheckConstraint("(outcome_id IS NULL) = (attempt_id IS NULL)", name="call"),
        Index(None, "deal_id", "id"),
        Index(None, "attempt_id"),
        Index(None, "group_move_id"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    deal_id: Mapped[int] = mapped_column(ForeignKey("deals.id"))
    from_stage: Mapped[DealStage | None] = mapped_column(one_of(DealStage, "from_stage"))
    to_stage: Mapped[DealStage] = mapped_column(one_of(DealStage, "to_stage"))
    at: Mapped[datetime] = mapped_column(UtcDateTime)
    cause: Mapped[MoveCause] = mapped_column(one_of(MoveCause, "cause"))
    author_id: Mapped[int | None] = mapped_column(ForeignKey("users.id"))
    attempt_id: Mapped[str | None] = mapped_column(String(32))
    outcome_id: Mapped[int | None]
    group_move_id: Mapped[int | None] = mapped_column(ForeignKey("group_moves.id"))
    amount_minor: Mapped[int | None] = mapped_column(BigInteger)
    currency: Mapped[str] = mapped_column(String(3))
    contract_on: Mapped[date | None]
    reason: Mapped[str] = mapped_column(String(24), default="")
    note: Mapped[str] = mapped_column(Text, default="")


def in_minor(amount: Decimal | None) -> int | None:
    """An amount in hundredths. Raises `Refused` for one that has a part of a hundredth: nothing is rounded."""
    if amount is None:
        return None
    minor = amount * 100
    if minor != minor.to_integral_value() or not 0 <= minor < LARGEST_MINOR:
        raise Refused("deal.amount", amount=amount)
    return int(minor)


async def open_deal(
    session: AsyncSession,
    *,
    client_id: int,
    now: datetime,
    author_id: int | None = None,
    owner_id: int | None = None,
    stage: DealStage = DealStage.INTEREST,
    amount: Decimal | None = None,
    currency: str = "RUB",
    product: str = "",
    expected_on: date | None = None,
    person_id: int | None = None,
    note: str = "",
    outcome: tuple[int, str] | None = None,
) -> Deal:
    """Begin a deal in one of the open stages. `owner_id` `None`: the client's owner, else, where
    nobody is or they sell no more, the author; `product` "": the
    campaign's. `outcome`: the id of the outcome that opens it, and that of its call. Raises `NotFound`, `Refused` where
    the campaign sells otherwise, or for what cannot be."""
    client = await get_client(session, client_id, lock=True)
    await selling_campaign(session, client.campaign_id)
    if await standing_client(session, client.id) != client.id:
        raise Refused("deal.merged")
    if stage not in OPEN:
        raise Refused("deal.begins_open")
    owner = await _owner(session, owner_id, client, author_id)
    if person_id is not None:
        await person_at(session, organisation_id=client.organisation_id, person_id=person_id)
    deal = Deal(
        client_id=client.id, campaign_id=client.campaign_id, owner_id=owner.id, person_id=person_id, stage=stage,
        product=_product(product) or tidy((await setup_of(session, client.campaign_id)).product),
        amount_minor=in_minor(amount), currency=currency_code(currency), expected_on=expected_on,
        note=_note(note), opened_at=now, stage_since=now,
    )  # fmt: skip
    session.add(deal)
    await session.flush()
    session.add(
        DealMove(
            deal_id=deal.id, to_stage=stage, at=now, author_id=author_id, amount_minor=deal.amount_minor,
            currency=deal.currency, cause=MoveCause.USER if outcome is None else MoveCause.CALL,
            outcome_id=outcome[0] if outcome else None, attempt_id=outcome[1] if outcome else None,
        )
    )  # fmt: skip
    details = {"deal": deal.id, **{column: plain(getattr(deal, column)) for column in ("stage", *COLUMNS)}}
    _audit(session, deal, audit.DEAL_OPENED, details, now=now, author_id=author_id)
    await session.flush()
    return deal


COLUMNS: Final = (
    "product", "amount_minor", "currency", "owner_id", "person_id", "expected_on", "contract_on", "delivered_on",
    "paid_on", "note",
)  # fmt: skip
"""What is changed by hand, apart from the stage."""


async def change_deal(
    session: AsyncSession,
    *,
    deal_id: int,
    now: datetime,
    author_id: int | None = None,
    version: int | None = None,
    **changes: Any,
) -> Deal:
    """Change `product`, `amount`, `currency`, `owner_id`, `person_id`, `expected_on`, `contract_on` (of a contract),
    `delivered_on`, `paid_on`, `note`; what is not named stays. `version`: that which the author saw. Raises `NotFound`,
    `Conflict` when somebody has changed it since, `Refused` for what cannot be."""
    deal, client = await held_deal(session, deal_id, version)
    await selling_campaign(session, deal.campaign_id)
    _tidy(changes)
    changed = {column: value for column, value in changes.items() if getattr(deal, column) != value}
    if "owner_id" in changed:
        await _owner(session, changed["owner_id"], client, author_id)
    if changed.get("person_id") is not None:
        await person_at(session, organisation_id=client.organisation_id, person_id=changed["person_id"])
    await _assert_possible(session, deal, changed, now)
    if changed:
        details = {column: [plain(getattr(deal, column)), plain(value)] for column, value in changed.items()}
        for column, value in changed.items():
            setattr(deal, column, value)
        _audit(session, deal, audit.DEAL_CHANGED, {"deal": deal.id, **details}, now=now, author_id=author_id)
    await session.flush()
    return deal


def _tidy(changes: dict[str, Any]) -> None:
    """As the columns store it."""
    if "amount" in changes:
        changes["amount_minor"] = in_minor(changes.pop("amount"))
    if "currency" in changes:
        changes["currency"] = currency_code(changes["currency"])
    if "product" in changes:
        changes["product"] = _product(changes["product"])
    if "note" in changes:
        changes["note"] = _note(changes["note"])


async def _assert_possible(session: AsyncSession, deal: Deal, changed: dict[str, Any], now: datetime) -> None:
    is_contract = deal.stage is DealStage.CONTRACT
    if is_contract and changed.get("amount_minor", deal.amount_minor) is None:
        raise Refused("deal.needs_sum")
    if is_contract != (changed.get("contract_on", deal.contract_on) is not None):
        raise Refused("deal.contract_day" if is_contract else "deal.no_contract")
    for column in ("contract_on", "delivered_on", "paid_on"):
        await assert_past(session, deal, changed.get(column), now)


async def assert_past(session: AsyncSession, deal: Deal, day: date | None, now: datetime) -> None:
    """Raises `Refused` for a day that is still to come where the campaign is."""
    if day is not None and day > await today_of(session, deal.campaign_id, now):
        raise Refused("deal.day_to_come")


async def today_of(session: AsyncSession, campaign_id: int, now: datetime) -> date:
    """The day that it is in the campaign's time zone."""
    return local(now, (await get_campaign(session, campaign_id)).time_zone).date()


async def selling_campaign(session: AsyncSession, campaign_id: int) -> Campaign:
    """The campaign. Raises `Refused` where it does not sell by deals."""
    campaign = await get_campaign(session, campaign_id)
    if not campaign.sells_by_deals:
        raise Refused("deal.campaign_without", name=campaign.name)
    return campaign


async def get_deal(session: AsyncSession, deal_id: int) -> Deal:
    """Raises `NotFound`."""
    deal = await session.get(Deal, deal_id)
    if deal is None:
        raise NotFound("deal.unknown")
    return deal


async def held_deal(session: AsyncSession, deal_id: int, version: int | None = None) -> tuple[Deal, Client]:
    """The deal and its client, held until the transaction ends: first the client, whichever a merge that this has
    waited for has given the deal to. Raises `NotFound`, `Conflict` for another `version` than that."""
    of_deal, held = select(Deal.client_id).where(Deal.id == deal_id), set[int]()
    client: Client | None = None
    while (client_id := await session.scalar(of_deal)) is not None and client_id not in held:
        client = await get_client(session, client_id, lock=True)
        held.add(client_id)
    deal = await session.get(Deal, deal_id, with_for_update=True, populate_existing=True)
    if deal is None or client is None:
        raise NotFound("deal.unknown")
    if version is not None and version != deal.version:
        raise Conflict("deal.changed_meanwhile")
    return deal, client


async def deals_of(session: AsyncSession, client_id: int, *, open_only: bool = False) -> list[Deal]:
    """The client's deals, the newest first; of merged organisations the survivor's client has them."""
    found = select(Deal).where(Deal.client_id == client_id).order_by(Deal.id.desc())
    if open_only:
        found = found.where(Deal.stage.in_(OPEN))
    return list(await session.scalars(found.execution_options(populate_existing=True)))


async def moves_of_deals(session: AsyncSession, deal_ids: Sequence[int]) -> list[DealMove]:
    """All moves of these deals, the oldest first."""
    found = await session.scalars(select(DealMove).where(DealMove.deal_id.in_(deal_ids)).order_by(DealMove.id))
    return list(found)


async def _owner(session: AsyncSession, owner_id: int | None, client: Client, author_id: int | None) -> User:
    """Who the deal is of. Raises `Refused` for nobody, and for somebody who does not sell."""
    if owner_id is None:
        for usual in (client.owner_id, author_id):
            owner = await session.get(User, usual) if usual is not None else None
            if owner is not None and _may_own(owner):
                return owner
        raise Refused("deal.needs_owner")
    owner = await session.get(User, owner_id)
    if owner is None:
        raise Refused("deal.needs_owner")
    if not _may_own(owner):
        raise Refused("deal.cannot_own", name=owner.name)
    return owner


def _may_own(user: User) -> bool:
    return user.active and user.role in CALLERS


def _product(text: str) -> str:
    product = tidy(text)
    if len(product) > LONGEST_PRODUCT:
        raise Refused("deal.product_too_long", limit=LONGEST_PRODUCT)
    return product


def _note(text: str) -> str:
    note = lines_of(text)
    if len(note) > LONGEST_NOTE:
        raise Refused("deal.note_too_long", limit=LONGEST_NOTE)
    return note


def plain(value: object) -> object:
    """As the audit keeps it."""
    return value.isoformat() if isinstance(value, date) else value


def _audit(
    session: AsyncSession, deal: Deal, action: str, details: dict[str, Any], *, now: datetime, author_id: int | None
) -> None:
    audit.note(
        session, at=now, user_id=author_id, action=action, subject=f"client:{deal.client_id}", details=details
    )  # fmt: skip
