"""Offers over SMTP to a server on loopback that nobody here wrote: what arrives, and what is said of the rest."""

from __future__ import annotations

import asyncio
import hashlib
from datetime import timedelta
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select, update

from crm.calls.letters import Channel
from crm.offers.offers import Offer, OfferState, kept_file, offer_of, send_again, withdraw_offer
from crm.offers.sending import doubt_left, mark_handing_over, queue_offer, settle_doubt
from crm.offers.templates import Language, get_template, write_text
from crm.office.users import Role, add_user
from crm.preparation.campaigns import get_campaign
from crm.preparation.materials import MaterialKind, add_material, keep_file
from dialer.mailing.offer_sender import OfferSender, fax_address
from dialer.mailing.patience import Patience
from dialer.mailing.smtp import MailTrouble, Postman
from dialer.reasons import unpacked
from tests.crm.offers.builders import ADDRESS, prepared, queued, text_of, to
from tests.dialer.mailing.conftest import DUE, WRITTEN, Post, settings_for
from tests.pdf import text_of as pdf_text

HOSTILE = "<script>alert(1)</script> =HYPERLINK(1) {{7*7}}\r\nBcc: x@example.ru"


def sender(post: Post, folder: Path = Path("none"), *, node: str = "main", **more: object) -> OfferSender:
    return OfferSender(
        post.world.database, settings_for(post.port, **more), node=node, materials=folder, clock=post.clock
    )


async def offer(post: Post, number: int) -> Offer:
    async with post.world.database.reading() as session:
        return await offer_of(session, number)


def part(letter: EmailMessage, kind: str) -> str:
    (found,) = [each for each in letter.walk() if each.get_content_type() == kind and not each.is_attachment()]
    assert isinstance(found, EmailMessage)
    return str(found.get_content()).replace("\r\n", "\n")


async def test_it_arrives_with_its_text_its_pdf_and_its_files_once(post: Post, tmp_path: Path) -> None:
    world = post.world
    client_id = await world.client("Ромашка")
    await text_of(world)
    async with world.transaction() as session:
        content = b"price list"
        file = await add_material(
            session, campaign=await get_campaign(session, world.campaign_id), kind=MaterialKind.OFFER,
            file_name="Прайс.xlsx", sha256=keep_file(tmp_path, content), size_bytes=len(content), now=WRITTEN,
        )  # fmt: skip
        text_id = (
            await write_text(
                session, template=await get_template(session, 1), language=Language.RU, subject="Для {client.name}",
                body="Добрый день!\n\nЦены <внутри>.", attach=(file.id,), now=WRITTEN,
            )
        ).id  # fmt: skip
    made = await queued(world, to(client_id), text_id)
    post.now = WRITTEN + timedelta(seconds=10)
    await sender(post, tmp_path).look()
    assert post.box.taken == [], "it can still be withdrawn"
    post.now = DUE
    for _ in range(3):
        await sender(post, tmp_path).look()
    ((address, raw),) = post.box.taken
    assert address == ADDRESS
    unfolded = raw.replace(b"\r\n ", b" ")
    # As it is, not in encoded words: a reader's program looks for "<mailto:" (RFC 2369 section 2).
    assert f"List-Unsubscribe: <mailto:dialer@example.ru?subject=unsubscribe%20{made.key}>".encode() in unfolded
    (letter,) = post.box.letters
    assert letter["Subject"] == "Для Ромашка"
    assert letter["Message-ID"] == f"<{made.key}@example.ru>"
    assert part(letter, "text/plain").startswith("Добрый день!\n\nЦены <внутри>.")
    assert "Цены &lt;внутри&gt;." in part(letter, "text/html")
    kept, enclosed = [(each.get_filename(), each.get_content()) for each in letter.iter_attachments()]
    async with world.database.reading() as session:
        assert kept == ("Вентиляция.pdf", (await kept_file(session, made.id)).content)
    assert "Для Ромашка" in pdf_text(bytes(kept[1]))
    assert enclosed == ("Прайс.xlsx", content)
    assert (await offer(post, made.id)).state is OfferState.SENT


async def test_a_hostile_name_stays_text_in_mail_and_pdf(post: Post) -> None:
    made = await queued(
        post.world, to(await post.world.client(HOSTILE)), await text_of(post.world, body="Для {client.name}!")
    )
    await sender(post).look()
    (letter,) = post.box.letters
    assert letter["Bcc"] is None
    shown = "<script>alert(1)</script> =HYPERLINK(1) {{7*7}} Bcc: x@example.ru"
    assert letter["Subject"] == f"Предложение для {shown}"
    assert f"Для {shown}!" in part(letter, "text/plain")
    html = part(letter, "text/html")
    assert "<script" not in html
    assert "&lt;script&gt;alert(1)" in html
    (file,) = [each.get_content() for each in letter.iter_attachments()]
    assert f"Для {shown}!" in pdf_text(bytes(file)).replace("\n", " ")
    assert (await offer(post, made.id)).state is OfferState.SENT


