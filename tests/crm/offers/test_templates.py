"""Templates of offers: a closed list of fields, versions that stay, and texts that can do nothing but stand there."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

import pytest
from sqlalchemy import select, text
from sqlalchemy.exc import DBAPIError

from crm.audit import AuditEntry
from crm.errors import CrmError
from crm.offers.fields import FIELDS, LONGEST_VALUE, filled, parse, plain
from crm.offers.pdf import pdf_of
from crm.offers.rendering import render, values_for
from crm.offers.templates import (
    LONGEST_BODY,
    LONGEST_NAME,
    LONGEST_SUBJECT,
    MOST_BYTES,
    Language,
    OfferText,
    add_template,
    attachments_of,
    get_template,
    newest_text,
    newest_texts,
    set_retired,
    write_text,
)
from crm.preparation.campaign_setup import change_setup
from crm.preparation.campaigns import get_campaign
from crm.preparation.materials import MaterialKind, add_material, remove_material
from tests.crm.builders import NOON, World
from tests.pdf import text_of

BODY = (
    "Здравствуйте, {person.full_name|коллеги}!\n\n"
    "Предлагаем {campaign.product} для {client.name}.\n{sender.name}, {day}"
)


async def template(world: World, name: str = "Вентиляция") -> int:
    async with world.transaction() as session:
        return (await add_template(session, campaign_id=world.campaign_id, name=name, now=NOON)).id


async def written(
    world: World,
    template_id: int,
    *,
    subject: str = "Предложение для {client.name}",
    body: str = BODY,
    language: Language = Language.RU,
    attach: tuple[int, ...] = (),
    seen: int | None = None,
) -> OfferText:
    async with world.transaction() as session:
        return await write_text(
            session, template=await get_template(session, template_id), language=language, subject=subject, body=body,
            attach=attach, seen=seen, now=NOON,
        )  # fmt: skip


async def material(world: World, name: str, size_bytes: int = 10) -> int:
    async with world.transaction() as session:
        made = await add_material(
            session, campaign=await get_campaign(session, world.campaign_id), kind=MaterialKind.OFFER, file_name=name,
            sha256=hashlib.sha256(name.encode()).hexdigest(), size_bytes=size_bytes, now=NOON,
        )  # fmt: skip
        return made.id


@pytest.mark.parametrize(
    ("written_as", "code"),
    [
        ("{client.nmae}", "offer.field_unknown"),
        ("{client.name.__class__}", "offer.field_unknown"),
        ("{0}", "offer.field_unknown"),
        ("{}", "offer.field_unknown"),
        ("{{7*7}}", "offer.brace"),
        ("{{client.name}}", "offer.brace"),
        ("{% for a in b %}", "offer.field_unknown"),
        ("${client.name", "offer.brace"),
        ("a } b", "offer.brace"),
    ],
)
def test_what_is_no_field_is_refused(written_as: str, code: str) -> None:
    with pytest.raises(CrmError) as refused:
        parse(f"Здравствуйте, {written_as}")
    assert refused.value.code == code


def test_a_value_is_never_read_again_and_stays_one_line() -> None:
    values = {
        "client.name": "{person.full_name} {{7*7}} {% raw %}",
        "client.city": "a\r\nBcc: x@y.ru\u202e\0b" + "я" * 999,
    }
    told, missing = filled(parse("{client.name}: {client.city}, {person.position}{person.position}"), values)
    assert told.startswith("{person.full_name} {{7*7}} {% raw %}: a Bcc: x@y.ru b")
    assert "\n" not in told
    assert len(plain(values["client.city"])) == LONGEST_VALUE
    assert missing == ("person.position",)


async def test_fields_are_those_of_client_person_campaign_and_sender(world: World) -> None:
    sender, client_id = await world.operator("Анна Продажная"), await world.client("Ромашка")
    person_id = await world.person(client_id, "Петрова Ольга")
    async with world.transaction() as session:
        campaign = await get_campaign(session, world.campaign_id)
        await change_setup(session, campaign=campaign, now=NOON, product="вентиляцию", customer="Климат")
    async with world.database.reading() as session:
        values = await values_for(
            session, client_id=client_id, language=Language.RU, now=NOON, person_id=person_id, sender_id=sender
        )
        nobody = await values_for(session, client_id=client_id, language=Language.EN, now=NOON)
    assert set(values) == set(FIELDS)
    told = render("Предложение для {client.name}", BODY, values)
    assert (told.subject, told.missing) == ("Предложение для Ромашка", ())
    assert told.body == (
        "Здравствуйте, Петрова Ольга!\n\nПредлагаем вентиляцию для Ромашка.\nАнна Продажная, 23 ноября 2026 г."
    )
    told = render("x", BODY, nobody)
    assert told.body.startswith("Здравствуйте, коллеги!")
    assert told.body.endswith(", November 23, 2026")
    assert told.missing == ("sender.name",)


async def test_every_version_stays_and_the_newest_is_sent(world: World) -> None:
    template_id = await template(world)
    first = await written(world, template_id, seen=0)
    again = await written(world, template_id, seen=1)
    assert again.id == first.id, "the same text is no new version"
    second = await written(world, template_id, subject="Иначе", seen=1)
    assert (first.number, second.number) == (1, 2)
    with pytest.raises(CrmError) as refused:
        await written(world, template_id, subject="Третье", seen=1)
    assert refused.value.code == "offer.changed_meanwhile"
    english = await written(world, template_id, subject="An offer", language=Language.EN, seen=0)
    assert english.number == 1
    async with world.database.reading() as session:
        assert [text.id for _, text in await newest_texts(session, world.campaign_id)] == [second.id, english.id]
        kept = await session.get_one(OfferText, first.id)
        assert kept.subject == "Предложение для {client.name}"
        actions = list(await session.scalars(select(AuditEntry.action).order_by(AuditEntry.id)))
    assert actions[-4:] == ["offer.template_added", *["offer.text_written"] * 3]


async def test_who_is_used_no_more_is_sent_no_more(world: World) -> None:
    template_id = await template(world)
    await written(world, template_id)
    for retired, left in ((True, 0), (True, 0), (False, 1)):
        async with world.transaction() as session:
            await set_retired(session, template=await get_template(session, template_id), retired=retired, now=NOON)
            assert len(await newest_texts(session, world.campaign_id)) == left


async def test_files_go_with_a_version_and_stay_with_it(world: World) -> None:
    template_id = await template(world)
    price, plan = await material(world, "Прайс.pdf"), await material(world, "План.pdf", MOST_BYTES)
    first = await written(world, template_id, attach=(price, price))
    second = await written(world, template_id)
    assert second.number == 2, "without the file it is another version"
    async with world.transaction() as session:
        campaign_files = await attachments_of(session, first.id)
        await remove_material(session, material=campaign_files[0], now=NOON)
        assert [each.file_name for each in await attachments_of(session, first.id)] == ["Прайс.pdf"]
    for attach, code in (((price,), "material.unknown"), ((999,), "material.unknown")):
        with pytest.raises(CrmError) as refused:
            await written(world, template_id, attach=attach)
        assert refused.value.code == code
    small = await material(world, "Ещё.pdf")
    with pytest.raises(CrmError) as refused:
        await written(world, template_id, attach=(plan, small))
    assert refused.value.code == "offer.attachments_large"


@pytest.mark.parametrize(
    ("subject", "body", "code"),
    [
        (" ", "x", "offer.needs_subject"),
        ("x", " \n ", "offer.needs_body"),
        ("п" * (LONGEST_SUBJECT + 1), "x", "offer.long"),
        ("x", "п" * (LONGEST_BODY + 1), "offer.long"),
        ("x", "п" * 2**20, "offer.long"),
        ("{client.id}", "x", "offer.field_unknown"),
        ("x", "{client.id}", "offer.field_unknown"),
    ],
)
async def test_texts_that_cannot_be(world: World, subject: str, body: str, code: str) -> None:
    template_id = await template(world)
    with pytest.raises(CrmError) as refused:
        await written(world, template_id, subject=subject, body=body)
    assert refused.value.code == code


async def test_templates_have_names_of_their_own(world: World) -> None:
    await template(world, "Вентиляция")
    for name, code in ((" ", "offer.needs_name"), ("п" * (LONGEST_NAME + 1), "offer.long"),
                       ("вентиляция", "offer.template_exists")):  # fmt: skip
        with pytest.raises(CrmError) as refused:
            await template(world, name)
        assert refused.value.code == code
    async with world.database.reading() as session:
        for number, campaign_id in ((99, None), (1, 99)):
            with pytest.raises(CrmError) as refused:
                await get_template(session, number, campaign_id=campaign_id)
            assert refused.value.code == "offer.template_unknown"
        assert await newest_text(session, 1, Language.RU) is None


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE offer_texts SET subject = 'другое'",
        "DELETE FROM offer_texts",
        "UPDATE offer_attachments SET material_id = 2",
        "DELETE FROM offer_attachments",
        "INSERT INTO offer_texts (template_id, language, number, subject, body, made_at)"
        " SELECT template_id, 'de', 9, subject, body, made_at FROM offer_texts",
        "INSERT INTO offer_texts (template_id, language, number, subject, body, made_at)"
        " SELECT template_id, language, number, subject, body, made_at FROM offer_texts",
    ],
)
async def test_the_database_keeps_what_was_written(world: World, change: str) -> None:
    await written(world, await template(world), attach=(await material(world, "a.pdf"),))
    await material(world, "b.pdf")
    with pytest.raises(DBAPIError):
        async with world.database.engine.begin() as connection:
            await connection.execute(text(change))


def test_a_pdf_holds_the_text_letter_by_letter(tmp_path: Path) -> None:
    hostile = "<b>Жирно</b> <script>alert(1)</script> =HYPERLINK(1) {{7*7}} ${x} %(y)s \\(z\\) &amp;"
    made = pdf_of("Предложение «Ёж»", f"{hostile}\n\nВторая строка 日\n{'ш' * 300}\n" + "слово " * 4000, top="сверху")
    assert made == pdf_of(
        "Предложение «Ёж»", f"{hostile}\n\nВторая строка 日\n{'ш' * 300}\n" + "слово " * 4000, top="сверху"
    )
    assert made.startswith(b"%PDF-")
    for active in (b"/JavaScript", b"/JS", b"/Launch", b"/URI", b"/OpenAction"):
        assert active not in made
    read = text_of(made)
    assert hostile in read.replace("\n", " ")
    assert "Предложение «Ёж»" in read
    assert read.count("ш") == 300
    assert read.count("слово") == 4000


def test_the_longest_text_makes_a_pdf_of_so_many_pages_and_no_more() -> None:
    """A page for each of thousands of lines is what a hostile text could ask for."""
    made = pdf_of("П" * LONGEST_SUBJECT, "\n" * (LONGEST_BODY - 1) + "x")
    pages = len(re.findall(rb"/Type /Page\b", made))
    assert 1 < pages <= LONGEST_BODY // 40
    assert len(made) < 2**20
