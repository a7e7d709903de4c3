"""Templates of offers: of a campaign, by name; each language has its text, of which every version stays as it was."""

from __future__ import annotations

import enum
from collections.abc import Sequence
from datetime import datetime
from typing import Final

from sqlalchemy import CheckConstraint, ForeignKey, Index, Text, UniqueConstraint, func, select, true
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Mapped, mapped_column

from crm import audit
from crm.errors import Conflict, NotFound, Refused
from crm.mapping import Base, UtcDateTime, one_of
from crm.offers.fields import lines, parse, plain
from crm.preparation.campaigns import get_campaign
from crm.preparation.materials import Material, get_material
from crm.text_rules import fold, required

LONGEST_NAME: Final = 80
LONGEST_SUBJECT: Final = 200
LONGEST_BODY: Final = 20_000
MOST_BYTES: Final = 15 * 1024 * 1024
"""Of all attachments together: what usual mail servers take, as it grows by a third on the way."""


class Language(enum.StrEnum):
    """In which a text is written."""

    RU = "ru"
    EN = "en"


class OfferTemplate(Base):
    """A template. A retired one is offered to nobody any more, and stays for what was sent."""

    __tablename__ = "offer_templates"
    __table_args__ = (
        CheckConstraint("length(trim(name)) > 0", name="named"),
        UniqueConstraint("campaign_id", "name_folded"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    campaign_id: Mapped[int] = mapped_column(ForeignKey("campaigns.id"))
    name: Mapped[str] = mapped_column(Text)
    name_folded: Mapped[str] = mapped_column(Text)
    made_at: Mapped[datetime] = mapped_column(UtcDateTime)
    author_id: Mapped[int | None] = mapped_column(ForeignKey("users.id"))
    retired_at: Mapped[datetime | None] = mapped_column(UtcDateTime)


class OfferText(Base):
    """What a template says in one language; `number` counts its versions from 1. Triggers refuse to change it."""

    __tablename__ = "offer_texts"
    __table_args__ = (
        CheckConstraint("number > 0", name="number"),
        CheckConstraint(f"length(trim(subject)) > 0 AND length(subject) <= {LONGEST_SUBJECT}", name="subject"),
        CheckConstraint(f"length(trim(body)) > 0 AND length(body) <= {LONGEST_BODY}", name="body"),
        UniqueConstraint("template_id", "language", "number"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    template_id: Mapped[int] = mapped_column(ForeignKey("offer_templates.id"))
    language: Mapped[Language] = mapped_column(one_of(Language, "language"))
    number: Mapped[int]
    subject: Mapped[str] = mapped_column(Text)
    body: Mapped[str] = mapped_column(Text)
    made_at: Mapped[datetime] = mapped_column(UtcDateTime)
    author_id: Mapped[int | None] = mapped_column(ForeignKey("users.id"))


class OfferAttachment(Base):
    """A file of the campaign that goes with a text. Triggers refuse to change it."""

    __tablename__ = "offer_attachments"
    __table_args__ = (Index(None, "material_id"),)

    text_id: Mapped[int] = mapped_column(ForeignKey("offer_texts.id"), primary_key=True)
    material_id: Mapped[int] = mapped_column(ForeignKey("materials.id"), primary_key=True)


async def add_template(
    session: AsyncSession, *, campaign_id: int, name: str, now: datetime, author_id: int | None = None
) -> OfferTemplate:
    """A template without texts yet. Raises `Conflict` where the campaign has one of that name, `Refused`."""
    campaign = await get_campaign(session, campaign_id, lock=True)
    name = required(name, "offer.needs_name")
    if len(name) > LONGEST_NAME:
        raise Refused("offer.long", most=LONGEST_NAME)
    of_that_name = select(OfferTemplate.id).where(OfferTemplate.campaign_id == campaign.id)
    if await session.scalar(of_that_name.where(OfferTemplate.name_folded == fold(name))) is not None:
        raise Conflict("offer.template_exists", name=name)
    made = OfferTemplate(campaign_id=campaign.id, name=name, name_folded=fold(name), made_at=now, author_id=author_id)
    session.add(made)
    await session.flush()
    _note(session, made, audit.OFFER_TEMPLATE_ADDED, {"name": name}, now=now, author_id=author_id)
    return made


async def write_text(
    session: AsyncSession,
    *,
    template: OfferTemplate,
    language: Language,
    subject: str,
    body: str,
    now: datetime,
    attach: Sequence[int] = (),
    seen: int | None = None,
    author_id: int | None = None,
) -> OfferText:
    """The next version of a text; the same once more is none. `attach`: ids of the campaign's materials; `seen`: the
    version that the author saw, 0 for none. Raises `Conflict` where somebody has written another since, `Refused` for
    what cannot be, `NotFound`."""
    subject, body = plain_subject(subject), whole_body(body)
    await get_campaign(session, template.campaign_id, lock=True)
    newest = await newest_text(session, template.id, language)
    if seen is not None and seen != (newest.number if newest else 0):
        raise Conflict("offer.changed_meanwhile")
    wanted = sorted(set(attach))
    files = [await get_material(session, campaign_id=template.campaign_id, material_id=each) for each in wanted]
    if sum(file.size_bytes for file in files) > MOST_BYTES:
        raise Refused("offer.attachments_large", megabytes=MOST_BYTES // (1024 * 1024))
    if newest is not None and (newest.subject, newest.body) == (subject, body):
        before = [each.id for each in await attachments_of(session, newest.id)]
        if before == wanted:
            return newest
    made = OfferText(
        template_id=template.id, language=language, number=newest.number + 1 if newest else 1, subject=subject,
        body=body, made_at=now, author_id=author_id,
    )  # fmt: skip
    session.add(made)
    await session.flush()
    session.add_all(OfferAttachment(text_id=made.id, material_id=each) for each in wanted)
    await session.flush()
    details: dict[str, object] = {"language": language.value, "number": made.number, "attached": wanted}
    _note(session, template, audit.OFFER_TEXT_WRITTEN, details, now=now, author_id=author_id)
    return made


def plain_subject(subject: str) -> str:
    """The subject as it is kept, its fields known. Raises `Refused`."""
    if len(subject) > LONGEST_SUBJECT:
        raise Refused("offer.long", most=LONGEST_SUBJECT)
    subject = required(plain(subject), "offer.needs_subject")
    parse(subject)
    return subject


def whole_body(body: str) -> str:
    """The body as it is kept, its fields known. Raises `Refused`."""
    body = lines(body)
    if len(body) > LONGEST_BODY:
        raise Refused("offer.long", most=LONGEST_BODY)
    required(body, "offer.needs_body")
    parse(body)
    return body


async def set_retired(
    session: AsyncSession, *, template: OfferTemplate, retired: bool, now: datetime, author_id: int | None = None
) -> None:
    """Offer it to nobody any more, or again. Audited when it changes."""
    await get_campaign(session, template.campaign_id, lock=True)
    if (template.retired_at is not None) == retired:
        return
    template.retired_at = now if retired else None
    await session.flush()
    action = audit.OFFER_TEMPLATE_RETIRED if retired else audit.OFFER_TEMPLATE_BACK
    _note(session, template, action, {}, now=now, author_id=author_id)


async def get_template(session: AsyncSession, template_id: int, *, campaign_id: int | None = None) -> OfferTemplate:
    """Raises `NotFound`, also for another campaign's."""
    found = await session.get(OfferTemplate, template_id)
    if found is None or (campaign_id is not None and found.campaign_id != campaign_id):
        raise NotFound("offer.template_unknown")
    return found


async def templates_of(session: AsyncSession, campaign_id: int) -> list[OfferTemplate]:
    """All of the campaign, those in use first, by name."""
    these = select(OfferTemplate).where(OfferTemplate.campaign_id == campaign_id)
    retired = OfferTemplate.retired_at.is_not(None)
    return list(await session.scalars(these.order_by(retired, OfferTemplate.name_folded)))


async def newest_text(session: AsyncSession, template_id: int, language: Language) -> OfferText | None:
    """What the template says now in that language."""
    these = select(OfferText).where(OfferText.template_id == template_id, OfferText.language == language)
    return await session.scalar(these.order_by(OfferText.number.desc()).limit(1))


async def newest_texts(session: AsyncSession, campaign_id: int | None) -> list[tuple[OfferTemplate, OfferText]]:
    """What may be sent in the campaign now (`None`: in any): the newest text of each language of each template that is
    in use."""
    last = select(func.max(OfferText.id).label("id")).group_by(OfferText.template_id, OfferText.language).subquery()
    found = await session.execute(
        select(OfferTemplate, OfferText)
        .join(OfferText, OfferText.template_id == OfferTemplate.id)
        .join(last, last.c.id == OfferText.id)
        .where(OfferTemplate.campaign_id == campaign_id if campaign_id is not None else true())
        .where(OfferTemplate.retired_at.is_(None))
        .order_by(OfferTemplate.campaign_id, OfferTemplate.name_folded, OfferText.language.desc())
    )
    return [(template, text) for template, text in found]


async def attachments_of(session: AsyncSession, text_id: int) -> list[Material]:
    """The files that go with a text, also those that were taken off the campaign since."""
    these = select(Material).join(OfferAttachment, OfferAttachment.material_id == Material.id)
    return list(await session.scalars(these.where(OfferAttachment.text_id == text_id).order_by(Material.id)))


def _note(
    session: AsyncSession,
    template: OfferTemplate,
    action: str,
    details: dict[str, object],
    *,
    now: datetime,
    author_id: int | None,
) -> None:
    subject = f"campaign:{template.campaign_id}"
    audit.note(
        session, at=now, user_id=author_id, action=action, subject=subject, details={"template": template.id, **details}
    )
