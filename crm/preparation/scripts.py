"""The presentation: what an operator says step by step, and where each answer leads on.

It is kept as the text that people write, so that it is changed without an expert:

    # Greeting
    Good afternoon, may I speak to whoever buys ventilation?
    > I am the one -> Offer
    > No time now

A line with `#` begins a step, one with `>` is an answer to it, and `->` names the step that follows; without it the
talk is over.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import Final

from sqlalchemy import ForeignKey, Text, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Mapped, mapped_column

from crm import audit
from crm.errors import Conflict, Refused
from crm.mapping import Base, UtcDateTime, Versioned
from crm.preparation.campaign_setup import note_setup
from crm.preparation.campaigns import Campaign, get_campaign
from crm.text_rules import fold, tidy

LONGEST_TEXT: Final = 12_000
MOST_ANSWERS: Final = 9
_ARROW: Final = re.compile("->|→")


class CallScript(Versioned, Base):
    """The script of a campaign; "" in `script` is none. The row is made with the first one."""

    __tablename__ = "call_scripts"

    campaign_id: Mapped[int] = mapped_column(ForeignKey("campaigns.id"), primary_key=True, autoincrement=False)
    script: Mapped[str] = mapped_column(Text, default="")
    changed_at: Mapped[datetime] = mapped_column(UtcDateTime)
    author_id: Mapped[int | None] = mapped_column(ForeignKey("users.id"))


@dataclass(frozen=True, slots=True)
class Answer:
    """What the client may answer; `leads_to` counts the steps from 0, `None`: the talk is over."""

    words: str
    leads_to: int | None


@dataclass(frozen=True, slots=True)
class Step:
    """What is said, and the answers to it."""

    title: str
    words: str
    answers: tuple[Answer, ...]


@dataclass(slots=True)
class _Draft:
    title: str
    line: int
    words: list[str]
    answers: list[tuple[int, str, str]]  # line, words, the name of the step that follows or ""


def parse(script: str) -> tuple[Step, ...]:
    """The steps, the first one first; none of an empty text. Raises `Refused` with the line that cannot be."""
    if len(script) > LONGEST_TEXT:
        raise Refused("script.long", most=LONGEST_TEXT)
    drafts = _drafts(script)
    places: dict[str, int] = {}
    for place, draft in enumerate(drafts):
        if fold(draft.title) in places:
            raise Refused("script.step_twice", line=draft.line, step=draft.title)
        places[fold(draft.title)] = place
    steps = tuple(_step(draft, places) for draft in drafts)
    _assert_reached(steps, drafts)
    return steps


def _drafts(script: str) -> list[_Draft]:
    drafts: list[_Draft] = []
    for number, raw in enumerate(script.replace("\0", "").splitlines(), start=1):
        line = raw.strip()
        if line.startswith("#"):
            title = tidy(line.lstrip("#"))
            if not title:
                raise Refused("script.step_unnamed", line=number)
            drafts.append(_Draft(title, number, [], []))
        elif line and not drafts:
            raise Refused("script.before_steps", line=number)
        elif line.startswith(">"):
            words, _, follows = (tidy(part) for part in _parted(line[1:]))
            if not words:
                raise Refused("script.answer_empty", line=number)
            drafts[-1].answers.append((number, words, follows))
        elif drafts:
            drafts[-1].words.append(line)
    return drafts


def _parted(answer: str) -> tuple[str, str, str]:
    *words, follows = [part.strip() for part in _ARROW.split(answer)] if _ARROW.search(answer) else (answer, "")
    return " - ".join(words), "->", follows


def _step(draft: _Draft, places: dict[str, int]) -> Step:
    if len(draft.answers) > MOST_ANSWERS:
        raise Refused("script.answers", line=draft.line, step=draft.title, most=MOST_ANSWERS)
    answers = []
    for line, words, follows in draft.answers:
        if follows and fold(follows) not in places:
            raise Refused("script.step_unknown", line=line, step=follows)
        answers.append(Answer(words, places[fold(follows)] if follows else None))
    return Step(draft.title, "\n".join(draft.words).strip(), tuple(answers))


def _assert_reached(steps: tuple[Step, ...], drafts: list[_Draft]) -> None:
    reached, to_see = set[int](), [0] if steps else []
    while to_see:
        place = to_see.pop()
        if place not in reached:
            reached.add(place)
            to_see += [answer.leads_to for answer in steps[place].answers if answer.leads_to is not None]
    for place, draft in enumerate(drafts):
        if place not in reached:
            raise Refused("script.step_unreached", line=draft.line, step=draft.title)


@lru_cache(maxsize=64)
def _known(script: str) -> tuple[Step, ...]:
    return parse(script)


async def steps_for(session: AsyncSession, campaign_id: int) -> tuple[Step, ...]:
    """What is said to the clients of the campaign; nothing where there is no script."""
    script = await session.scalar(select(CallScript.script).where(CallScript.campaign_id == campaign_id))
    return _known(script) if script else ()


async def script_of(session: AsyncSession, campaign_id: int) -> CallScript | None:
    """The campaign's script as it is stored."""
    return await session.get(CallScript, campaign_id)


async def change_script(
    session: AsyncSession,
    *,
    campaign: Campaign,
    script: str,
    now: datetime,
    author_id: int | None = None,
    version: int | None = None,
) -> CallScript:
    """Replace the script; the one before goes into the audit. `version`: that which the author saw, 0 for none. Its
    approval is reopened by `crm.preparation.approvals.reopen_changed`. Raises as `parse`, and `Conflict` when somebody
    has changed it since."""
    await get_campaign(session, campaign.id, lock=True)
    stored = await session.get(CallScript, campaign.id, populate_existing=True)
    if version is not None and version != (stored.version if stored else 0):
        raise Conflict("script.changed_meanwhile")
    script = "\n".join(line.rstrip() for line in script.replace("\0", "").splitlines()).strip()
    parse(script)
    was = stored.script if stored else ""
    if stored is None:
        stored = CallScript(campaign_id=campaign.id, script=script, changed_at=now, author_id=author_id)
        session.add(stored)
    elif stored.script != script:
        stored.script, stored.changed_at, stored.author_id = script, now, author_id
    if was != script:
        note_setup(session, campaign.id, audit.SCRIPT_CHANGED, {"was": was}, now=now, author_id=author_id)
    await session.flush()
    return stored