ENCODED = "=?utf-8?q?x=0D=0AReply-To:=20thief@evil.example=0D=0AX-Injected:=20yes?="


async def test_encoded_words_in_a_name_are_no_headers(post: Post) -> None:
    """The library reads RFC 2047 in what it is given, and what is in them came out as lines of the header."""
    async with post.world.transaction() as session:
        author = await add_user(
            session, login="eve", name=ENCODED, role=Role.OPERATOR, password="correct horse", now=WRITTEN
        )
        author.email = "eve@example.ru"
    looked = await prepared(post.world, to(await post.world.client(ENCODED)), await text_of(post.world))
    async with post.world.transaction() as session:
        await queue_offer(session, looked, pdf=b"%PDF", key="a" * 32, now=WRITTEN, sender_id=author.id)
    await sender(post).look()
    ((_, raw),) = post.box.taken
    headers = raw.partition(b"\r\n\r\n")[0].decode("ascii")
    names = [line.partition(":")[0] for line in headers.split("\r\n") if line[0] not in " \t"]
    assert sorted(name for name in names if not name.startswith("X-")) == sorted(
        ["From", "Reply-To", "Subject", "Date", "Message-ID", "To", "List-Unsubscribe", "MIME-Version", "Content-Type"]
    )
    assert "X-Injected" not in names
    (letter,) = post.box.letters
    assert "eve@example.ru" in letter["Reply-To"]
    assert "thief" not in letter["Reply-To"].addresses[0].addr_spec


async def test_withdrawn_as_it_is_handed_over_the_next_one_goes(post: Post, monkeypatch: pytest.MonkeyPatch) -> None:
    text_id = await text_of(post.world)
    first = await queued(post.world, to(await post.world.client("Первый")), text_id)
    await queued(post.world, to(await post.world.client("Второй")), text_id)
    message = OfferSender._message

    async def withdrawn(self: OfferSender, offer: Offer) -> tuple[bytes, str]:
        made = await message(self, offer)
        if offer.id == first.id:
            async with post.world.transaction() as session:
                await withdraw_offer(session, offer_id=first.id, now=post.now)
        return made

    monkeypatch.setattr(OfferSender, "_message", withdrawn)
    await sender(post).look()
    assert [letter["Subject"] for letter in post.box.letters] == ["Предложение для Второй"]


