"""The questionnaires that come with the program: an office takes them as they are, and changes them as any other."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from sqlalchemy.ext.asyncio import AsyncSession

from crm.questionnaires.marking import set_for_reports
from crm.questionnaires.questionnaires import Asked, Purpose, add_questionnaire
from crm.questionnaires.wording import parse

WHOSE: Final = "whose"
SATISFIED: Final = "satisfied"
PRODUCT: Final = "product"
TERMS: Final = "terms"
"""Keys of the competitor's sheet that feed the record of who buys where; so does any questionnaire that has them."""
WHY_LEFT: Final = "why_left"
DETAILS: Final = "details"
"""Keys of the survey that say why an abandoned client left."""


@dataclass(frozen=True, slots=True)
class Shipped:
    """The name in Russian and English, and the questions as they are written."""

    name: str
    text: str


SHIPPED: Final[Mapping[Purpose, Shipped]] = {
    Purpose.ABANDONED: Shipped(
        "Почему ушли | Why they left",
        f"""
# Почему перестали работать с нами | Why they stopped working with us
key: {WHY_LEFT}
required: yes
reports: yes
- nobody_called = Им никто не звонил | Nobody called them
- seller_left = Ушёл менеджер, который их вёл | Their salesperson left
- price = Цена | Price
- quality = Качество | Quality
- delivery = Сроки или доставка | Delivery or its dates
- payment = Условия оплаты | Terms of payment
- range = Нет нужного товара | We lack what they need
- conflict = Обидели, был спор | A quarrel
- no_need = Больше не нужно | No need any more
- moved = Сменились люди или профиль | New people or another trade
- other = Другое | Another reason
# Что именно произошло | What happened
key: {DETAILS}
# У кого покупают теперь | Whom they buy of now
key: buys_of
# При каком условии вернулись бы | What would bring them back
key: come_back
# Готовы снова рассмотреть предложение | Ready to look at an offer again
key: ready
kind: yes_no
reports: yes
""",
    ),
    Purpose.COMPETITOR: Shipped(
        "Анкета конкурента | The competitor's sheet",
        f"""
# Чьим товаром пользуются | Whose product they use
key: {WHOSE}
# Каким именно | Which product
key: {PRODUCT}
# На каких условиях: цена, отсрочка, доставка | On which terms: price, credit, delivery
key: {TERMS}
# Насколько довольны | How satisfied they are
key: {SATISFIED}
reports: yes
- satisfied = Довольны | Satisfied
- partly = Отчасти | Partly
- dissatisfied = Недовольны | Dissatisfied
# Что могло бы их переубедить | What could change their mind
key: change
# До какого дня связаны договором | Until when they are under contract
key: contract_until
kind: date
reports: yes
""",
    ),
}


async def add_shipped(
    session: AsyncSession, *, purpose: Purpose, language: str, now: datetime, author_id: int | None = None
) -> Asked:
    """The questionnaire for this purpose, asked in the whole office from now on; its name is in `language`. Raises
    `KeyError` for a purpose for which none comes along."""
    shipped = SHIPPED[purpose]
    given = parse(shipped.text)
    russian, _, english = shipped.name.partition(" | ")
    made = await add_questionnaire(
        session, name=russian if language == "ru" else english, purpose=purpose, questions=given.questions, now=now,
        author_id=author_id,
    )  # fmt: skip
    await set_for_reports(
        session, questionnaire_id=made.questionnaire.id, keys=given.for_reports, now=now, author_id=author_id
    )
    return made
