"""A campaign with a template, and offers made from it."""

from __future__ import annotations

from datetime import datetime
from uuid import uuid4

from crm.calls.letters import Channel
from crm.offers.addresses import Whither
from crm.offers.offers import Offer
from crm.offers.pdf import pdf_of
from crm.offers.sending import Prepared, prepare, queue_offer, whither
from crm.offers.templates import Language, add_template, write_text
from tests.crm.builders import NOON, World

ADDRESS = "klient@example.ru"


async def text_of(
    world: World,
    *,
    subject: str = "Предложение для {client.name}",
    body: str = "Добрый день, {person.full_name|коллеги}!\n\nПредлагаем вентиляцию.",
    name: str = "Вентиляция",
) -> int:
    """The id of a template's Russian text."""
    async with world.transaction() as session:
        template = await add_template(session, campaign_id=world.campaign_id, name=name, now=NOON)
        made = await write_text(session, template=template, language=Language.RU, subject=subject, body=body, now=NOON)
        return made.id


def to(client_id: int, address: str = ADDRESS, *, channel: Channel = Channel.EMAIL, person_id: int | None = None,
       asked_for: bool = False) -> Whither:  # fmt: skip
    return whither(client_id, channel=channel, address=address, region="RU", person_id=person_id, asked_for=asked_for)


async def prepared(world: World, whom: Whither, text_id: int, now: datetime = NOON) -> Prepared:
    async with world.database.reading() as session:
        return await prepare(session, whom, text_id=text_id, now=now)


async def queued(
    world: World, whom: Whither, text_id: int, *, now: datetime = NOON, key: str = "", pdf: bytes = b""
) -> Offer:
    """Looked at, and sent."""
    looked = await prepared(world, whom, text_id, now)
    pdf = pdf or pdf_of(looked.rendered.subject, looked.rendered.body)
    async with world.transaction() as session:
        return await queue_offer(session, looked, pdf=pdf, key=key or uuid4().hex, now=now)
