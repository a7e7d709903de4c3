"""Consent to being called: presumed, or required with its evidence, as the campaign has it."""

from __future__ import annotations

import pytest
from sqlalchemy import select, text
from sqlalchemy.exc import DBAPIError

from crm.audit import CONSENT_GIVEN, CONSENT_WITHDRAWN, AuditEntry
from crm.base.people import add_person
from crm.base.phone_numbers import PhoneNumber, numbers_of
from crm.base.whom import Whom
from crm.calls.dial_rules import may_dial
from crm.clientele.consents import consents_of, give, withdraw_consent
from crm.day.day_plan import build, claim_next
from crm.errors import CrmError
from crm.preparation.campaigns import change_campaign, get_campaign
from tests.crm.builders import LEASE_S, NOON, World


@pytest.fixture
async def careful(world: World) -> World:
    """A campaign that calls nobody without a consent."""
    async with world.transaction() as session:
        campaign = await get_campaign(session, world.campaign_id, lock=True)
        await change_campaign(session, campaign=campaign, now=NOON, consent="required")
    return world


async def organisation_of(world: World, client_id: int) -> int:
    return (await world.get_client(client_id)).organisation_id


async def agree(world: World, whom: Whom, target: str | int) -> int:
    async with world.transaction() as session:
        return (await give(session, whom=whom, target=target, evidence="письмо от 3 ноября", now=NOON)).id


async def code_of(world: World, client_id: int, operator_id: int, phone_number_id: int | None = None) -> str:
    async with world.database.reading() as session:
        found = await may_dial(
            session, client_id=client_id, operator_id=operator_id, now=NOON, phone_number_id=phone_number_id
        )
        return found.code


async def test_it_is_presumed_unless_the_campaign_requires_it(world: World) -> None:
    operator, client_id = await world.operator(), await world.client()
    assert await code_of(world, client_id, operator) == ""
    await agree(world, Whom.ORGANISATION, await organisation_of(world, client_id))
    async with world.database.reading() as session:
        (kept,) = await consents_of(session, await organisation_of(world, client_id))
    assert kept.evidence == "письмо от 3 ноября"


@pytest.mark.parametrize("whom", Whom)
async def test_a_number_its_person_or_the_company_agrees(careful: World, whom: Whom) -> None:
    operator, client_id = await careful.operator(), await careful.client(phones=2)
    organisation_id = await organisation_of(careful, client_id)
    async with careful.transaction() as session:
        person = await add_person(session, organisation_id=organisation_id, full_name="Петрова Анна")
        first, second = await numbers_of(session, organisation_id)
        (await session.get_one(PhoneNumber, second.id)).person_id = person.id
    targets: dict[Whom, str | int] = {
        Whom.NUMBER: second.e164, Whom.PERSON: person.id, Whom.ORGANISATION: organisation_id,
    }  # fmt: skip
    assert await code_of(careful, client_id, operator) == "dial.no_consent"
    consent_id = await agree(careful, whom, targets[whom])
    assert await agree(careful, whom, targets[whom]) == consent_id
    async with careful.database.reading() as session:
        found = await may_dial(session, client_id=client_id, operator_id=operator, now=NOON)
    assert found.phone_number_id == (first.id if whom is Whom.ORGANISATION else second.id)
    code = "" if whom is Whom.ORGANISATION else "dial.no_consent"
    assert await code_of(careful, client_id, operator, first.id) == code
    async with careful.transaction() as session:
        await withdraw_consent(session, consent_id=consent_id, reason="передумали", now=NOON)
    assert await code_of(careful, client_id, operator) == "dial.no_consent"
    async with careful.database.reading() as session:
        actions = list(await session.scalars(select(AuditEntry.action).where(AuditEntry.subject == "consent:1")))
    assert actions == [CONSENT_GIVEN, CONSENT_WITHDRAWN]


async def test_the_plan_asks_for_it_too(careful: World) -> None:
    operator = await careful.operator()
    await careful.client("Молчит")
    agreed = await careful.client("Согласна")
    consent_id = await agree(careful, Whom.ORGANISATION, await organisation_of(careful, agreed))
    async with careful.transaction() as session:
        assert await build(session, campaign_id=careful.campaign_id, day=NOON.date(), now=NOON) == 1
        await withdraw_consent(session, consent_id=consent_id, reason="передумали", now=NOON)
    async with careful.transaction() as session:
        assert await claim_next(session, operator_id=operator, now=NOON, lease_s=LEASE_S) is None
    await agree(careful, Whom.ORGANISATION, await organisation_of(careful, agreed))
    async with careful.transaction() as session:
        assert await build(session, campaign_id=careful.campaign_id, day=NOON.date(), now=NOON) == 1


async def test_what_cannot_be(world: World) -> None:
    consent_id = await agree(world, Whom.NUMBER, "+73420001234")

    async def code(**words: object) -> str:
        with pytest.raises(CrmError) as refused:
            async with world.transaction() as session:
                await withdraw_consent(session, now=NOON, **words)  # type: ignore[arg-type]  # the test names them
        return refused.value.code

    with pytest.raises(CrmError) as refused:
        async with world.transaction() as session:
            await give(session, whom=Whom.NUMBER, target="+73420001235", evidence=" ", now=NOON)
    assert refused.value.code == "consent.needs_evidence"
    assert await code(consent_id=99, reason="x") == "consent.unknown"
    assert await code(consent_id=consent_id, reason=" ") == "consent.needs_reason"
    async with world.transaction() as session:
        await withdraw_consent(session, consent_id=consent_id, reason="так", now=NOON)
    assert await code(consent_id=consent_id, reason="x") == "consent.withdrawn"
    for change in ("evidence = ' '", "e164 = NULL", "withdraw_reason = ''"):
        with pytest.raises(DBAPIError):
            async with world.database.engine.begin() as connection:
                await connection.execute(text(f"UPDATE consents SET {change}"))
