"""A contract that is written down with the outcome of a call, and how a correction or the undoing takes it back."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from crm.clientele.clients import Client
from crm.deals.deal_stages import DealStage, MoveCause
from crm.deals.deals import Deal, DealMove, get_deal, moves_of_deals, open_deal
from crm.deals.lost_reasons import MISTAKE
from crm.deals.moving import ByCall, Step, move_deal
from crm.errors import NotFound
from crm.plan.outcome_chain import Outcome


@dataclass(frozen=True, slots=True)
class Signed:
    """A contract: `deal_id` `None` for a deal that begins with it, of this `product` ("": the campaign's); `amount`
    `None`: the sum that is known; `on` `None`: today."""

    deal_id: int | None = None
    product: str = ""
    amount: Decimal | None = None
    on: date | None = None


async def sign(session: AsyncSession, signed: Signed, outcome: Outcome, client: Client) -> None:
    """Take the client's deal to its contract. Raises `NotFound` for a deal of another client, `Refused` for what is
    missing or cannot be."""
    now, author_id = outcome.recorded_at, outcome.author_id
    by = ByCall(outcome.id, outcome.attempt_id)
    if signed.deal_id is None:
        deal = await open_deal(
            session, client_id=client.id, now=now, author_id=author_id, product=signed.product,
            stage=DealStage.NEGOTIATION, amount=signed.amount, outcome=(outcome.id, outcome.attempt_id),
        )  # fmt: skip
    else:
        deal = await get_deal(session, signed.deal_id)
        if deal.client_id != client.id:
            raise NotFound("deal.unknown")
        await session.refresh(deal)
        if deal.stage is DealStage.LOST and deal.lost_reason == MISTAKE:
            # A correction names it again: the outcome that had begun it was taken back just before.
            step = Step(DealStage.NEGOTIATION)
            await move_deal(session, deal_id=deal.id, step=step, now=now, author_id=author_id, by=by)
    step = Step(DealStage.CONTRACT, contract_on=signed.on, amount=signed.amount)
    await move_deal(session, deal_id=deal.id, step=step, now=now, author_id=author_id, by=by)


async def unsign(session: AsyncSession, outcome: Outcome, *, now: datetime, author_id: int) -> None:
    """The deal goes back to the stage that it was in; one that began with the outcome never was. The sum that was said
    stays, as what is expected. Where somebody has moved the deal on since, it is left alone."""
    standing = await _standing(session, outcome)
    if standing is None:
        return
    deal, moves = standing
    before = next(move.from_stage for move in moves if move.outcome_id == moves[-1].outcome_id)
    by = ByCall(outcome.id, outcome.attempt_id, corrects=True)
    step = Step(DealStage.LOST, reason=MISTAKE) if before in (None, DealStage.LOST) else Step(before)
    await move_deal(session, deal_id=deal.id, step=step, now=now, author_id=author_id, by=by)


async def signed_by(session: AsyncSession, outcome: Outcome) -> Signed | None:
    """The contract that stands by this outcome; `None` where there was none, or somebody has moved the deal since."""
    standing = await _standing(session, outcome)
    if standing is None:
        return None
    deal, _ = standing
    return Signed(deal.id, deal.product, deal.amount, deal.contract_on)


async def _standing(session: AsyncSession, outcome: Outcome) -> tuple[Deal, list[DealMove]] | None:
    """The deal that this outcome, or one before it in its chain, took to its contract, and that is there by it, with
    its moves, the oldest first."""
    asked = select(DealMove.deal_id).where(
        DealMove.attempt_id == outcome.attempt_id, DealMove.to_stage == DealStage.CONTRACT,
        DealMove.cause == MoveCause.CALL,
    )  # fmt: skip
    deal_id = await session.scalar(asked.order_by(DealMove.id.desc()).limit(1))
    if deal_id is None:
        return None
    moves = await moves_of_deals(session, [deal_id])
    if moves[-1].attempt_id != outcome.attempt_id or moves[-1].to_stage is not DealStage.CONTRACT:
        return None
    return await get_deal(session, deal_id), moves
