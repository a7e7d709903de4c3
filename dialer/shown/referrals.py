"""To which experts a client was handed, as its page and `dialer clients show` tell it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import tzinfo

from sqlalchemy.ext.asyncio import AsyncSession

from crm.reading.referral_rows import ReferralRow, referrals_of
from dialer.shown.experts import STATES, WHY
from dialer.shown.formats import moment
from dialer.words import Words


@dataclass(frozen=True, slots=True)
class ShownReferral:
    """One referral in words: since when, to whom and why them, what became of it and when, by which call."""

    id: int
    when: str
    expert: str
    why: str
    became: str
    attempt_id: str


async def read_referrals(session: AsyncSession, words: Words, zone: tzinfo, *, client_id: int) -> list[ShownReferral]:
    """All that there were, the newest first."""
    return [
        ShownReferral(
            row.id, moment(words, row.offered_at, zone), row.expert, words.gettext(WHY[row.chosen_by]),
            _became(words, zone, row), row.attempt_id,
        )
        for row in await referrals_of(session, client_id)
    ]  # fmt: skip


def _became(words: Words, zone: tzinfo, row: ReferralRow) -> str:
    state, at = words.gettext(STATES[row.state]), row.ended_at or row.accepted_at
    said = state if at is None else f"{state}, {moment(words, at, zone)}"
    return f"{said}: {row.reason}" if row.reason else said
