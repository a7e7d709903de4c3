"""Erasures: nothing of the erased stays in any row, what is counted stays, and nothing else may be changed so."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from sqlalchemy import JSON, Enum, LargeBinary, Text, select, update
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncSession

from crm import audit
from crm.base.do_not_call import ask, lift, requests
from crm.base.erasure_rows import Erased, Erasure, ErasureCompletion
from crm.base.organisations import Organisation
from crm.base.people import Person
from crm.base.phone_numbers import PhoneNumber
from crm.base.whom import Whom
from crm.calls.attempts import Attempt
from crm.calls.letters import Channel, Letter, letters_of, note_letter, withdraw_letter
from crm.calls.recording_facts import open_recording, settle_recording
from crm.care.audit_chain import add_links, verify
from crm.care.erasures import Done, erase_organisation, erase_person, erased_recording_keys
from crm.care.merging import merge
from crm.care.personal import ERASED, places
from crm.clientele.clients import Client, get_client, take_off_list
from crm.clientele.groups import GroupMove
from crm.database import Database
from crm.deals.deal_stages import DealStage
from crm.deals.deals import open_deal
from crm.deals.moving import Step, move_deal
from crm.errors import Conflict, CrmError, NotFound, Refused
from crm.importing.clients import import_clients
from crm.importing.contacts import import_contacts
from crm.importing.entering import Entry, enter_client
from crm.importing.tables import read_table
from crm.mail.outbox import MailState, OutgoingMail, Purpose, mark_sent
from crm.offers.batches import OfferBatch
from crm.offers.incoming import Arrived, IncomingKind, IncomingMail, begin_at, take_in
from crm.offers.offers import Offer, OfferFile, OfferState
from crm.office.users import User, get_user
from crm.plan.promise_mail import set_mail
from crm.preparation.campaigns import Campaign, get_campaign
from crm.reading import sales_book
from crm.reports.base import Base
from crm.reports.headcount import by_headcount, sum_of
from crm.schema import METADATA
from crm.wrap_up.contacts import Contact
from crm.wrap_up.outcomes import Outcome, OutcomeForm
from tests.crm.builders import NOON, World, build_world, open_call
from tests.crm.care.what_stands import KEY, places_of
from tests.crm.offers.builders import queued, text_of, to
from tests.crm.overlap import overlap

BOILER = "Своя котельная"
NAME, OTHER, FIRM = "Петрова Анна Сергеевна", "Зуев Иван", "ООО «Северный ветер»"
OWN = "+79990001122"
SUM = Decimal("1500000.50")
LATER = NOON + timedelta(days=1)
TRACES_OF_PERSON = ("Петров", "петров", "999000112", "чай с мёдом")
TRACES_OF_FIRM = ("Северн", "северн", "Зуев", "зуев", "sever.example", "5902000000", "+73420000002", *TRACES_OF_PERSON)


@dataclass(frozen=True)
class Kept:
    """One firm with two people and three calls, and a firm beside it that must stay as it is."""

    world: World
    operator: int
    client: int
    organisation: int
    person: int
    calls: tuple[str, ...]
    beside: int


@pytest.fixture
async def kept(database_url: str) -> Any:
    database = Database(database_url, KEY)
    world = await build_world(database)
    operator, client_id = await world.operator("Ольга"), await world.client(FIRM)
    person, other = await world.person(client_id, NAME), await world.person(client_id, OTHER, decides=False)
    async with world.transaction() as session:
        user = await get_user(session, operator)
        await set_mail(session, user=user, email="olga@example.org", callbacks=True, now=NOON)
    forms = (
        OutcomeForm(
            "warm",
            person_id=person,
            summary="готова смотреть расчёт",
            note="любит чай с мёдом",
            callback_words="завтра в 11",
            asked_by="Петрова",
        ),
        OutcomeForm("not_main", person_id=other, summary="главного нет на месте"),
        OutcomeForm("no_contact", note="секретарь: с Петровой поговорить нельзя"),
    )
    calls = []
    for number, form in enumerate(forms):
        at = NOON + timedelta(minutes=10 * number)
        calls.append(await world.call(client_id, operator, at=at))
        await world.outcome(calls[-1], form, operator, at=at + timedelta(minutes=3))
    async with world.transaction() as session:
        client = await get_client(session, client_id)
        organisation_id = client.organisation_id
        await _fill_in(session, client, person)
        for number, attempt_id in enumerate(calls):
            await open_recording(session, attempt_id=attempt_id, key=f"2026/11/23/{number:032x}.wav")
            await settle_recording(
                session, attempt_id=attempt_id, sha256="0" * 64, duration_s=60.0, frames=480_000, rms_left=0.1,
                rms_right=0.1, size_bytes=100,
            )  # fmt: skip
    beside = await world.client("Соседи")
    yield Kept(world, operator, client_id, organisation_id, person, tuple(calls), beside)
    await database.dispose()


async def _fill_in(session: Any, client: Client, person: int) -> None:
    organisation = await session.get_one(Organisation, client.organisation_id)
    organisation.site, organisation.email, organisation.tax_number = "sever.example", "a@sever.example", "5902000000"
    organisation.note, organisation.attributes = "директор Петрова", {BOILER: "Да", "кто": "Петрова"}
    organisation.industry, organisation.headcount, client.code = "Вентиляция", 40, "Северный-1"
    session.add(
        PhoneNumber(organisation_id=organisation.id, person_id=person, e164=OWN, raw="8 (999) 000-11-22", rank=5)
    )
    await session.flush()
    await ask(session, whom=Whom.PERSON, target=person, evidence="Петрова сказала сама", now=NOON)
    await ask(session, whom=Whom.NUMBER, target=OWN, evidence="с этого номера", now=NOON)
    sent: dict[str, Any] = {"client_id": client.id, "channel": Channel.EMAIL, "note": "прайс Петровой", "now": NOON}
    await note_letter(session, **sent)
    mistaken = await note_letter(session, **sent)
    await withdraw_letter(session, letter_id=mistaken.id, reason="Петрова не просила", now=NOON)
    (await session.get_one(Campaign, client.campaign_id)).sells_by_deals = True
    deal = await open_deal(
        session, client_id=client.id, owner_id=await session.scalar(select(User.id)), now=NOON, person_id=person,
        product="Вентиляция для Петровой", amount=SUM, note="решает муж за чай с мёдом",
    )  # fmt: skip
    lost = Step(DealStage.LOST, reason="other", note="Петрова передумала")
    await move_deal(session, deal_id=deal.id, step=lost, now=NOON)
    audit.note(session, at=NOON, user_id=None, action="test", subject="x:1", details={"to": ["8 (999) 000-11-22"]})


async def erase(kept: Kept, whom: Erased) -> Done:
    async with kept.world.transaction() as session:
        if whom is Erased.PERSON:
            return await erase_person(session, person_id=kept.person, reason="письмо от 27.11", now=LATER, region="RU")
        return await erase_organisation(
            session, organisation_id=kept.organisation, reason="письмо", now=LATER, region="RU"
        )


async def counts(world: World) -> dict[str, Any]:
    """What reports count."""
    queries = {
        "dispositions": select(Outcome.disposition, Outcome.attempt_id),
        "contacts": select(Contact.main, Contact.attempt_id, Contact.at),
        "calls": select(Attempt.id, Attempt.result, Attempt.talk_seconds),
        "moves": select(GroupMove.from_group, GroupMove.to_group, GroupMove.note),
        "clients": select(Client.group, Client.campaign_id),
        "firms": select(Organisation.industry, Organisation.headcount),
        "people": select(Person.decides),
        "reasons": select(Outcome.reason, Outcome.competitor),
        "letters": select(Letter.channel, Letter.sent_at, Letter.withdrawn_at),
    }
    async with world.database.reading() as session:
        counted: dict[str, Any] = {
            name: sorted(map(repr, await session.execute(query))) for name, query in queries.items()
        }
        base = Base(await get_campaign(session, world.campaign_id))
        counted["with a boiler"] = await by_headcount(session, base, BOILER)
    assert sum_of(counted["with a boiler"]).yes == 1, "the test says nothing of what is not there"
    return counted


@pytest.mark.parametrize(
    ("whom", "needles"), [(Erased.PERSON, TRACES_OF_PERSON), (Erased.ORGANISATION, TRACES_OF_FIRM)]
)
async def test_nothing_stays_but_what_is_counted(kept: Kept, whom: Erased, needles: tuple[str, ...]) -> None:
    world = kept.world
    before, counted = await places_of(world.database, needles), await counts(world)
    assert len({needle for _table, needle in before}) == len(needles), "the test says nothing of what is not there"
    done = await erase(kept, whom)
    assert await places_of(world.database, needles) == []
    assert await counts(world) == counted
    assert done.blanked["phone_numbers.e164"] == (1 if whom is Erased.PERSON else 2)
    async with world.transaction() as session:
        await add_links(session)
        report = await verify(session)
        client = await get_client(session, kept.beside)
        neighbours = await session.get_one(Organisation, client.organisation_id)
        names = set(await session.scalars(select(Person.full_name)))
    assert (report.broken, report.unlinked) == ([], 0)
    assert report.erased > 3
    assert (neighbours.name, neighbours.erased_at, client.off_list_reason) == ("Соседи", None, "")
    assert (OTHER in names) == (whom is Erased.PERSON)


async def test_calendars_that_have_the_name_are_to_forget_it(kept: Kept) -> None:
    async def mails() -> list[OutgoingMail]:
        async with kept.world.database.reading() as session:
            return list(await session.scalars(select(OutgoingMail).order_by(OutgoingMail.id)))

    (first,) = await mails()
    assert first.person == "Петрова"
    async with kept.world.transaction() as session:
        await mark_sent(session, mail_id=first.id, now=NOON + timedelta(hours=1))
    async with kept.world.transaction() as session:
        now = NOON + timedelta(hours=2)
        await erase_person(session, person_id=kept.person, reason="письмо от 27.11", now=now, region="RU")
    first, second = await mails()
    assert (second.purpose, second.sequence, second.state) == (Purpose.PUT_IN, 1, MailState.WAITING)
    assert {first.person, second.person, first.words, second.words} == {ERASED}
    assert second.organisation == FIRM
    async with kept.world.transaction() as session:
        await mark_sent(session, mail_id=second.id, now=LATER)
    await erase(kept, Erased.ORGANISATION)
    third = (await mails())[-1]
    assert (third.purpose, third.organisation) == (Purpose.TAKE_OUT, ERASED)


@pytest.mark.parametrize("whom", Erased)
async def test_an_offer_is_not_sent_any_more_and_its_text_and_file_go(kept: Kept, whom: Erased) -> None:
    world, text_id = kept.world, await text_of(kept.world)
    async with world.transaction() as session:
        for request in await requests(session):
            await lift(session, request_id=request.id, reason="передумали", now=NOON)
    to_her = await queued(world, to(kept.client, person_id=kept.person, asked_for=True), text_id, pdf=b"%PDF")
    to_all = await queued(world, to(kept.client, asked_for=True), text_id, pdf=b"%PDF")
    await erase(kept, whom)
    async with world.database.reading() as session:
        found = {each.id: each for each in await session.scalars(select(Offer))}
        files = {each.offer_id: each.content for each in await session.scalars(select(OfferFile))}
    gone = [to_her.id] if whom is Erased.PERSON else [to_her.id, to_all.id]
    for number, offer in found.items():
        erased = number in gone
        assert ({offer.address, offer.subject, offer.body} == {ERASED}) == erased
        assert (offer.state is OfferState.WITHDRAWN) == erased
        assert (files[number] == b"") == erased


async def test_a_batch_that_was_narrowed_by_a_name_forgets_it(kept: Kept) -> None:
    text_id = await text_of(kept.world)
    async with kept.world.transaction() as session:
        for number, sought in enumerate(("Петрова Анна", "вентиляция")):
            session.add(
                OfferBatch(
                    key=f"{number:032}", text_id=text_id, narrowing={"text": sought}, per_hour=1, at=NOON, clients=1,
                    left_out={}, next_at=NOON,
                )
            )  # fmt: skip
    await erase(kept, Erased.PERSON)
    async with kept.world.database.reading() as session:
        left = [each.narrowing for each in await session.scalars(select(OfferBatch).order_by(OfferBatch.id))]
    assert left == [{}, {"text": "вентиляция"}]


@pytest.mark.parametrize("whom", Erased)
async def test_of_what_came_back_stays_that_it_came(kept: Kept, whom: Erased) -> None:
    world, text_id = kept.world, await text_of(kept.world)
    async with world.transaction() as session:
        for request in await requests(session):
            await lift(session, request_id=request.id, reason="передумали", now=NOON)
    for key in ("a" * 32, "b" * 32):
        await queued(world, to(kept.client, asked_for=True), text_id, pdf=b"%PDF", key=key)
    async with world.transaction() as session:
        await begin_at(session, mailbox="m", uid_validity=1, last_uid=0)
        for uid, (key, body) in enumerate((("a" * 32, "Это я, Петрова"), ("b" * 32, "Спасибо")), start=1):
            arrived = Arrived(IncomingKind.REPLY, (key,), (), f"{uid:064}", "x@example.ru", "Re", body, NOON)
            assert await take_in(session, arrived, mailbox="m", uid_validity=1, uid=uid, now=NOON)
    await erase(kept, whom)
    async with world.database.reading() as session:
        bodies = [each.body for each in await session.scalars(select(IncomingMail).order_by(IncomingMail.id))]
    assert bodies == [ERASED, "Спасибо" if whom is Erased.PERSON else ERASED]


@pytest.mark.parametrize("whom", Erased)
async def test_of_letters_stays_when_they_were_sent(kept: Kept, whom: Erased) -> None:
    async with kept.world.transaction() as session:
        await note_letter(session, client_id=kept.client, channel=Channel.FAX, note="общий прайс", now=NOON)
    await erase(kept, whom)
    async with kept.world.database.reading() as session:
        read = [(each.note, each.withdraw_reason) for each in await letters_of(session, kept.client)]
    assert read == [("общий прайс" if whom is Erased.PERSON else "", ""), ("", ERASED), ("", "")]


async def test_only_the_recordings_of_their_calls_lose_their_keys(kept: Kept) -> None:
    done = await erase(kept, Erased.PERSON)
    assert done.recording_keys == (f"2026/11/23/{0:032x}.wav",)
    async with kept.world.database.reading() as session:
        assert await erased_recording_keys(session) == list(done.recording_keys)
    assert len((await erase(kept, Erased.ORGANISATION)).recording_keys) == 3


ROWS = {
    Erased.ORGANISATION: (
        ("Северный Ветер ООО;8 (342) 000-00-02;;", "row.organisation_erased"),
        ("северный ветер;8 (342) 000-00-77;;5902000000", "row.organisation_erased"),
        ("Другая;8 999 000 11 22;;", "row.number_erased"),
        ("Вторая;8 (342) 000-00-78;Зуев Иван;", ""),
    ),
    Erased.PERSON: (
        ("Другая;8 999 000 11 22;;", "row.number_erased"),
        ("ООО «Северный ветер»;8 342 000 00 77;ПЕТРОВА Анна Сергеевна;", "row.person_erased"),
        ("Другая;8 (342) 000-00-02;Петрова Анна Сергеевна;", "row.person_erased"),
        ("Другая;8 (342) 000-00-77;Петрова Анна Сергеевна;", ""),
        ("ООО «Северный ветер»;8 (342) 000-00-78;Зуев Иван;", ""),
    ),
}


@pytest.mark.parametrize("whom", ROWS)
async def test_the_erased_do_not_come_back_by_an_import(kept: Kept, whom: Erased) -> None:
    await erase(kept, whom)
    lines = "\n".join(row for row, _code in ROWS[whom])
    async with kept.world.transaction() as session:
        campaign = await get_campaign(session, kept.world.campaign_id)
        report = await import_clients(
            session, campaign=campaign, table=read_table(f"name;phone;person;tax\n{lines}\n".encode()), now=LATER,
            mapping={"name": "name", "phone": "phone", "person": "person", "tax": "tax_number"}, list_name="Первый",
        )  # fmt: skip
    refused = {row.line: row.code for row in report.refused}
    assert refused == {line: code for line, (_row, code) in enumerate(ROWS[whom], start=2) if code}
    assert report.taken + report.merged == len(ROWS[whom]) - len(refused)


async def test_nor_by_contacts_from_elsewhere_nor_by_hand(kept: Kept) -> None:
    await erase(kept, Erased.PERSON)
    rows = f"{FIRM};Петрова Анна Сергеевна;да\n{FIRM};Зуев Иван;нет\n"
    history = read_table(
        f"client;person;main;summary\n{rows}".replace("да\n", "да;хочет расчёт к пятнице\n")
        .replace("нет\n", "нет;главного нет на месте\n")
        .encode()
    )
    entry = Entry(name=FIRM, list_name="Первый", phones="8 (342) 000-00-99", person=NAME)
    async with kept.world.transaction() as session:
        campaign = await get_campaign(session, kept.world.campaign_id)
        report = await import_contacts(session, campaign=campaign, table=history, now=LATER)
        assert ([row.code for row in report.refused], report.taken) == (["row.person_erased"], 1)
        with pytest.raises(Refused) as refused:
            await enter_client(session, campaign=campaign, entry=entry, now=LATER)
        assert refused.value.code == "row.person_erased"
        assert NAME not in set(await session.scalars(select(Person.full_name)))


# Of tables that lead to an organisation, its people or its calls: columns with texts that no erasure looks at, and why.
KEPT_TEXTS = {
    ("erasures", "reason"): "names nobody",
    ("attempts", "node"): "ours", ("attempts", "phrase"): "the network's words",
    ("recordings", "key"): "a place", ("recordings", "failure"): "ours", ("recordings", "wrapped_key"): "is destroyed",
    ("outbox", "address"): "a user's", ("outbox", "time_zone"): "a zone", ("outbox", "claimed_by"): "a node",
    ("outbox", "last_error"): "the mail server's words",
    ("callbacks", "time_zone"): "a zone", ("list_marks", "signer"): "the customer's",
    ("clients", "name_folded"): "the trigger writes it",
    **dict.fromkeys([("organisations", name) for name in
        ("name", "name_folded", "tax_number", "site", "email", "code", "attributes", "name_key", "name_skeleton",
         "tax_key", "domain_key", "email_key")], "`_blank_organisation`"),
    **dict.fromkeys([("organisations", name) for name in ("city", "industry", "time_zone")], "reports count them"),
    ("people", "full_name"): "`_blank_people`", ("people", "name_folded"): "`_blank_people`",
    ("phone_numbers", "raw"): "`_blank_numbers`",
    ("outcome_drafts", "fields"): "deleted", ("former_owners", "name"): "`blank_former_owners`",
    **dict.fromkeys([("import_rows", name) for name in ("cells", "problems", "change", "kept_because")],
        "`blank_imports`"),
    ("organisation_merges", "journal"): "`blank_merges`",
    ("offers", "claimed_by"): "a node", ("offers", "last_error"): "`blank_offers`",
    ("offer_batch_clients", "reason"): "a code",
    ("offer_files", "content"): "`blank_offers`", ("offer_files", "file_name"): "`blank_offers`",
    ("opt_outs", "address"): "kept, so that nobody writes to it again",
    ("sheet_states", "answers"): "`blank_sheets`",
}  # fmt: skip


@pytest.mark.parametrize("whom", list(Erased))
async def test_of_a_deal_the_texts_go_and_the_sum_stays(kept: Kept, whom: Erased) -> None:
    await erase(kept, whom)
    async with kept.world.database.reading() as session:
        row = (await sales_book.book_rows(session, filters=sales_book.BookFilters()))[0]
        assert (row.product, row.note, row.amount_minor, row.lost_reason) == ("", "", 150_000_050, "other")
        moves = await sales_book.moves_to_read(session, [row.id])
        assert [(move.to_stage, move.note) for move in moves] == [(DealStage.LOST, ""), (DealStage.INTEREST, "")]


def test_every_table_with_texts_about_a_client_is_thought_of() -> None:
    """A new column belongs into `crm.care.personal.places`, or is explained above."""
    about = {"organisations", "people", "clients", "attempts", "phone_numbers"}
    tables = METADATA.tables.values()
    for _step in tables:  # whatever refers to one of these is about one of them, too
        about |= {t.name for t in tables if {key.column.table.name for key in t.foreign_keys} & about}
    about -= {"users", "switches"}
    looked_at = {(place.table.__tablename__, column) for place in places(1) for column in place.columns}
    texts = {
        (table.name, column.name)
        for table in tables
        for column in table.columns
        if table.name in about
        and isinstance(column.type, Text | JSON | LargeBinary)
        and not isinstance(column.type, Enum)
        and (table.name, column.name) not in looked_at
    }
    assert texts == KEPT_TEXTS.keys()


@pytest.mark.parametrize("key", [b"", b"another key"])
async def test_without_the_key_nobody_can_tell_who_was_erased(kept: Kept, database_url: str, key: bytes) -> None:
    keyless = Database(database_url, key)
    try:
        await erase(kept, Erased.PERSON)
        async with keyless.transaction() as session:
            with pytest.raises(Refused) as refused:
                await erase_person(session, person_id=kept.person, reason="письмо", now=LATER, region="RU")
        assert refused.value.code == "erasure.no_key"
        async with keyless.transaction() as session:
            campaign = await get_campaign(session, kept.world.campaign_id)
            with pytest.raises(Refused) as refused:
                await import_clients(
                    session, campaign=campaign, table=read_table(b"name;phone\nA;8 342 000 00 77\n"), now=LATER,
                    mapping={"name": "name", "phone": "phone"}, list_name="x",
                )  # fmt: skip
        assert refused.value.code == "erasure.no_key"
    finally:
        await keyless.dispose()


async def test_what_cannot_be_erased(kept: Kept) -> None:
    async def refusal(**wanted: Any) -> CrmError:
        with pytest.raises(CrmError) as refused:
            async with kept.world.transaction() as session:
                await erase_person(
                    session, **{"person_id": kept.person, "reason": "письмо", "now": LATER, "region": "RU", **wanted}
                )
        return refused.value

    assert (await refusal(reason=" ")).code == "erasure.needs_reason"
    assert (await refusal(reason="Петрова просила письмом")).code == "erasure.reason_names"
    assert isinstance(await refusal(person_id=999), NotFound)
    async with kept.world.transaction() as session:
        await open_call(session, kept.client, kept.operator, at=LATER)
    calling = await refusal()
    assert isinstance(calling, Conflict)
    assert calling.code == "erasure.call_open"


async def test_a_namesake_elsewhere_is_left_alone(kept: Kept) -> None:
    """A surname alone tells of them only where they are."""
    details = {"name": "Петрова Ольга", "note": "Петровой перезвонить"}
    async with kept.world.transaction() as session:
        audit.note(session, at=NOON, user_id=None, action="test", subject=f"client:{kept.beside}", details=details)
        audit.note(session, at=NOON, user_id=None, action="test", subject=f"client:{kept.client}", details=details)
        theirs = {"name": "анна ПЕТРОВА"}
        audit.note(session, at=NOON, user_id=None, action="test", subject=f"client:{kept.beside}", details=theirs)
    await kept.world.person(kept.beside, "Петрова Ольга")
    await erase(kept, Erased.PERSON)
    async with kept.world.database.reading() as session:
        noted = select(audit.AuditEntry.details).where(audit.AuditEntry.action == "test").order_by(audit.AuditEntry.id)
        assert list(await session.scalars(noted))[-3:] == [details, {}, {}]
        assert "Петрова Ольга" in set(await session.scalars(select(Person.full_name)))


BLANK = update(Outcome).values(note="")
FORBIDDEN = {
    "a disposition": update(Outcome).values(disposition="hot"),
    "another text": update(Outcome).values(note="никогда такого не было"),
    "a day of the audit": update(audit.AuditEntry).values(at=LATER),
    "other details": update(audit.AuditEntry).values(details={"a": 1}),
    "a group": update(GroupMove).values(to_group="cold"),
}


async def attempted(kept: Kept, organisation_id: int | None, statement: Any, *, whole: bool = False) -> None:
    """In one transaction begin an erasure, end it if `whole`, and run the statement."""
    async with kept.world.transaction() as session:
        if organisation_id is not None:
            erasure = await begun(session, organisation_id)
            if whole:
                session.add(ErasureCompletion(erasure_id=erasure.id, at=LATER, blanked={}))
                await session.flush()
        await session.execute(statement)


class TestAppendOnly:
    async def test_blank_texts_need_an_erasure(self, kept: Kept) -> None:
        with pytest.raises(DBAPIError, match="append-only"):
            await attempted(kept, None, BLANK)

    async def test_an_erasure_may_blank_and_nothing_else(self, kept: Kept) -> None:
        for statement in FORBIDDEN.values():
            with pytest.raises(DBAPIError, match="append-only"):
                await attempted(kept, kept.organisation, statement)

    async def test_of_another_organisation_it_may_blank_nothing(self, kept: Kept) -> None:
        async with kept.world.database.reading() as session:
            beside = await get_client(session, kept.beside)
        with pytest.raises(DBAPIError, match="append-only"):
            await attempted(kept, beside.organisation_id, BLANK)

    async def test_no_transaction_ends_with_an_erasure_under_way(self, kept: Kept) -> None:
        with pytest.raises(DBAPIError, match=r"(?i)foreign key"):
            await attempted(kept, kept.organisation, BLANK)

    async def test_when_it_is_whole_nothing_may_be_blanked_any_more(self, kept: Kept) -> None:
        with pytest.raises(DBAPIError, match="append-only"):
            await attempted(kept, kept.organisation, BLANK, whole=True)


async def begun(session: Any, organisation_id: int) -> Erasure:
    erasure = Erasure(whom=Erased.ORGANISATION, organisation_id=organisation_id, reason="письмо", at=LATER)
    session.add(erasure)
    await session.flush()
    return erasure


async def test_a_client_that_was_off_the_list_before_stays_off(kept: Kept) -> None:
    async with kept.world.transaction() as session:
        client = await get_client(session, kept.client, lock=True)
        await take_off_list(session, client=client, reason="так решил Зуев", now=NOON)
    await erase(kept, Erased.ORGANISATION)
    assert (await kept.world.get_client(kept.client)).off_list_reason
    assert await places_of(kept.world.database, TRACES_OF_FIRM) == []


async def test_all_that_was_merged_is_erased_with_it(kept: Kept) -> None:
    """Also what had been merged into that."""
    organisations = []
    for name in ("Первая тайна", "Вторая тайна", "Третья тайна"):
        client = await kept.world.get_client(await kept.world.client(name))
        organisations.append(client.organisation_id)
    async with kept.world.transaction() as session:
        for duplicate, survivor in itertools.pairwise(organisations):
            await merge(session, survivor_id=survivor, duplicate_id=duplicate, now=NOON)
    async with kept.world.transaction() as session:
        await erase_organisation(session, organisation_id=organisations[-1], reason="просьба", now=LATER, region="RU")
    assert await places_of(kept.world.database, ("тайна",)) == []


@pytest.mark.parametrize("whole", [True, False])
async def test_nobody_is_erased_whom_somebody_begins_to_call_at_this_moment(kept: Kept, whole: bool) -> None:
    """Else the call would keep the number that it dialled."""
    world = kept.world
    operator = await world.operator("Вера")

    async def erase(session: AsyncSession) -> None:
        if whole:
            await erase_organisation(session, organisation_id=kept.organisation, reason="письмо", now=NOON, region="RU")
        else:
            await erase_person(session, person_id=kept.person, reason="письмо", now=NOON, region="RU")

    async with world.transaction() as session:
        await session.execute(update(Client).where(Client.id == kept.client).values(owner_id=None))
        await session.execute(update(Campaign).values(attempts_a_day=9, number_attempts_a_day=9))
    at = NOON + timedelta(hours=2)
    attempt, refused = await overlap(
        world.database, lambda session: open_call(session, kept.client, operator, at=at), erase
    )
    assert isinstance(attempt, Attempt)
    assert getattr(refused, "code", "") == "erasure.call_open"


async def test_a_company_is_not_called_that_is_erased_at_this_moment(kept: Kept) -> None:
    world = kept.world
    operator = await world.operator("Вера")

    async def erase(session: AsyncSession) -> None:
        await erase_organisation(session, organisation_id=kept.organisation, reason="письмо", now=NOON, region="RU")

    at = NOON + timedelta(hours=2)
    _, refused = await overlap(world.database, erase, lambda session: open_call(session, kept.client, operator, at=at))
    assert getattr(refused, "code", "") == "dial.off_list"