async def test_withdrawn_while_the_server_is_being_reached_the_server_is_left_alone_all_the_same(
    post: Post, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = await queued(post.world, to(await post.world.client()), await text_of(post.world))
    patience = Patience("mail server")

    async def withdrawn(_: Postman) -> None:
        async with post.world.transaction() as session:
            await withdraw_offer(session, offer_id=made.id, now=post.now)
        raise MailTrouble("nobody is there", of_server=True)

    monkeypatch.setattr(Postman, "connect", withdrawn)
    settings = settings_for(post.port)
    await OfferSender(
        post.world.database, settings, node="main", materials=Path("none"), clock=post.clock, patience=patience
    ).look()
    assert (await offer(post, made.id)).state is OfferState.WITHDRAWN
    assert patience.waits(post.now)


async def test_whoever_settles_it_before_the_server_answers_has_settled_it(
    post: Post, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = await queued(post.world, to(await post.world.client()), await text_of(post.world))
    send = Postman.send

    async def settled(self: Postman, *given: Any, **named: Any) -> None:
        await send(self, *given, **named)
        post.now += timedelta(hours=1)  # longer than its lease
        async with post.world.transaction() as session:
            await doubt_left(session, now=post.now)
        async with post.world.transaction() as session:
            await settle_doubt(session, offer_id=made.id, now=post.now)

    monkeypatch.setattr(Postman, "send", settled)
    await sender(post).look()
    assert (await offer(post, made.id)).state is OfferState.SENT
    assert len(post.box.taken) == 1


async def test_withdrawn_in_time_it_never_goes(post: Post) -> None:
    made = await queued(post.world, to(await post.world.client()), await text_of(post.world))
    async with post.world.transaction() as session:
        await withdraw_offer(session, offer_id=made.id, now=WRITTEN)
    await sender(post).look()
    assert post.box.taken == []


async def test_greylisted_it_goes_later_and_refused_it_has_bounced(post: Post) -> None:
    made = await queued(post.world, to(await post.world.client()), await text_of(post.world))
    post.box.answers = ["451 come later", "550 no such user"]
    await sender(post).look()
    found = await offer(post, made.id)
    assert (found.state, found.tries) == (OfferState.WAITING, 1)
    assert "451 come later" in unpacked(found.last_error)
    await sender(post).look()
    assert len(post.box.answers) == 1, "not at once"
    post.now += timedelta(seconds=30)
    await sender(post).look()
    assert (await offer(post, made.id)).state is OfferState.BOUNCED
    assert post.box.taken == []


async def test_an_answer_that_is_lost_is_a_doubt_and_goes_no_second_time_by_itself(post: Post) -> None:
    made = await queued(post.world, to(await post.world.client()), await text_of(post.world))
    post.box.cut_after = 1
    await sender(post).look()
    assert (await offer(post, made.id)).state is OfferState.DOUBTFUL
    post.now += timedelta(days=3)
    await sender(post).look()
    assert len(post.box.taken) == 1
    async with post.world.transaction() as session:
        await send_again(session, offer_id=made.id, now=post.now)
    await sender(post).look()
    assert len({letter["Message-ID"] for letter in post.box.letters}) == 1
    first, second = [content for _, content in post.box.taken]
    assert hashlib.sha256(first).digest() == hashlib.sha256(second).digest(), "the same to the letter"


async def test_a_server_that_goes_before_the_message_leaves_no_doubt(post: Post) -> None:
    """It hangs up when DATA is said: nothing of the message itself has gone."""

    async def hang_up(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"220 mail\r\n")
        while line := await reader.readline():
            if line.upper().startswith(b"DATA"):
                break
            writer.write(b"250 OK\r\n")
        writer.close()

    server = await asyncio.start_server(hang_up, "127.0.0.1", 0)
    post.port = server.sockets[0].getsockname()[1]
    made = await queued(post.world, to(await post.world.client()), await text_of(post.world))
    try:
        await sender(post).look()
    finally:
        server.close()
        await server.wait_closed()
    found = await offer(post, made.id)
    assert (found.state, found.tries) == (OfferState.WAITING, 1)


async def test_a_service_that_dies_in_the_middle_leaves_a_doubt(post: Post) -> None:
    made = await queued(post.world, to(await post.world.client()), await text_of(post.world))
    async with post.world.transaction() as session:
        await session.execute(update(Offer).values(claimed_by="main", claimed_until=DUE + timedelta(minutes=1)))
    async with post.world.transaction() as session:
        await mark_handing_over(session, offer_id=made.id, node="main", now=DUE, lease=timedelta(minutes=1))
    post.now += timedelta(minutes=2)
    await sender(post, node="second").look()
    assert post.box.taken == []
    assert (await offer(post, made.id)).state is OfferState.DOUBTFUL


async def test_a_file_that_is_gone_from_the_folder_keeps_it_back_with_a_reason(post: Post, tmp_path: Path) -> None:
    world = post.world
    await text_of(world)
    async with world.transaction() as session:
        file = await add_material(
            session, campaign=await get_campaign(session, world.campaign_id), kind=MaterialKind.OFFER,
            file_name="a.pdf", sha256="0" * 64, size_bytes=1, now=WRITTEN,
        )  # fmt: skip
        text = await write_text(
            session, template=await get_template(session, 1), language=Language.RU, subject="x", body="y",
            attach=(file.id,), now=WRITTEN,
        )  # fmt: skip
    made = await queued(world, to(await world.client()), text.id)
    await sender(post, tmp_path).look()
    found = await offer(post, made.id)
    assert (found.state, post.box.taken) == (OfferState.WAITING, [])
    assert "a.pdf" in found.last_error


async def test_a_fax_goes_to_the_gateway_with_the_pdf_alone(post: Post) -> None:
    client_id = await post.world.client()
    whom = to(client_id, "8 (342) 200-12-34", channel=Channel.FAX)
    made = await queued(post.world, whom, await text_of(post.world))
    await sender(post, fax_address="{number}@fax.example.ru").look()
    ((address, content),) = post.box.taken
    assert address == "73422001234@fax.example.ru"
    letter = message_from_bytes(content, policy=default)
    (file,) = list(letter.iter_attachments())
    assert file.get_content_type() == "application/pdf"
    async with post.world.database.reading() as session:
        found = await session.scalar(select(Offer.state).where(Offer.id == made.id))
    assert found is OfferState.SENT


def test_the_gateways_address_holds_the_digits() -> None:
    assert fax_address("fax+{number}@gate.example", "+73422001234") == "fax+73422001234@gate.example"


@pytest.mark.parametrize("pattern", ["fax@example.ru", "{number}", "{number}@example.ru\r\nBcc: x@y.ru", "{num}@e.ru"])
def test_a_gateways_address_that_cannot_be_is_refused(pattern: str) -> None:
    with pytest.raises(ValueError, match="fax_address"):
        settings_for(25, fax_address=pattern)
