"""What the settings say of calls, and what a campaign says otherwise."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from sqlalchemy.ext.asyncio import AsyncSession

from crm.calls.attempts import Attempt
from crm.clientele.clients import get_client
from crm.plan.attempt_rows import FIRST_NODE
from crm.preparation.campaign_setup import setup_of
from crm.preparation.campaigns import get_campaign
from dialer.calls.runner import CallPlan


@dataclass(frozen=True, slots=True)
class DeskRules:
    """Seconds and bytes; from the settings. `node` is the name of this service. `new_recording_key`: see
    `CallRecording`."""

    ring_timeout_s: float = 35
    claim_lease_s: float = 900
    max_call_s: float = 3600
    allowed_prefixes: tuple[str, ...] = ("+7",)
    recording_policy: str = "all"
    minimum_free_bytes: int = 200 * 2**20
    node: str = FIRST_NODE
    new_recording_key: Callable[[str], str] | None = None

    async def plan_of(self, session: AsyncSession, client_id: int, attempt: Attempt) -> CallPlan:
        """As the client's campaign wants it; what it leaves open is the service's own."""
        client = await get_client(session, client_id)
        campaign = await get_campaign(session, client.campaign_id)
        ring_timeout_s = campaign.ring_timeout_s or self.ring_timeout_s
        caller_id = (await setup_of(session, campaign.id)).caller_id
        return CallPlan(attempt.id, attempt.dialled, ring_timeout_s, self.max_call_s, caller_id)
