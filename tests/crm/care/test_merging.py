"""Two organisations become one, and two again."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

import pytest
from sqlalchemy import func, select, text
from sqlalchemy.ext.asyncio import AsyncSession

from crm.audit import MERGE_UNDONE, ORGANISATIONS_MERGED, AuditEntry
from crm.base.addresses import AddressKind, add_address, addresses_of
from crm.base.do_not_call import request_of
from crm.base.duplicates import PairState, pair_of
from crm.base.joined import OrganisationMerge, standing_client, survivors
from crm.base.organisations import Organisation, get_organisation
from crm.base.past_deals import add_deal, add_former_owner, deals_of, former_owners_of
from crm.base.people import Person, people_at
from crm.base.phone_numbers import PhoneNumber, numbers_of
from crm.base.similar import Sought, similar_to
from crm.base.whom import Whom
from crm.calls.dial_rules import attempts_today
from crm.calls.owners import set_owner
from crm.care.merging import merge, undo
from crm.clientele.clients import get_client
from crm.clientele.groups import move_rows, moves_of
from crm.deals.deal_stages import DealStage
from crm.deals.deals import deals_of as book_deals
from crm.deals.deals import get_deal, open_deal
from crm.deals.moving import Step, move_deal
from crm.errors import Conflict, Refused
from crm.group import Group
from crm.importing.clients import import_clients
from crm.importing.mapping import guess_mapping
from crm.importing.tables import read_table
from crm.mapping import Base
from crm.offers.letter_rules import may_send
from crm.offers.offers import OfferState, offer_of, offers_of
from crm.offers.opt_outs import OptsOut, opt_out, opt_outs_at
from crm.offers.sending import claim_due
from crm.plan.callbacks import CallbackState, agree, bring_due, get_callback, open_callback
from crm.preparation.call_lists import list_named
from crm.preparation.campaigns import add_campaign, get_campaign
from crm.reading import views
from crm.reading.client_list import ClientFilters, clients_page
from crm.schema import METADATA
from crm.wrap_up.contacts import Contact
from crm.wrap_up.outcomes import OutcomeForm
from tests.crm.builders import NOON, World, open_call, wall
from tests.crm.offers.builders import queued, text_of, to
from tests.crm.overlap import Work, overlap

# What a merge and its undoing leave behind: versions that were counted on, what was decided, and the trace of it.
TRACES = {"organisation_merges", "duplicate_pairs", "audit_entries", "group_moves", "plan_entries"}


async def rows(world: World) -> dict[str, list[dict[str, Any]]]:
    """Everything in the base but traces and versions."""
    async with world.database.reading() as session:
        return {
            table.name: [
                {name: value for name, value in row.items() if name != "version"}
                for row in (await session.execute(select(table).order_by(*table.primary_key))).mappings()
            ]
            for table in METADATA.sorted_tables
            if table.name not in TRACES
        }


async def organisation_of(world: World, client_id: int) -> int:
    return (await world.get_client(client_id)).organisation_id


async def merged(world: World, survivor: int, duplicate: int, **options: Any) -> int:
    async with world.transaction() as session:
        return (await merge(session, survivor_id=survivor, duplicate_id=duplicate, now=NOON, **options)).id


async def undone(world: World, merge_id: int, *, later: timedelta = timedelta(minutes=1)) -> list[str]:
    async with world.transaction() as session:
        _, left = await undo(session, merge_id=merge_id, now=NOON + later)
        return left


async def another_campaign(world: World) -> tuple[int, int]:
    async with world.transaction() as session:
        campaign = await add_campaign(session, name="Осень", now=NOON)
        return campaign.id, (await list_named(session, campaign_id=campaign.id, name="Осенний")).id


async def two_with_history(world: World) -> tuple[int, int, int, int]:
    """Two organisations in one campaign, each called with a main contact; ids of clients, then of organisations."""
    operator = await world.operator()
    one, other = await world.client("Северный ветер", phones=2), await world.client("ООО Северный Ветер", phones=1)
    for client_id, name in ((one, "Петрова Анна"), (other, "Сидоров Олег")):
        person_id = await world.person(client_id, name)
        attempt_id = await world.call(client_id, operator)
        form = OutcomeForm("warm", person_id=person_id, summary="Говорили о вентиляции")
        await world.outcome(attempt_id, form, operator, at=NOON + timedelta(minutes=5))
    return one, other, await organisation_of(world, one), await organisation_of(world, other)


async def test_two_clients_of_one_campaign_are_read_and_called_as_one(world: World) -> None:
    one, other, survivor, duplicate = await two_with_history(world)
    await merged(world, survivor, duplicate)
    async with world.database.reading() as session:
        assert await standing_client(session, other) == one
        assert await survivors(session, [duplicate, survivor]) == {duplicate: survivor}
        assert [number.rank for number in await numbers_of(session, survivor)] == [0, 1, 2]
        people = {person.full_name: person.decides for person in await people_at(session, survivor)}
        assert people == {"Петрова Анна": True, "Сидоров Олег": True}
        # What happened stays with the client that it happened to.
        assert (await get_client(session, other)).organisation_id == duplicate
        assert (await get_client(session, other)).off_list_reason == "= Северный ветер"
        found = await similar_to(session, Sought(name="Северный ветер"))
        assert [each.organisation_id for each in found] == [survivor]
        actions = list(await session.scalars(select(AuditEntry.action)))
        assert actions.count(ORGANISATIONS_MERGED) == 1
        pair = await pair_of(session, survivor, duplicate)
        assert pair is not None
        assert pair.state is PairState.MERGED


async def test_undone_it_is_as_it_was_to_the_last_column(world: World) -> None:
    _, other, survivor, duplicate = await two_with_history(world)
    campaign_id, call_list_id = await another_campaign(world)
    del campaign_id, call_list_id
    third = await world.client("Третий")
    async with world.transaction() as session:
        here = await get_organisation(session, duplicate)
        here.city, here.site, here.attributes = "Пермь", "veter.ru", {"social_work": "yes"}
        await add_address(session, organisation_id=duplicate, kind=AddressKind.POSTAL, written="Пермь, а/я 1", now=NOON)
        await add_deal(session, organisation_id=duplicate, made_on=date(2024, 5, 1), now=NOON)
        await add_former_owner(session, client_id=other, name="Иванов", now=NOON)
        await agree(
            session, client=await get_client(session, other), owner_id=1, local_at=wall("2026-11-24 12:00"), now=NOON
        )
    del third
    before = await rows(world)
    merge_id = await merged(world, survivor, duplicate)
    assert await rows(world) != before
    async with world.database.reading() as session:
        here = await get_organisation(session, survivor)
        assert (here.city, here.domain_key, here.attributes) == ("Пермь", "veter.ru", {"social_work": "yes"})
        assert len(await addresses_of(session, survivor)) == len(await deals_of(session, survivor)) == 1
        assert [each.name for each in await former_owners_of(session, 1)] == ["Иванов"]
        promise = await open_callback(session, 1)
        assert promise is not None
    assert await undone(world, merge_id) == []
    after = await rows(world)
    for table, kept in before.items():
        assert after[table] == kept, table
    async with world.database.reading() as session:
        actions = list(await session.scalars(select(AuditEntry.action)))
        assert actions.count(MERGE_UNDONE) == 1
        pair = await pair_of(session, survivor, duplicate)
        assert pair is not None
        assert pair.state is PairState.OPEN


async def test_a_client_of_another_campaign_goes_over_with_its_contacts_and_comes_back(world: World) -> None:
    operator = await world.operator()
    one = await world.client("Северный ветер")
    campaign_id, call_list_id = await another_campaign(world)
    other = await world.client("Ветер", campaign_id=campaign_id, call_list_id=call_list_id)
    survivor, duplicate = await organisation_of(world, one), await organisation_of(world, other)
    same_name = await world.person(one, "петрова анна", decides=False)
    person_id, staying = await world.person(other), await world.person(other, "Сидоров Олег", decides=False)
    attempt_id = await world.call(other, operator)
    form = OutcomeForm("hot", person_id=person_id, summary="Готовы купить")
    await world.outcome(attempt_id, form, operator, at=NOON + timedelta(minutes=5))
    before = await rows(world)
    merge_id = await merged(world, survivor, duplicate)
    async with world.database.reading() as session:
        assert (await get_client(session, other)).organisation_id == survivor
        contact = (await session.scalars(select(Contact))).one()
        assert (contact.organisation_id, contact.person_id, contact.main) == (survivor, same_name, True)
        assert {person.id for person in await people_at(session, survivor)} == {same_name, staying}
        assert (await session.get_one(Person, same_name)).decides
        assert len(await moves_of(session, other)) == 1, "nothing was moved between groups for it"
    assert await undone(world, merge_id) == []
    assert await rows(world) == before


async def test_what_happens_after_the_merge_stays_with_its_client(world: World) -> None:
    _, _, survivor, duplicate = await two_with_history(world)
    campaign_id, call_list_id = await another_campaign(world)
    carried = await world.client("Ещё", campaign_id=campaign_id, call_list_id=call_list_id)
    async with world.transaction() as session:
        (await get_client(session, carried)).organisation_id = duplicate
    merge_id = await merged(world, survivor, duplicate)
    boris = await world.operator("Борис")
    async with world.database.reading() as session:
        anna = next(person for person in await people_at(session, survivor) if person.full_name == "Петрова Анна")
    # The survivor's Anna is spoken to as a client of the campaign that goes back; the survivor's name is changed.
    attempt_id = await world.call(carried, boris, at=NOON + timedelta(minutes=30))
    form = OutcomeForm("cold", person_id=anna.id, reason="Дорого", summary="Не сейчас")
    await world.outcome(attempt_id, form, boris, at=NOON + timedelta(minutes=40))
    async with world.transaction() as session:
        (await get_organisation(session, survivor)).name = "Новое имя"
    await undone(world, merge_id, later=timedelta(hours=1))
    async with world.database.reading() as session:
        assert (await get_client(session, carried)).organisation_id == duplicate
        contact = (await session.scalars(select(Contact).where(Contact.client_id == carried))).one()
        assert contact.organisation_id == duplicate
        assert contact.person_id != anna.id
        assert (await session.get_one(Person, contact.person_id)).full_name == "Петрова Анна"
        assert (await get_organisation(session, survivor)).name == "Новое имя"


async def test_what_was_changed_since_is_left_and_named(world: World) -> None:
    one, other = await world.client("Северный ветер"), await world.client("Ветер")
    survivor, duplicate = await organisation_of(world, one), await organisation_of(world, other)
    async with world.transaction() as session:
        here = await get_organisation(session, duplicate)
        here.city, here.email = "Пермь", "a@veter.ru"
    merge_id = await merged(world, survivor, duplicate)
    async with world.transaction() as session:
        (await get_organisation(session, survivor)).city = "Омск"
    assert await undone(world, merge_id) == [f"organisations:{survivor} city"]
    async with world.database.reading() as session:
        here = await get_organisation(session, survivor)
        assert (here.city, here.email, here.email_key) == ("Омск", "", "")


async def test_field_by_field(world: World) -> None:
    operator = await world.operator()
    one, other = await world.client("Северный ветер", group=Group.COLD), await world.client("Ветер", group=Group.HOT)
    survivor, duplicate = await organisation_of(world, one), await organisation_of(world, other)
    async with world.transaction() as session:
        (await get_client(session, other)).owner_id = operator
        here = await get_organisation(session, duplicate)
        here.city, here.industry = "Пермь", "Торговля"
    merge_id = await merged(world, survivor, duplicate, take=["name", "city", "group", "owner"])
    async with world.database.reading() as session:
        here, client = await get_organisation(session, survivor), await get_client(session, one)
        assert (here.name, here.name_key, here.city, here.industry) == ("Ветер", "ветер", "Пермь", "")
        assert (client.group, client.owner_id) == (Group.HOT, operator)
    await undone(world, merge_id)
    client = await world.get_client(one)
    assert (client.group, client.owner_id) == (Group.COLD, None)


async def test_an_owner_comes_with_the_day_since_when(world: World) -> None:
    anna, boris = await world.operator(), await world.operator("Борис")
    one, other, long_ago = await world.client("Северный ветер"), await world.client("Ветер"), NOON - timedelta(days=60)
    async with world.transaction() as session:
        for client_id, owner_id, since in ((one, anna, long_ago), (other, boris, NOON)):
            client = await get_client(session, client_id, lock=True)
            await set_owner(session, client=client, owner_id=owner_id, now=since, author_id=None)
    merge_id = await merged(
        world, await organisation_of(world, one), await organisation_of(world, other), take=["owner"]
    )
    client = await world.get_client(one)
    assert (client.owner_id, client.owned_since) == (boris, NOON)
    assert await undone(world, merge_id) == []
    client = await world.get_client(one)
    assert (client.owner_id, client.owned_since) == (anna, long_ago)


async def test_of_two_promises_the_earlier_one_stands_and_both_come_back(world: World) -> None:
    operator = await world.operator()
    one, other = await world.client("Северный ветер"), await world.client("Ветер")
    promises = {}
    async with world.transaction() as session:
        for client_id, at in ((one, "2026-11-24 15:00"), (other, "2026-11-24 12:00")):
            client = await get_client(session, client_id)
            agreed = await agree(session, client=client, owner_id=operator, local_at=wall(at), now=NOON)
            promises[client_id] = agreed.id
    merge_id = await merged(world, await organisation_of(world, one), await organisation_of(world, other))
    async with world.transaction() as session:
        standing = await open_callback(session, one)
        assert standing is not None
        assert standing.id == promises[other]
        assert (await get_callback(session, promises[one])).state is CallbackState.WITHDRAWN
        assert await bring_due(session, now=NOON + timedelta(days=1)) == [promises[other]]
    await undone(world, merge_id)
    async with world.transaction() as session:
        for client_id, promise_id in promises.items():
            promise = await open_callback(session, client_id)
            assert promise is not None
            assert promise.id == promise_id
        assert sorted(await bring_due(session, now=NOON + timedelta(days=2))) == sorted(promises.values())


async def test_who_asked_not_to_be_called_is_not_called_under_the_other_name(world: World) -> None:
    one, other = await world.client("Северный ветер"), await world.client("Ветер")
    survivor, duplicate = await organisation_of(world, one), await organisation_of(world, other)
    await world.silence(other)
    merge_id = await merged(world, survivor, duplicate)
    assert await world.is_silent(one)
    await undone(world, merge_id)
    assert not await world.is_silent(one)
    async with world.database.reading() as session:
        assert await request_of(session, Whom.ORGANISATION, duplicate) is not None


async def test_a_number_that_both_have_is_there_once(world: World) -> None:
    one, other = await world.client("Северный ветер"), await world.client("Ветер")
    survivor, duplicate = await organisation_of(world, one), await organisation_of(world, other)
    async with world.transaction() as session:
        shared = (await numbers_of(session, survivor))[0].e164
        session.add(PhoneNumber(organisation_id=duplicate, e164=shared, rank=5))
    await merged(world, survivor, duplicate)
    async with world.database.reading() as session:
        assert len(await numbers_of(session, survivor)) == 2
        assert [number.e164 for number in await numbers_of(session, duplicate)] == [shared]


async def test_nobody_is_merged_in_the_middle_of_a_call(world: World) -> None:
    operator = await world.operator()
    one, other = await world.client("Северный ветер"), await world.client("Ветер")
    survivor, duplicate = await organisation_of(world, one), await organisation_of(world, other)
    async with world.transaction() as session:
        await open_call(session, other, operator)
    with pytest.raises(Refused) as refused:
        await merged(world, survivor, duplicate)
    assert refused.value.code == "merge.being_called"


async def test_merges_are_undone_from_the_last_one(world: World) -> None:
    ids = [await organisation_of(world, await world.client(f"Ветер {number}")) for number in range(3)]
    with pytest.raises(Refused) as same:
        await merged(world, ids[0], ids[0])
    assert same.value.code == "merge.one_organisation"
    first = await merged(world, ids[1], ids[2])
    with pytest.raises(Conflict) as twice:
        await merged(world, ids[0], ids[2])
    assert twice.value.code == "merge.merged_already"
    second = await merged(world, ids[0], ids[1])
    async with world.database.reading() as session:
        assert await survivors(session, ids) == {ids[1]: ids[0], ids[2]: ids[0]}
        a_month_of_them = [*range(10_000, 50_000), *ids]
        assert await survivors(session, a_month_of_them) == {ids[1]: ids[0], ids[2]: ids[0]}
    with pytest.raises(Conflict) as early:
        await undone(world, first)
    assert (early.value.code, early.value.params) == ("merge.later_one", {"number": second})
    await undone(world, second)
    await undone(world, first)
    with pytest.raises(Conflict) as again:
        await undone(world, first)
    assert again.value.code == "merge.undone"
    async with world.database.reading() as session:
        assert await survivors(session, ids) == {}
        assert await session.scalar(select(func.count()).select_from(OrganisationMerge)) == 2


async def test_an_import_of_the_old_name_finds_the_survivor(world: World) -> None:
    one, other = await world.client("Северный ветер"), await world.client("Ветер")
    survivor, duplicate = await organisation_of(world, one), await organisation_of(world, other)
    async with world.database.reading() as session:
        numbers = [(await numbers_of(session, each))[0].e164 for each in (survivor, duplicate)]
    await merged(world, survivor, duplicate)
    table = read_table(f"название;телефон;город\nВетер;{numbers[1]};Пермь\n".encode())
    async with world.transaction() as session:
        report = await import_clients(
            session, campaign=await get_campaign(session, world.campaign_id), table=table,
            mapping=guess_mapping(table.header), list_name="Первый", now=NOON,
        )  # fmt: skip
        assert (report.taken, report.merged) == (0, 1)
        assert (await get_organisation(session, survivor)).city == "Пермь"


async def test_they_are_read_as_one_and_counted_as_one(world: World) -> None:
    one, other, survivor, duplicate = await two_with_history(world)
    await merged(world, survivor, duplicate)
    async with world.database.reading() as session:
        calls = await views.calls_page(session, filters=views.CallFilters(client_id=one))
        assert {row.client_id for row in calls.rows} == {one, other}
        assert len(await move_rows(session, one)) == 2
        assert len((await views.card(session, client_id=one)).last_calls) == 2
        listed = await clients_page(session, filters=ClientFilters())
        assert [row.client_id for row in listed.rows] == [one]
        campaign = await get_campaign(session, world.campaign_id)
        assert await attempts_today(session, organisation_id=survivor, campaign=campaign, now=NOON) == 2


async def test_deals_become_the_survivors_and_go_back(world: World) -> None:
    one, other, survivor, duplicate = await two_with_history(world)
    owner, secretary = await world.operator(), await world.person(other, "Ким Пётр", decides=False)
    async with world.transaction() as session:
        (await get_campaign(session, world.campaign_id)).sells_by_deals = True
        deal = await open_deal(session, client_id=other, owner_id=owner, person_id=secretary, now=NOON)
    merge_id = await merged(world, survivor, duplicate)
    async with world.transaction() as session:
        assert [each.id for each in await book_deals(session, one)] == [deal.id]
        with pytest.raises(Refused) as refused:
            await open_deal(session, client_id=other, owner_id=owner, now=NOON)
        assert refused.value.code == "deal.merged"
    async with world.transaction() as session:
        moved = await move_deal(session, deal_id=deal.id, step=Step(DealStage.OFFER), now=NOON)
        assert moved.client_id == one
        since = await open_deal(session, client_id=one, owner_id=owner, now=NOON)
    assert await undone(world, merge_id) == []
    async with world.database.reading() as session:
        assert [(each.id, each.stage) for each in await book_deals(session, other)] == [(deal.id, DealStage.OFFER)]
        assert [each.id for each in await book_deals(session, one)] == [since.id]


async def test_a_deal_names_who_is_used_now(world: World) -> None:
    """Whom both organisations knew is one person, and two again."""
    one, other = await world.client("Ветер"), await world.client("Ветер, филиал")
    ours, theirs = await world.person(one, "Ким Пётр"), await world.person(other, "Ким Пётр")
    owner = await world.operator()
    async with world.transaction() as session:
        (await get_campaign(session, world.campaign_id)).sells_by_deals = True
        deal = await open_deal(session, client_id=other, owner_id=owner, person_id=theirs, now=NOON)
    merge_id = await merged(world, await organisation_of(world, one), await organisation_of(world, other))
    for person_id in (ours, theirs):
        async with world.database.reading() as session:
            assert (await get_deal(session, deal.id)).person_id == person_id
        if person_id == ours:
            assert await undone(world, merge_id) == []


async def test_what_was_merged_before_is_read_with_it(world: World) -> None:
    """A chain: what became one is merged into a third."""
    one, other, survivor, duplicate = await two_with_history(world)
    third = await world.client("Ветер с севера", phones=1)
    await merged(world, survivor, duplicate)
    await merged(world, await organisation_of(world, third), survivor)
    async with world.database.reading() as session:
        assert await standing_client(session, other) == third
        calls = await views.calls_page(session, filters=views.CallFilters(client_id=third))
        assert {row.client_id for row in calls.rows} == {one, other}
        assert {row.entered for row in await move_rows(session, third)} == {Group.WARM}
        campaign = await get_campaign(session, world.campaign_id)
        organisation_id = await organisation_of(world, third)
        assert await attempts_today(session, organisation_id=organisation_id, campaign=campaign, now=NOON) == 2


async def test_offers_are_read_with_the_survivors_and_go_back(world: World) -> None:
    one, other, survivor, duplicate = await two_with_history(world)
    text_id = await text_of(world)
    offer = await queued(world, to(other, asked_for=True), text_id, pdf=b"%PDF-")
    merge_id = await merged(world, survivor, duplicate)
    async with world.transaction() as session:
        assert [row.offer.id for row in await offers_of(session, one)] == [offer.id]
        assert (await offer_of(session, offer.id, client_id=one)).client_id == other
        assert (
            await claim_due(session, now=NOON + timedelta(minutes=1), node="main", lease=timedelta(minutes=1)) is None
        )
        withdrawn = await offer_of(session, offer.id)
        assert (withdrawn.state, withdrawn.last_error) == (OfferState.WITHDRAWN, "dial.off_list")
    assert await undone(world, merge_id) == []
    async with world.database.reading() as session:
        assert await offers_of(session, one) == []
        assert [row.offer.id for row in await offers_of(session, other)] == [offer.id]


@pytest.mark.parametrize("whom", [OptsOut.ORGANISATION, OptsOut.PERSON])
async def test_who_wants_no_letters_gets_none_under_the_other_record(world: World, whom: OptsOut) -> None:
    one, other = await world.client("Ветер"), await world.client("Ветер, филиал")
    survivor, duplicate = await organisation_of(world, one), await organisation_of(world, other)
    ours, theirs = await world.person(one, "Ким Пётр"), await world.person(other, "Ким Пётр")
    letter = to(one, person_id=ours, asked_for=True)
    async with world.transaction() as session:
        target = {OptsOut.ORGANISATION: duplicate, OptsOut.PERSON: theirs}[whom]
        said = await opt_out(session, whom=whom, target=target, evidence="письмо", now=NOON)
        assert (await may_send(session, letter, now=NOON)).allowed
    merge_id = await merged(world, survivor, duplicate)
    async with world.database.reading() as session:
        assert (await may_send(session, letter, now=NOON)).code == "offer.opted_out"
        assert [each.id for each in await opt_outs_at(session, survivor)] == [said.id]
    assert await undone(world, merge_id) == []
    async with world.database.reading() as session:
        assert (await may_send(session, letter, now=NOON)).allowed
        assert [each.id for each in await opt_outs_at(session, duplicate)] == [said.id]


async def test_who_said_it_under_a_copied_record_keeps_it(world: World) -> None:
    """The record that was made for the survivor cannot go with the undoing: a request names it."""
    _, _, survivor, duplicate = await two_with_history(world)
    merge_id = await merged(world, survivor, duplicate)
    async with world.transaction() as session:
        (copied,) = [each for each in await people_at(session, survivor) if each.full_name == "Сидоров Олег"]
        await opt_out(session, whom=OptsOut.PERSON, target=copied.id, evidence="письмо", now=NOON)
    assert f"people:{copied.id}" in await undone(world, merge_id)
    async with world.database.reading() as session:
        assert len(await opt_outs_at(session, survivor)) == 1


def test_every_table_that_names_an_organisation_or_its_client_is_thought_of() -> None:
    """A new table must say here what a merge does with it."""
    moved = {"people", "phone_numbers", "clients", "addresses", "past_deals", "competitor_uses", "contacts"}
    repeated = {"do_not_call"}
    stays_with_its_client = {
        "attempts",
        "group_moves",
        "plan_entries",
        "callbacks",
        "former_owners",
        "deals",
        "letters",
        "list_marks",
        "offers",
        "outbox",
        "referrals",  # one that is offered goes on with the other client
        "sheets",  # read with the other client's, as long as that one has none of its own
    }
    hold_for_both = {"opt_outs"}
    not_presumed = {"consents"}  # of the numbers of another record
    as_it_was = {
        "import_rows",
        "bulk_changes",
        "erasures",
        "portfolio_rows",
        "offer_batch_clients",
    }  # of whoever it was done to then
    own = {"organisation_merges", "duplicate_pairs", "client_joins"}
    naming = {
        table.name
        for table in Base.metadata.tables.values()
        for key in table.foreign_keys
        if key.column.table.name in ("organisations", "clients")
    }
    assert naming == moved | repeated | stays_with_its_client | hold_for_both | not_presumed | as_it_was | own
    assert Organisation.__tablename__ == "organisations"


async def test_two_merges_at_once_do_not_make_a_circle(world: World) -> None:
    first, second = [await organisation_of(world, await world.client(name)) for name in ("Север", "Юг")]
    async with world.transaction() as session:  # with clients in one campaign they would wait for those
        await session.execute(text("DELETE FROM clients"))

    def merging(survivor: int, duplicate: int) -> Work:
        return lambda session: merge(session, survivor_id=survivor, duplicate_id=duplicate, now=NOON)

    _, refused = await overlap(world.database, merging(first, second), merging(second, first))
    assert getattr(refused, "code", "") == "merge.merged_already"


async def test_a_company_is_not_called_that_is_merged_at_this_moment(world: World) -> None:
    """The client of the other campaign has come to the survivor, which is called in its own."""
    anna, boris = await world.operator(), await world.operator("Борис")
    async with world.transaction() as session:
        campaign = await add_campaign(session, name="Вторая", now=NOON)
        call_list = await list_named(session, campaign_id=campaign.id, name="Второй")
    here = await world.client("Север")
    there = await world.client("Юг", campaign_id=campaign.id, call_list_id=call_list.id)
    survivor, duplicate = await organisation_of(world, here), await organisation_of(world, there)

    async def merge_and_call(session: AsyncSession) -> None:
        await merge(session, survivor_id=survivor, duplicate_id=duplicate, now=NOON)
        await open_call(session, here, anna)

    _, refused = await overlap(world.database, merge_and_call, lambda session: open_call(session, there, boris))
    assert getattr(refused, "code", "") == "dial.attempt_active"
