"""A deal goes to another stage; a contract takes its client into the group "hot" with it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal

from sqlalchemy import exists, select
from sqlalchemy.ext.asyncio import AsyncSession

from crm import audit, transitions
from crm.clientele import groups
from crm.clientele.clients import Client
from crm.clientele.groups import GroupMove
from crm.deals.deal_stages import STAGE_MOVES, DealStage, MoveCause
from crm.deals.deals import LONGEST_NOTE, Deal, DealMove, assert_past, held_deal, in_minor, selling_campaign, today_of
from crm.deals.lost_reasons import MISTAKE, assert_reason
from crm.errors import Refused
from crm.group import Group
from crm.text_rules import lines_of


@dataclass(frozen=True, slots=True)
class Step:
    """Where a deal goes. `reason` and `note` say why it is lost; `contract_on` `None`: today; `amount` `None`: the sum
    that is known. `group_then`: where the client goes when its contract is taken back, "hot" to let it stay."""

    to: DealStage
    reason: str = ""
    note: str = ""
    contract_on: date | None = None
    amount: Decimal | None = None
    group_then: Group | None = None


@dataclass(frozen=True, slots=True)
class ByCall:
    """The outcome that moves a deal; `corrects`: because it was taken back."""

    outcome_id: int
    attempt_id: str
    corrects: bool = False


async def move_deal(
    session: AsyncSession,
    *,
    deal_id: int,
    step: Step,
    now: datetime,
    author_id: int | None = None,
    version: int | None = None,
    by: ByCall | None = None,
) -> Deal:
    """Take the deal to another stage, with what follows for the client's group. `version`: that which the author saw.
    Raises `NotFound`, `Conflict` when somebody has changed it since, `Refused` for what is missing or cannot be."""
    deal, client = await held_deal(session, deal_id, version)
    if by is None or not by.corrects:  # a mistake is put right after the campaign has begun to sell otherwise, too
        await selling_campaign(session, deal.campaign_id)
    was, note = deal.stage, lines_of(step.note)
    if step.to not in STAGE_MOVES[was]:
        raise Refused("deal.no_such_step")
    if len(note) > LONGEST_NOTE:
        raise Refused("deal.note_too_long", limit=LONGEST_NOTE)
    if step.to is DealStage.LOST and not (by is not None and by.corrects and step.reason == MISTAKE):
        await assert_reason(session, deal.campaign_id, step.reason, note)
    if step.amount is not None:
        deal.amount_minor = in_minor(step.amount)
    signed_on = await _signed_on(session, deal, step, now) if step.to is DealStage.CONTRACT else None
    followed = None
    if by is None or not by.corrects:  # otherwise the outcome that is taken back takes its group back by itself
        followed = await _move_client(session, deal, client, step, now=now, author_id=author_id, by=by)
    await session.flush()
    move = DealMove(
        deal_id=deal.id, from_stage=was, to_stage=step.to, at=now, author_id=author_id,
        cause=MoveCause.USER if by is None else MoveCause.CORRECTION if by.corrects else MoveCause.CALL,
        attempt_id=by.attempt_id if by else None, outcome_id=by.outcome_id if by else None,
        group_move_id=followed.id if followed else None, amount_minor=deal.amount_minor, currency=deal.currency,
        contract_on=signed_on, reason=step.reason if step.to is DealStage.LOST else "", note=note,
    )  # fmt: skip
    session.add(move)
    await session.flush()
    await session.refresh(deal)  # the database's trigger has written its stage
    transitions.note(session, "deal", deal=deal.id, was=was, on=move.cause, now=step.to, call=move.attempt_id)
    details = {
        "deal": deal.id, "was": was.value, "now": step.to.value, "amount_minor": deal.amount_minor,
        "currency": deal.currency, "contract_on": signed_on.isoformat() if signed_on else None, "reason": move.reason,
        "note": note,
    }  # fmt: skip
    audit.note(
        session, at=now, user_id=author_id, action=audit.DEAL_MOVED, subject=f"client:{client.id}", details=details
    )
    await session.flush()
    return deal


async def _signed_on(session: AsyncSession, deal: Deal, step: Step, now: datetime) -> date:
    """The day of the contract. Raises `Refused` without a sum, and for a day to come."""
    if deal.amount_minor is None:
        raise Refused("deal.needs_sum")
    await assert_past(session, deal, step.contract_on, now)
    return step.contract_on or await today_of(session, deal.campaign_id, now)


async def _move_client(
    session: AsyncSession,
    deal: Deal,
    client: Client,
    step: Step,
    *,
    now: datetime,
    author_id: int | None,
    by: ByCall | None,
) -> GroupMove | None:
    """A contract makes hot. Taken back it asks where the client goes, unless that has another one, or is hot no more.
    Raises `Refused` where that is not said."""
    if step.to is DealStage.CONTRACT:
        to = Group.HOT
    elif deal.stage is not DealStage.CONTRACT or not await asks_group(session, deal, client):
        return None
    elif step.group_then is None:
        raise Refused("deal.needs_group")
    else:
        to = step.group_then
    if to is Group.NEW:
        raise Refused("deal.needs_group")
    return await groups.move(
        session, client=client, to=to, at=now, author_id=author_id,
        cause=groups.MoveCause.CALL if by else groups.MoveCause.USER, attempt_id=by.attempt_id if by else None,
    )  # fmt: skip


async def asks_group(session: AsyncSession, deal: Deal, client: Client) -> bool:
    """Whether it has to be said what becomes of the client's group when this contract is taken back."""
    other = exists().where(Deal.client_id == client.id, Deal.id != deal.id, Deal.stage == DealStage.CONTRACT)
    return client.group is Group.HOT and not await session.scalar(select(other))


async def group_before(session: AsyncSession, deal_id: int) -> Group | None:
    """The group that the client was in when the deal's contract made it hot; `None` where it had been hot before."""
    followed = (
        select(GroupMove.from_group)
        .join(DealMove, DealMove.group_move_id == GroupMove.id)
        .where(DealMove.deal_id == deal_id, DealMove.to_stage == DealStage.CONTRACT)
        .order_by(GroupMove.id.desc())
    )
    return await session.scalar(followed.limit(1))
