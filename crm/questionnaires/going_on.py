"""A campaign's own questionnaires go on in the campaign that follows it."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from crm.questionnaires.marking import set_for_reports
from crm.questionnaires.questionnaires import Questionnaire, add_questionnaire, newest_version
from crm.questionnaires.report_columns import marked


async def copy_questionnaires(
    session: AsyncSession, *, campaign_id: int, following_id: int, now: datetime, author_id: int | None
) -> None:
    """Those that are asked in the campaign are asked in the following one, as they are asked now and with the questions
    that are for reports. They begin anew, with version 1 and without sheets: what clients answered was said in the
    campaign before. Of the office's none is needed, as every campaign asks them."""
    own = select(Questionnaire).where(Questionnaire.campaign_id == campaign_id, Questionnaire.active)
    for each in list(await session.scalars(own.order_by(Questionnaire.id))):
        questions = (await newest_version(session, each.id)).questions
        made = await add_questionnaire(
            session, name=each.name, purpose=each.purpose, questions=questions, now=now, campaign_id=following_id,
            author_id=author_id,
        )  # fmt: skip
        known = {question.key for question in questions}
        keys = known & {mark.key for mark in await marked(session, each.id)}
        if keys:
            await set_for_reports(
                session, questionnaire_id=made.questionnaire.id, keys=keys, now=now, author_id=author_id
            )  # fmt: skip
