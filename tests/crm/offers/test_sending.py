"""Whether an offer may go, and what becomes of it."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest
from sqlalchemy import select, text
from sqlalchemy.exc import DBAPIError

from crm.audit import AuditEntry
from crm.base.do_not_call import ask, lift
from crm.base.phone_numbers import PhoneNumber
from crm.base.whom import Whom
from crm.calls.dial_rules import may_dial
from crm.calls.letters import Channel, letters_of
from crm.care.merging import merge
from crm.clientele.clients import get_client
from crm.clientele.consents import give, withdraw_consent
from crm.errors import Conflict, CrmError, NotFound, Refused
from crm.mail.outbox import GOES_OUT_AFTER, MOST_TRIES
from crm.offers.addresses import Whither
from crm.offers.letter_rules import may_send
from crm.offers.offers import (
    Offer,
    OfferState,
    kept_file,
    list_offers,
    offer_of,
    offers_of,
    send_again,
    to_be_looked_at,
    withdraw_offer,
)
from crm.offers.opt_outs import OptsOut, lift_opt_out, opt_out, opt_outs, opt_outs_at
from crm.offers.sending import (
    claim_due,
    doubt_left,
    is_any_due,
    mark_handing_over,
    mark_sent,
    mark_tried,
    prepare,
    queue_offer,
    settle_doubt,
)
from crm.offers.templates import get_template, set_retired
from crm.plan.plan_entries import PlanEntry
from crm.preparation.campaigns import get_campaign
from crm.preparation.plan_rules import Consent
from tests.crm.builders import NOON, World
from tests.crm.offers.builders import ADDRESS, prepared, queued, text_of, to

DUE = NOON + GOES_OUT_AFTER
LEASE = timedelta(minutes=1)
FAX = "8 342 200-12-34"


async def code_of(world: World, whom: Whither) -> str:
    async with world.database.reading() as session:
        return (await may_send(session, whom, now=NOON)).code


async def organisation_of(world: World, client_id: int) -> int:
    return (await world.get_client(client_id)).organisation_id


async def claimed(world: World, *, node: str = "main", at: int = 0) -> Offer | None:
    async with world.transaction() as session:
        return await claim_due(session, now=DUE + timedelta(minutes=at), node=node, lease=LEASE)


async def handed_over(world: World) -> int:
    offer = await claimed(world)
    assert offer is not None
    async with world.transaction() as session:
        await mark_handing_over(session, offer_id=offer.id, node="main", now=DUE, lease=LEASE)
    return offer.id


async def state_of(world: World, offer_id: int) -> OfferState:
    async with world.database.reading() as session:
        return (await offer_of(session, offer_id)).state


async def test_what_was_looked_at_is_what_is_kept(world: World) -> None:
    client_id, text_id = await world.client("Ромашка"), await text_of(world)
    person_id = await world.person(client_id, "Петрова Анна")
    made = await queued(world, to(client_id, "Klient@Example.RU", person_id=person_id), text_id, pdf=b"%PDF-made")
    assert (made.subject, made.address) == ("Предложение для Ромашка", "Klient@example.ru")
    assert made.body.startswith("Добрый день, Петрова Анна!")
    async with world.database.reading() as session:
        file = await kept_file(session, made.id)
        (row,) = await offers_of(session, client_id)
        entry = (await session.scalars(select(AuditEntry).order_by(AuditEntry.id.desc()))).first()
    assert (file.content, file.file_name) == (b"%PDF-made", "Вентиляция.pdf")
    assert (row.offer.id, row.author) == (made.id, "")
    assert entry is not None
    assert (entry.action, entry.subject) == ("offer.queued", f"client:{client_id}")


async def test_clicked_twice_it_is_written_once(world: World) -> None:
    client_id, text_id = await world.client(), await text_of(world)
    first = await queued(world, to(client_id), text_id, key="ab" * 16)
    second = await queued(world, to(client_id), text_id, key="ab" * 16)
    assert first.id == second.id
    with pytest.raises(Refused) as refused:
        await queued(world, to(client_id), text_id, key="../" + "a" * 29)
    assert refused.value.code == "offer.key"


async def test_one_that_looks_otherwise_now_does_not_go(world: World) -> None:
    client_id, text_id = await world.client("Ромашка"), await text_of(world)
    looked = await prepared(world, to(client_id), text_id)
    async with world.transaction() as session:
        await session.execute(text("UPDATE organisations SET name = 'Лютик'"))
    with pytest.raises(Conflict) as refused:
        async with world.transaction() as session:
            await queue_offer(session, looked, pdf=b"x", key="ab" * 16, now=NOON)
    assert refused.value.code == "offer.looks_otherwise"


async def test_a_field_of_which_nothing_is_known_keeps_it_back(world: World) -> None:
    client_id, text_id = await world.client(), await text_of(world, body="Для {client.city}, {person.full_name}")
    assert (await prepared(world, to(client_id), text_id)).rendered.missing == ("client.city", "person.full_name")
    with pytest.raises(Refused) as refused:
        await queued(world, to(client_id), text_id)
    assert refused.value.code == "offer.missing"


async def test_who_asked_not_to_be_called_gets_no_letters_either(world: World) -> None:
    client_id = await world.client()
    person_id, organisation_id = await world.person(client_id), await organisation_of(world, client_id)
    fax = to(client_id, FAX, channel=Channel.FAX)
    assert fax.address == "+73422001234"
    steps: tuple[tuple[Whom, str | int, Whither, str], ...] = (
        (Whom.NUMBER, "+73422001234", fax, "dial.number_do_not_call"),
        (Whom.PERSON, person_id, to(client_id, person_id=person_id, asked_for=True), "offer.person_do_not_call"),
        (Whom.ORGANISATION, organisation_id, to(client_id, asked_for=True), "dial.do_not_call"),
    )
    for whom, target, whither, code in steps:
        assert await code_of(world, whither) == ""
        async with world.transaction() as session:
            await ask(session, whom=whom, target=target, evidence="письмо", now=NOON)
        assert await code_of(world, whither) == code


@pytest.mark.parametrize(
    ("said", "channel", "written"),
    [
        ("8 (342) 200-12-34", Channel.FAX, FAX),
        ("+7 342 2001234", Channel.FAX, "8 342 200 12 34"),
        ("Info@ПОЧТА.рф", Channel.EMAIL, "info@почта.рф"),
        (" info@xn--80a1acny.xn--p1ai", Channel.EMAIL, "info@почта.рф"),
    ],
)
async def test_a_request_holds_in_whatever_spelling_it_was_made(
    world: World, said: str, channel: Channel, written: str
) -> None:
    client_id = await world.client()
    organisation_id = await organisation_of(world, client_id)
    async with world.transaction() as session:
        made = await opt_out(
            session, whom=OptsOut.ADDRESS, target=said, evidence="письмо", now=NOON, noted_at_id=organisation_id
        )
    assert await code_of(world, to(client_id, written, channel=channel, asked_for=True)) == "offer.opted_out"
    async with world.database.reading() as session:
        assert [each.id for each in await opt_outs_at(session, organisation_id)] == [made.id]


async def test_a_request_about_no_address_is_refused(world: World) -> None:
    for said in ("Ivan <ivan@example.ru>", "no address", "a@b"):
        with pytest.raises(Refused):
            async with world.transaction() as session:
                await opt_out(session, whom=OptsOut.ADDRESS, target=said, evidence="письмо", now=NOON)


async def test_a_key_of_another_clients_offer_is_refused(world: World) -> None:
    text_id = await text_of(world)
    first, second = await world.client("Первый"), await world.client("Второй")
    await queued(world, to(first), text_id, key="a" * 32)
    with pytest.raises(Refused) as refused:
        await queued(world, to(second), text_id, key="a" * 32)
    assert refused.value.code == "offer.key"


async def test_who_wants_no_letters_gets_none_until_that_is_lifted(world: World) -> None:
    client_id = await world.client()
    person_id, organisation_id = await world.person(client_id), await organisation_of(world, client_id)
    whither = to(client_id, person_id=person_id, asked_for=True)
    steps: tuple[tuple[OptsOut, str | int], ...] = (
        (OptsOut.ADDRESS, ADDRESS.upper()), (OptsOut.PERSON, person_id), (OptsOut.ORGANISATION, organisation_id),
    )  # fmt: skip
    for whom, target in steps:
        async with world.transaction() as session:
            made = await opt_out(session, whom=whom, target=target, evidence="ответ на письмо", now=NOON)
            again = await opt_out(session, whom=whom, target=target, evidence="ещё раз", now=NOON)
            assert made.id == again.id
        assert await code_of(world, whither) == "offer.opted_out"
        async with world.transaction() as session:
            assert [each.id for each in await opt_outs(session)] == [made.id]
            await lift_opt_out(session, opt_out_id=made.id, reason="передумали", now=NOON)
        assert await code_of(world, whither) == ""
    with pytest.raises(CrmError) as refused:
        async with world.transaction() as session:
            await lift_opt_out(session, opt_out_id=1, reason="x", now=NOON)
    assert refused.value.code == "opt_out.lifted"
    for number, reason, code in ((99, "x", "opt_out.unknown"),):
        with pytest.raises(CrmError) as refused:
            async with world.transaction() as session:
                await lift_opt_out(session, opt_out_id=number, reason=reason, now=NOON)
        assert refused.value.code == code
    with pytest.raises(CrmError) as refused:
        async with world.transaction() as session:
            await opt_out(session, whom=OptsOut.ADDRESS, target="a@b.ru", evidence=" ", now=NOON)
    assert refused.value.code == "opt_out.needs_evidence"
    async with world.transaction() as session:
        made = await opt_out(session, whom=OptsOut.ADDRESS, target="a@b.ru", evidence="письмо", now=NOON)
    with pytest.raises(CrmError) as refused:
        async with world.transaction() as session:
            await lift_opt_out(session, opt_out_id=made.id, reason=" ", now=NOON)
    assert refused.value.code == "opt_out.needs_reason"


async def test_calls_letters_and_offers_reach_the_cap_together(world: World) -> None:
    operator, client_id, text_id = await world.operator(), await world.client(), await text_of(world)
    for number in range(3):
        assert await code_of(world, to(client_id)) == "", number
        await queued(world, to(client_id), text_id)
    assert await code_of(world, to(client_id)) == "dial.cap", "those on their way count"
    assert await code_of(world, to(client_id, asked_for=True)) == "", "what the client asked for waits for no cap"
    for _ in range(3):
        offer_id = await handed_over(world)
        async with world.transaction() as session:
            await mark_sent(session, offer_id=offer_id, now=DUE)
    assert await code_of(world, to(client_id)) == "dial.cap", "they went as letters"
    async with world.database.reading() as session:
        assert (await may_dial(session, client_id=client_id, operator_id=operator, now=DUE)).code == "dial.cap"
        letters = await letters_of(session, client_id)
    assert {(each.channel, each.note) for each in letters} == {(Channel.EMAIL, "Предложение для Северный ветер")}


async def test_two_offers_at_the_cap_do_not_wait_for_each_other(world: World) -> None:
    client_id, text_id = await world.client(), await text_of(world)
    first, second = [(await queued(world, to(client_id), text_id)).id for _ in range(2)]
    await cap(world, 1)  # as a campaign is changed while they wait
    assert await next_due(world, DUE) == first
    assert await next_due(world, DUE) is None
    async with world.transaction() as session:
        await mark_handing_over(session, offer_id=first, node="main", now=DUE, lease=LEASE)
        await mark_sent(session, offer_id=first, now=DUE)
    assert await next_due(world, DUE + timedelta(hours=1)) is None, "one a day"
    assert await next_due(world, DUE + timedelta(days=1)) == second


async def test_what_is_on_its_way_to_a_merged_record_counts(world: World) -> None:
    kept, merged = await world.client("Ромашка"), await world.client("ООО Ромашка")
    await cap(world, 1)
    await queued(world, to(merged), await text_of(world))
    assert await code_of(world, to(kept)) == ""
    async with world.transaction() as session:
        await merge(
            session, survivor_id=await organisation_of(world, kept), duplicate_id=await organisation_of(world, merged),
            now=NOON,
        )  # fmt: skip
    assert await code_of(world, to(kept)) == "dial.cap"


async def cap(world: World, attempts_a_day: int) -> None:
    async with world.transaction() as session:
        (await get_campaign(session, world.campaign_id)).attempts_a_day = attempts_a_day


async def next_due(world: World, now: datetime) -> int | None:
    """The id of the offer whose turn it is."""
    async with world.transaction() as session:
        offer = await claim_due(session, now=now, node="main", lease=LEASE)
    return None if offer is None else offer.id


async def test_a_fax_goes_within_the_hours_and_an_email_at_any_time(world: World) -> None:
    client_id, night = await world.client(), NOON + timedelta(hours=9)
    async with world.database.reading() as session:
        fax = await may_send(session, to(client_id, FAX, channel=Channel.FAX), now=night)
        mail = await may_send(session, to(client_id), now=night)
        wanted = await may_send(session, to(client_id, FAX, channel=Channel.FAX, asked_for=True), now=night)
    assert (fax.code, mail.code, wanted.code) == ("dial.hours", "", "")
    assert fax.next_at is not None


async def test_where_consent_is_wanted_it_must_be_there(world: World) -> None:
    client_id = await world.client()
    async with world.transaction() as session:
        (await get_campaign(session, world.campaign_id)).consent = Consent.REQUIRED
    assert await code_of(world, to(client_id, asked_for=True)) == "offer.no_consent"
    organisation_id = await organisation_of(world, client_id)
    async with world.transaction() as session:
        await give(session, whom=Whom.ORGANISATION, target=organisation_id, evidence="договор", now=NOON)
    assert await code_of(world, to(client_id)) == ""


async def test_an_address_is_whose_it_is_whoever_is_named(world: World) -> None:
    """A number is that of its person, an address of whoever offers to it were for: left unnamed, or with somebody else
    named, what they have said holds."""
    client_id, text_id = await world.client(), await text_of(world)
    organisation_id = await organisation_of(world, client_id)
    anna, oleg = await world.person(client_id, "Петрова Анна"), await world.person(client_id, "Сидоров Олег")
    async with world.transaction() as session:
        session.add(PhoneNumber(organisation_id=organisation_id, person_id=anna, e164="+73422001234", raw=FAX))
    await queued(world, to(client_id, "Anna@Example.ru", person_id=anna), text_id)
    letters = [
        to(client_id, address, channel=channel, person_id=named, asked_for=True)
        for address, channel in (("anna@example.RU", Channel.EMAIL), (FAX, Channel.FAX))
        for named in (None, oleg)
    ]
    assert {await code_of(world, each) for each in letters} == {""}
    async with world.transaction() as session:
        request = await ask(session, whom=Whom.PERSON, target=anna, evidence="письмо", now=NOON)
    assert {await code_of(world, each) for each in letters} == {"offer.person_do_not_call"}
    async with world.transaction() as session:
        await lift(session, request_id=request.id, reason="передумала", now=NOON)
        wish = await opt_out(session, whom=OptsOut.PERSON, target=anna, evidence="письмо", now=NOON)
    assert {await code_of(world, each) for each in letters} == {"offer.opted_out"}
    assert await code_of(world, to(client_id, "oleg@example.ru", person_id=oleg, asked_for=True)) == ""
    async with world.transaction() as session:
        await lift_opt_out(session, opt_out_id=wish.id, reason="передумала", now=NOON)
        (await get_campaign(session, world.campaign_id)).consent = Consent.REQUIRED
        await give(session, whom=Whom.PERSON, target=anna, evidence="сказала сама", now=NOON)
    assert {await code_of(world, each) for each in letters} == {""}
    assert await code_of(world, to(client_id, "oleg@example.ru", person_id=oleg)) == "offer.no_consent"


async def test_on_whose_word_it_goes_is_part_of_what_was_looked_at(world: World) -> None:
    client_id, text_id = await world.client(), await text_of(world)
    async with world.transaction() as session:
        organisation_id = (await get_client(session, client_id)).organisation_id
        given = await give(session, whom=Whom.ORGANISATION, target=organisation_id, evidence="договор 7", now=NOON)
    looked = await prepared(world, to(client_id), text_id)
    assert looked.consents == ("договор 7",)
    digests = {(await prepared(world, to(client_id, asked_for=asked), text_id)).digest for asked in (False, True)}
    assert len(digests) == 2
    async with world.transaction() as session:
        await withdraw_consent(session, consent_id=given.id, reason="передумали", now=NOON)
    with pytest.raises(Conflict) as refused:
        async with world.transaction() as session:
            await queue_offer(session, looked, pdf=b"x", key="ab" * 16, now=NOON)
    assert refused.value.code == "offer.looks_otherwise"


async def test_what_may_not_go_any_more_is_withdrawn_when_its_turn_comes(world: World) -> None:
    client_id, text_id = await world.client(), await text_of(world)
    made = await queued(world, to(client_id), text_id)
    async with world.transaction() as session:
        await opt_out(session, whom=OptsOut.ADDRESS, target=ADDRESS, evidence="звонок", now=NOON)
    assert await claimed(world) is None
    assert await state_of(world, made.id) is OfferState.WITHDRAWN


async def test_what_may_go_later_waits(world: World) -> None:
    client_id, text_id = await world.client(), await text_of(world)
    made = await queued(world, to(client_id, FAX, channel=Channel.FAX), text_id)
    assert await claimed(world, at=9 * 60) is None
    async with world.database.reading() as session:
        offer = await offer_of(session, made.id)
    assert (offer.state, offer.next_try_at) == (OfferState.WAITING, NOON.replace(day=24, hour=4))


async def test_it_goes_when_it_cannot_be_withdrawn_any_more_and_to_one_node(world: World) -> None:
    made = await queued(world, to(await world.client()), await text_of(world))
    async with world.transaction() as session:
        assert not await is_any_due(session, now=NOON + timedelta(seconds=10))
        assert await claim_due(session, now=NOON + timedelta(seconds=10), node="main", lease=LEASE) is None
    assert (await claimed(world)) is not None
    assert await claimed(world, node="second") is None
    with pytest.raises(Conflict):
        async with world.transaction() as session:
            await mark_handing_over(session, offer_id=made.id, node="second", now=DUE, lease=LEASE)
    async with world.transaction() as session:
        await withdraw_offer(session, offer_id=made.id, now=DUE)
    with pytest.raises(Conflict) as refused:
        async with world.transaction() as session:
            await mark_handing_over(session, offer_id=made.id, node="main", now=DUE, lease=LEASE)
    assert refused.value.code == "offer.overtaken"


async def test_a_node_that_died_before_handing_over_leaves_it_to_the_next_and_after_it_a_doubt(world: World) -> None:
    made = await queued(world, to(await world.client()), await text_of(world))
    assert await claimed(world) is not None
    again = await claimed(world, node="second", at=2)
    assert again is not None
    async with world.transaction() as session:
        await mark_handing_over(session, offer_id=made.id, node="second", now=DUE, lease=LEASE)
    async with world.transaction() as session:
        assert await doubt_left(session, now=DUE + LEASE) == 0
        assert await is_any_due(session, now=DUE + 2 * LEASE)
        assert await doubt_left(session, now=DUE + 2 * LEASE) == 1
        assert await to_be_looked_at(session) == 1
        assert [row.offer.state for row in await list_offers(session)] == [OfferState.DOUBTFUL]
    assert await claimed(world, at=60 * 24) is None, "it is not sent again by itself"


async def test_a_doubt_is_settled_by_a_person(world: World) -> None:
    client_id, text_id = await world.client(), await text_of(world)
    offers = [(await queued(world, to(client_id), text_id)).id for _ in range(2)]
    for _ in offers:
        number = await handed_over(world)
        async with world.transaction() as session:
            await mark_tried(session, offer_id=number, reason="lost", now=DUE, in_doubt=True)
    async with world.transaction() as session:
        await settle_doubt(session, offer_id=offers[0], now=DUE)
        await send_again(session, offer_id=offers[1], now=DUE)
    assert [await state_of(world, each) for each in offers] == [OfferState.SENT, OfferState.WAITING]
    again = await claimed(world)
    assert again is not None
    assert again.id == offers[1]
    async with world.database.reading() as session:
        assert len(await letters_of(session, client_id)) == 1
    with pytest.raises(Conflict):
        async with world.transaction() as session:
            await settle_doubt(session, offer_id=offers[0], now=DUE)


async def test_it_is_tried_again_later_and_later_and_given_up(world: World) -> None:
    made = await queued(world, to(await world.client()), await text_of(world))
    waits = []
    for number in range(MOST_TRIES):
        async with world.transaction() as session:
            await mark_tried(session, offer_id=made.id, reason="greylisted", now=DUE)
            offer = await offer_of(session, made.id)
            waits.append((offer.next_try_at - DUE).total_seconds())
            assert (offer.state is OfferState.GIVEN_UP) == (number == MOST_TRIES - 1)
    assert waits[:4] == [30, 60, 120, 240]
    assert max(waits) == 7200
    async with world.transaction() as session:
        await send_again(session, offer_id=made.id, now=DUE)
    assert await claimed(world) is not None


async def test_refused_for_good_it_has_bounced_and_counts_for_nothing(world: World) -> None:
    client_id = await world.client()
    made = await queued(world, to(client_id), await text_of(world))
    async with world.transaction() as session:
        await mark_tried(session, offer_id=made.id, reason="no such user", now=DUE, for_good=True)
    assert await state_of(world, made.id) is OfferState.BOUNCED
    async with world.database.reading() as session:
        assert await letters_of(session, client_id) == []
    for step in (withdraw_offer, send_again):
        with pytest.raises(Conflict):
            async with world.transaction() as session:
                await step(session, offer_id=made.id, now=DUE)


async def test_what_cannot_be(world: World) -> None:
    client_id, other = await world.client(), await world.client("Юг")
    text_id = await text_of(world)
    with pytest.raises(Refused) as refused:
        to(client_id, "нет номера", channel=Channel.FAX)
    assert refused.value.code == "offer.fax_number"
    made = await queued(world, to(client_id), text_id)
    async with world.transaction() as session:
        with pytest.raises(NotFound) as unknown:
            await may_send(session, to(99), now=NOON)
        assert unknown.value.code == "client.unknown"
        for number, whose in ((99, None), (made.id, other)):
            with pytest.raises(NotFound) as unknown:
                await offer_of(session, number, client_id=whose)
            assert unknown.value.code == "offer.unknown"
        with pytest.raises(NotFound) as unknown:
            await kept_file(session, 99)
        assert unknown.value.code == "offer.file_gone"
        await set_retired(session, template=await get_template(session, 1), retired=True, now=NOON)
        with pytest.raises(NotFound) as unknown:
            await prepare(session, to(client_id), text_id=text_id, now=NOON)
        assert unknown.value.code == "offer.template_unknown"
        assert list(await session.scalars(select(PlanEntry))) == []


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE offers SET address = 'other@example.ru'",
        "UPDATE offers SET body = ''",
        "UPDATE offers SET client_id = 2",
        "UPDATE offers SET key = 'other'",
        "UPDATE offers SET state = 'sent'",
        "UPDATE offers SET state = 'anything'",
        "DELETE FROM offers",
        "UPDATE offer_files SET file_name = 'x'",
        "UPDATE offer_files SET sha256 = 'x'",
        "DELETE FROM offer_files",
    ],
)
async def test_the_database_keeps_what_was_written(world: World, change: str) -> None:
    client_id = await world.client()
    await world.client("Юг")
    await queued(world, to(client_id), await text_of(world), pdf=b"x")
    with pytest.raises(DBAPIError):
        async with world.database.engine.begin() as connection:
            await connection.execute(text(change))
