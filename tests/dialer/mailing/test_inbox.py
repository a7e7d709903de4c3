"""What comes back to offers, read from a Dovecot that nobody here wrote: each message once, whatever breaks."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import timedelta

import pytest
from pydantic import SecretStr
from sqlalchemy import func, select, update

from config.sections import InboxSettings
from crm.calls.letters import Channel
from crm.offers import incoming
from crm.offers.incoming import IncomingKind, IncomingMail, incoming_of, of_no_offer
from crm.offers.offers import Offer, OfferState
from crm.offers.opt_outs import opt_outs
from dialer.mailing.imap import AT_ONCE, InboxTrouble, Mailbox
from dialer.mailing.inbox import InboxReader
from dialer.reasons import Reason, advice_for
from tests.crm.offers.builders import queued, text_of, to
from tests.dialer.mailing.conftest import Certificate, Post, settings_for
from tests.dialer.mailing.returned_mails import KEY, fax_notice, letter, report
from tests.dialer.mailing.test_offer_sender import sender
from tests.peers.fixtures import require_program
from tests.peers.run_dovecot import PASSWORD, USER, DovecotRun, running_dovecot


@pytest.fixture
async def dovecot() -> AsyncIterator[DovecotRun]:
    require_program("dovecot")
    async with running_dovecot() as run:
        yield run


def inbox_of(run: DovecotRun, **more: object) -> InboxSettings:
    known = {"host": run.host, "port": run.port, "tls": "none", "user": USER, "password": SecretStr(PASSWORD)}
    return InboxSettings(**{**known, "timeout_s": 5, **more})  # type: ignore[arg-type]


@dataclass
class Desk:
    """An office that has sent an offer with the key `KEY` to the client's address."""

    post: Post
    run: DovecotRun
    client_id: int
    offer_id: int

    def reader(self, **more: object) -> InboxReader:
        of_mail = settings_for(self.post.port, fax_address="{number}@fax.example")
        return InboxReader(self.post.world.database, inbox_of(self.run, **more), of_mail, clock=self.post.clock)

    async def state(self) -> OfferState:
        async with self.post.world.database.reading() as session:
            return (await session.get_one(Offer, self.offer_id)).state

    async def kinds(self) -> list[IncomingKind]:
        async with self.post.world.database.reading() as session:
            return [row.mail.kind for row in await incoming_of(session, self.client_id)]


async def written(post: Post, dovecot: DovecotRun) -> Desk:
    client_id = await post.world.client("Ромашка")
    made = await queued(post.world, to(client_id), await text_of(post.world), key=KEY)
    return Desk(post, dovecot, client_id, made.id)


@pytest.fixture
async def office(post: Post, dovecot: DovecotRun) -> Desk:
    made = await written(post, dovecot)
    await sender(post).look()
    return made


async def test_an_answer_stands_with_the_client_and_is_read_once(office: Desk) -> None:
    office.run.deliver(letter(body="Да, звоните в понедельник."))
    office.run.deliver(letter(thread="", subject="Something else"))
    for _ in range(2):
        await office.reader().look()
    async with office.post.world.database.reading() as session:
        (row,) = await incoming_of(session, office.client_id)
        assert await of_no_offer(session) == 1
    assert (row.mail.kind, row.mail.body) == (IncomingKind.REPLY, "Да, звоните в понедельник.")
    assert row.mail.sender == "Klient <klient@example.ru>"
    assert await office.state() is OfferState.SENT


async def test_one_that_comes_back_later_has_not_arrived(office: Desk) -> None:
    office.run.deliver(report("delayed", "4.4.1"))
    await office.reader().look()
    assert await office.state() is OfferState.SENT
    office.run.deliver(report("failed", "5.1.1"))
    await office.reader().look()
    assert await office.state() is OfferState.BOUNCED
    async with office.post.world.database.reading() as session:
        assert await incoming.came_back_at(session, "KLIENT@example.ru") is not None
    office.run.deliver(letter(headers="Auto-Submitted: auto-replied\n"))
    await office.reader().look()
    assert await office.state() is OfferState.BOUNCED
    assert sorted(await office.kinds()) == [IncomingKind.AUTOMATIC, IncomingKind.BOUNCED, IncomingKind.DELAYED]


