"""What the competitor's sheet tells of who buys where goes into the record that is kept of it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncSession

from crm.base.competitors import Satisfaction, competitor_named, uses
from crm.clientele.clients import Client
from crm.questionnaires.questions import Kind, Question, Value
from crm.questionnaires.shipped import PRODUCT, SATISFIED, TERMS, WHOSE


def is_named_with_outcome(question: Question) -> bool:
    """Whether it is answered by the competitor whom the outcome names anyway. One with choices is not: any firm may be
    named, and it is asked as any other question."""
    return question.key == WHOSE and question.kind is Kind.TEXT


async def feed_competitor(
    session: AsyncSession,
    *,
    client: Client,
    questions: Iterable[Question],
    answers: Mapping[str, Value],
    now: datetime,
    author_id: int | None,
) -> None:
    """Write down that the client's organisation buys from the competitor who was named, what, on which terms and how
    satisfied it is; what was not answered stays as it is. Nothing where nobody was named in words. Competitors come
    last in the order of locks."""
    whose = next((answers.get(each.key) for each in questions if is_named_with_outcome(each)), None)
    if not isinstance(whose, str) or not whose.strip():
        return
    competitor, _ = await competitor_named(session, whose, now=now, author_id=author_id)
    said = answers.get(SATISFIED)
    told = [str(answers[key]) for key in (PRODUCT, TERMS) if key in answers]
    await uses(
        session, organisation_id=client.organisation_id, competitor=competitor, now=now, author_id=author_id,
        satisfaction=Satisfaction(said) if said in set(Satisfaction) else None, note="; ".join(told) or None,
    )  # fmt: skip
