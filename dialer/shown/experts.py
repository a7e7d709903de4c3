"""To whom a client may be handed, as the forms after a call show it: the proposal with its reason, and the others."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncSession

from crm.clientele.clients import get_client
from crm.experts.choosing import Candidate, Choice, candidates, choose
from crm.experts.referrals import ChosenBy, ReferralState, offered_referral
from dialer.words import Words, mark

WHY = {
    ChosenBy.NAME: mark("chosen by name"),
    ChosenBy.OWNER: mark("the client is theirs already"),
    ChosenBy.INDUSTRY: mark("knows this industry, and has least to do of those"),
    ChosenBy.LOAD: mark("has least to do"),
    ChosenBy.TAKEN: mark("took it"),
    ChosenBy.NOBODY: mark("nobody was there"),
}
STATES = {
    ReferralState.OFFERED: mark("waits to be accepted"),
    ReferralState.ACCEPTED: mark("accepted"),
    ReferralState.GIVEN_BACK: mark("given back"),
    ReferralState.LAPSED: mark("not taken in time"),
    ReferralState.MOVED: mark("given to another expert"),
    ReferralState.WITHDRAWN: mark("taken back: the outcome was changed"),
}


async def experts_to_choose(
    session: AsyncSession, words: Words, *, client_id: int, operator_id: int, now: datetime
) -> list[tuple[str, str]]:
    """Values and names, the first for the proposal; empty where the campaign has no experts, and while the client waits
    for one already."""
    client = await get_client(session, client_id)
    people = await candidates(session, client, now=now)
    if not people or await offered_referral(session, client_id) is not None:
        return []
    if any(each.user.id == operator_id for each in people):
        proposal = words.gettext("I go on with it myself")
    else:
        proposal = _proposal(words, await choose(session, client, now=now, among=people))
    return [
        ("", proposal),
        *((str(each.user.id), _name(words, each)) for each in people if each.user.id != operator_id),
    ]


def _proposal(words: Words, choice: Choice) -> str:
    if choice.expert is None:
        return words.gettext("By the rule: nobody is there now, the manager will see it")
    why = words.gettext(WHY[choice.by])
    return words.gettext("By the rule: {name} – {why} ({load})", name=choice.expert.user.name, why=why,
                         load=choice.expert.load)  # fmt: skip


def _name(words: Words, each: Candidate) -> str:
    if each.away:
        return words.gettext("{name} (away today)", name=each.user.name)
    return f"{each.user.name} ({each.load})"