@pytest.mark.parametrize(
    ("content", "state"),
    [
        (letter(), OfferState.SENT),
        (report("delivered", "2.0.0"), OfferState.SENT),
        (report("failed", "5.1.1"), OfferState.BOUNCED),
        (report("delayed", "4.4.1"), OfferState.DOUBTFUL),
    ],
    ids=["answered", "delivered", "failed", "delayed"],
)
async def test_a_doubt_is_settled_by_what_comes_from_beyond(
    post: Post, dovecot: DovecotRun, content: bytes, state: OfferState
) -> None:
    office = await written(post, dovecot)
    async with post.world.transaction() as session:
        doubtful = update(Offer).where(Offer.id == office.offer_id)
        await session.execute(doubtful.values(state=OfferState.DOUBTFUL))
    office.run.deliver(content)
    await office.reader().look()
    assert await office.state() is state


async def test_one_that_is_just_going_waits_and_its_answer_with_it(office: Desk) -> None:
    async with office.post.world.transaction() as session:
        going = update(Offer).where(Offer.id == office.offer_id)
        await session.execute(going.values(state=OfferState.HANDING_OVER))
    office.run.deliver(letter())
    await office.reader().look()
    assert await office.kinds() == []
    async with office.post.world.transaction() as session:
        await session.execute(going.values(state=OfferState.SENT))
    await office.reader().look()
    assert await office.kinds() == [IncomingKind.REPLY]


async def test_who_wants_no_letters_gets_none_at_the_address_that_was_written_to(office: Desk) -> None:
    office.run.deliver(letter(subject=f"unsubscribe {KEY}", thread="", sender="Deputy <deputy@example.ru>"))
    await office.reader().look()
    async with office.post.world.database.reading() as session:
        (request,) = await opt_outs(session)
    assert (request.address, "deputy@example.ru" in request.evidence) == ("klient@example.ru", True)


async def test_notices_of_the_fax_gateway_say_what_became_of_the_fax(post: Post, dovecot: DovecotRun) -> None:
    client_id = await post.world.client("Ромашка")
    whom = to(client_id, "+7 342 123-45-67", channel=Channel.FAX)
    made = await queued(post.world, whom, await text_of(post.world), key=KEY)
    await sender(post, fax_address="{number}@fax.example").look()
    office = Desk(post, dovecot, client_id, made.id)
    dovecot.deliver(fax_notice("Fax to 73421234567: delivered", ""))
    await office.reader().look()
    assert (await office.state(), await office.kinds()) == (OfferState.SENT, [IncomingKind.DELIVERED])
    dovecot.deliver(fax_notice("Факс 7 342 123-45-67 не доставлен", "занято"))
    dovecot.deliver(fax_notice("Fax to 79990000000: not delivered", ""))
    await office.reader().look()
    assert await office.state() is OfferState.BOUNCED
    assert len(await office.kinds()) == 2, "the other number is nobody's"


async def test_new_numbers_for_old_messages_double_nothing(office: Desk) -> None:
    for number in range(3):
        office.run.deliver(letter(subject=f"Re: {number}"))
    await office.reader().look()
    await office.run.stop()
    office.run.forget_uids()
    await office.run.start()
    office.run.deliver(letter(subject="Re: after it"))
    await office.reader().look()
    assert len(await office.kinds()) == 4
    async with office.post.world.database.reading() as session:
        assert await session.scalar(select(func.count()).select_from(incoming.MailboxPosition)) == 2


