"""Who sees what: one answer for lists, look-ups, reports, exports and files.

The office sees everything. Whoever calls sees the clients that they may be given (nobody's, on their plan, promised by
them, offered to them as an expert, handed over by them, or theirs), and the calls that they made, that were made to
clients of theirs, or after which a client was offered to them.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Final

from sqlalchemy import ColumnElement, exists, or_, select, true
from sqlalchemy.ext.asyncio import AsyncSession

from crm.base.joined import standing_client
from crm.calls.attempts import Attempt
from crm.clientele.clients import Client
from crm.deals.deals import Deal
from crm.errors import NotFound
from crm.experts.referrals import Referral, offered_to
from crm.office.users import Role
from crm.plan.callbacks import Callback, CallbackState
from crm.plan.plan_entries import EntryState, PlanEntry

SEES_ALL: Final = frozenset({Role.MANAGER, Role.CONSULTANT, Role.ADMINISTRATOR, Role.AUDITOR})


@dataclass(frozen=True, slots=True)
class Scope:
    """What one user sees. `role` `None` is the machine itself: the scheduler, and commands of whoever has the files."""

    user_id: int | None = None
    role: Role | None = None

    @property
    def is_whole(self) -> bool:
        """Whether nothing is hidden."""
        return self.role is None or self.role in SEES_ALL

    def clients(self) -> ColumnElement[bool]:
        """As a condition on `Client`: this user sees it."""
        if self.is_whole:
            return true()
        on_plan = exists().where(
            PlanEntry.client_id == Client.id,
            PlanEntry.state.in_((EntryState.WAITING, EntryState.CLAIMED)),
            or_(PlanEntry.operator_id.is_(None), PlanEntry.operator_id == self.user_id),
        )
        promised = exists().where(
            Callback.client_id == Client.id, Callback.owner_id == self.user_id, Callback.state == CallbackState.OPEN
        )
        return or_(
            Client.owner_id.is_(None),
            Client.owner_id == self.user_id,
            on_plan,
            promised,
            self._handed_over(),
            *self._offered_clients(),
        )

    def attempts(self) -> ColumnElement[bool]:
        """As a condition on `Attempt`: this user sees the call and hears its recording."""
        if self.is_whole:
            return true()
        theirs = exists().where(Client.id == Attempt.client_id, Client.owner_id == self.user_id)
        return or_(Attempt.operator_id == self.user_id, theirs.correlate(Attempt), *self._offered_calls())

    def _handed_over(self) -> ColumnElement[bool]:
        """Whoever brought the client to an expert goes on seeing what becomes of it."""
        brought = exists().where(Referral.client_id == Client.id, Attempt.id == Referral.attempt_id)
        return brought.where(Attempt.operator_id == self.user_id).correlate(Client)

    def _offered_clients(self) -> tuple[ColumnElement[bool], ...]:
        if self.role is not Role.EXPERT:
            return ()
        return (exists().where(Referral.client_id == Client.id, offered_to(self.user_id)).correlate(Client),)

    def _offered_calls(self) -> tuple[ColumnElement[bool], ...]:
        """The call that led to the offer, and no other."""
        if self.role is not Role.EXPERT:
            return ()
        of_call = exists().where(Referral.attempt_id == Attempt.id, Client.id == Referral.client_id)
        return (of_call.where(offered_to(self.user_id)).correlate(Attempt),)

    def deals(self) -> ColumnElement[bool]:
        """As a condition on `Deal`: this user sees it in the book, and changes it if their role changes any. Theirs are
        those that they own, and those of clients that they own."""
        if self.is_whole:
            return true()
        theirs = select(Client.id).where(Client.owner_id == self.user_id)
        return or_(Deal.owner_id == self.user_id, Deal.client_id.in_(theirs))

    async def has_client(self, session: AsyncSession, client_id: int) -> bool:
        """Whether this user sees that client; no for one that does not exist."""
        return await session.scalar(select(Client.id).where(Client.id == client_id, self.clients())) is not None

    async def standing_client(self, session: AsyncSession, client_id: int) -> int:
        """The client that stands for this one, which may have been merged into it. Raises `NotFound` where this user
        does not see that one: to whom it is hidden, it is as if it were not there."""
        standing = await standing_client(session, client_id)
        if not await self.has_client(session, standing):
            raise NotFound("client.unknown")
        return standing

    async def has_deal(self, session: AsyncSession, deal_id: int) -> bool:
        """Whether this user sees that deal; no for one that does not exist."""
        return await session.scalar(select(Deal.id).where(Deal.id == deal_id, self.deals())) is not None

    async def attempts_among(self, session: AsyncSession, attempt_ids: Collection[str]) -> frozenset[str]:
        """Those of the calls that this user sees."""
        seen = select(Attempt.id).where(Attempt.id.in_(attempt_ids), self.attempts())
        return frozenset(await session.scalars(seen)) if attempt_ids else frozenset()

    async def has_attempt(self, session: AsyncSession, attempt_id: str) -> bool:
        """Whether this user sees that call; no for one that does not exist."""
        return await session.scalar(select(Attempt.id).where(Attempt.id == attempt_id, self.attempts())) is not None


EVERYTHING: Final = Scope()