async def test_a_reader_killed_in_the_middle_loses_none_and_doubles_none(
    office: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(AT_ONCE + 5):
        office.run.deliver(letter(subject=f"Re: {number}"))
    left = iter(range(7))
    take_in = incoming.take_in

    async def killed(*given: object, **more: object) -> IncomingMail | None:
        made = await take_in(*given, **more)  # type: ignore[arg-type]
        if next(left, None) is None:
            raise RuntimeError("killed before it was committed")
        return made

    monkeypatch.setattr(incoming, "take_in", killed)
    with pytest.raises(RuntimeError):
        await office.reader().look()
    monkeypatch.undo()
    assert len(await office.kinds()) == 7
    await office.reader().look()
    assert len(await office.kinds()) == AT_ONCE + 5
    async with office.post.world.database.reading() as session:
        subjects = set(await session.scalars(select(IncomingMail.subject)))
    assert len(subjects) == AT_ONCE + 5


async def test_two_services_read_each_message_once(office: Desk) -> None:
    await office.reader().look()  # the first look writes where the mailbox begins
    for number in range(AT_ONCE):
        office.run.deliver(letter(subject=f"Re: {number}"))
    kept = await asyncio.gather(*(office.reader().read() for _ in range(2)))
    assert (sum(kept), len(await office.kinds())) == (AT_ONCE, AT_ONCE)


async def test_a_huge_message_is_read_in_front_only(office: Desk) -> None:
    office.run.deliver(letter(body="Согласен.\n" + "x" * 30_000_000))
    await office.reader().look()
    assert await office.kinds() == [IncomingKind.REPLY]


async def test_the_mailbox_is_left_as_it_was(office: Desk) -> None:
    office.run.deliver(letter())
    await office.reader().look()
    flags = [each.name.rpartition(":2,")[2] for each in (office.run.folder / "mail").glob("*/*:2,*")]
    assert set(flags) <= {""}, "no message was marked as seen"


async def test_a_server_that_is_gone_is_told_of_and_asked_again_later(office: Desk) -> None:
    reader = office.reader()
    await office.run.stop()
    await reader.look()
    assert "inbox.nobody_there" in _code(reader.health().trouble)
    await office.run.start()
    office.run.deliver(letter())
    await reader.look()
    assert await office.kinds() == [], "not before its time"
    office.post.now += timedelta(minutes=1)
    await reader.look()
    assert (await office.kinds(), reader.health().trouble) == ([IncomingKind.REPLY], "")


async def test_what_does_not_fit_is_said_with_advice(office: Desk) -> None:
    for wrong, code in (
        ({"password": SecretStr("wrong")}, "inbox.auth"),
        ({"folder": "Offers"}, "inbox.no_folder"),
        ({"tls": "tls"}, "mail.no_tls"),
    ):
        with pytest.raises(InboxTrouble) as failed:
            await office.reader(**wrong).read()
        assert _code(failed.value.reason) == code
        assert advice_for(failed.value.reason)
        assert "wrong" not in str(failed.value.reason)


async def test_a_password_in_any_alphabet() -> None:
    require_program("dovecot")
    async with running_dovecot(password="пароль-€") as run:
        mailbox = Mailbox(inbox_of(run, password=SecretStr("пароль-€")))
        assert mailbox.open() > 0
        mailbox.close()
        with pytest.raises(InboxTrouble) as failed:
            Mailbox(inbox_of(run, password=SecretStr("пароль"))).open()
        assert _code(failed.value.reason) == "inbox.auth"


async def test_over_protected_connections(certificate: Certificate) -> None:
    require_program("dovecot")
    async with running_dovecot(host="127.0.0.1", certificate=certificate.file, key=certificate.key) as run:
        run.deliver(letter())
        for tls, port in (("tls", run.tls_port), ("starttls", run.port)):
            mailbox = Mailbox(inbox_of(run, tls=tls, port=port, ca_file=str(certificate.file)))
            assert mailbox.open() > 0
            assert mailbox.uids_after(0) == [1]
            mailbox.close()
            with pytest.raises(InboxTrouble) as failed:
                Mailbox(inbox_of(run, tls=tls, port=port)).open()
            assert _code(failed.value.reason) == "mail.certificate"


def _code(reason: str) -> str:
    assert isinstance(reason, Reason)
    return reason.code
