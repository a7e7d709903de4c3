"""Approvals: dated and signed, for what was there, and open again once it is another."""

from __future__ import annotations

import hashlib
from datetime import date, timedelta
from typing import Any

import pytest
from sqlalchemy import select, text
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from crm.audit import APPROVAL_REOPENED, APPROVED, AuditEntry
from crm.errors import Conflict, NotFound, Refused
from crm.preparation.approvals import Approval, Signature, Subject, approve, reopen_changed, signatures
from crm.preparation.campaign_setup import change_setup
from crm.preparation.campaigns import Campaign, get_campaign
from crm.preparation.candidates import CandidateState, add_candidate, candidates_of, change_candidate, get_candidate
from crm.preparation.materials import MaterialKind, add_material, materials_of, remove_material
from crm.preparation.scripts import change_script
from tests.crm.builders import NOON, World

TODAY = date(2026, 11, 23)


async def offer(session: AsyncSession, campaign: Campaign, content: bytes) -> None:
    digest = hashlib.sha256(content).hexdigest()
    await add_material(
        session, campaign=campaign, kind=MaterialKind.OFFER, file_name="кп.pdf", sha256=digest, size_bytes=9, now=NOON
    )


async def put(session: AsyncSession, campaign: Campaign, subject: Subject, words: str) -> None:
    """Let there be something to approve; other words, something else."""
    match subject:
        case Subject.RUBRICS | Subject.SOURCES:
            changes: dict[str, Any] = {subject.value: words}
            await change_setup(session, campaign=campaign, now=NOON, **changes)
        case Subject.SCRIPT:
            await change_script(session, campaign=campaign, script=f"# {words}", now=NOON)
        case _:
            await offer(session, campaign, words.encode())


@pytest.mark.parametrize("subject", [Subject.RUBRICS, Subject.SOURCES, Subject.OFFER, Subject.SCRIPT])
async def test_what_was_signed_is_open_again_when_it_is_changed(world: World, subject: Subject) -> None:
    async with world.transaction() as session:
        campaign = await get_campaign(session, world.campaign_id)
        await put(session, campaign, subject, "Первое")
        signed = await approve(session, campaign=campaign, subject=subject, signer=" Орлова  И. ", now=NOON)
        assert (signed.signer, signed.signed_on) == ("Орлова И.", TODAY)
        await change_setup(session, campaign=campaign, now=NOON, customer="Не из того, что подписано")
        assert await reopen_changed(session, campaign_id=campaign.id, now=NOON) == []
        assert await signatures(session, campaign.id) == {(subject, None): Signature("Орлова И.", TODAY, True)}
        await put(session, campaign, subject, "Второе")
        assert not (await signatures(session, campaign.id))[subject, None].holds, "though nobody has reopened it yet"
        assert await reopen_changed(session, campaign_id=campaign.id, now=NOON) == [signed]
        assert not (await signatures(session, campaign.id))[subject, None].holds
        await approve(session, campaign=campaign, subject=subject, signer="Петров", now=NOON, signed_on=TODAY)
        assert (await signatures(session, campaign.id))[subject, None] == Signature("Петров", TODAY, True)
        actions = list(await session.scalars(select(AuditEntry.action).order_by(AuditEntry.id)))
    assert [action for action in actions if action.startswith("approval")] == [APPROVED, APPROVAL_REOPENED, APPROVED]


async def test_what_was_changed_back_must_be_signed_again(world: World) -> None:
    async with world.transaction() as session:
        campaign = await get_campaign(session, world.campaign_id)
        for words in ("Один", "Два"):
            await change_script(session, campaign=campaign, script=f"# {words}", now=NOON)
            if words == "Один":
                await approve(session, campaign=campaign, subject=Subject.SCRIPT, signer="Орлова", now=NOON)
            await reopen_changed(session, campaign_id=campaign.id, now=NOON)
        await change_script(session, campaign=campaign, script="# Один", now=NOON)
        assert not (await signatures(session, campaign.id))[Subject.SCRIPT, None].holds


async def test_an_offer_taken_off_is_no_longer_the_one_signed(world: World) -> None:
    async with world.transaction() as session:
        campaign = await get_campaign(session, world.campaign_id)
        await offer(session, campaign, b"one")
        await approve(session, campaign=campaign, subject=Subject.OFFER, signer="Орлова", now=NOON)
        (material,) = await materials_of(session, campaign.id)
        await remove_material(session, material=material, now=NOON)
        assert len(await reopen_changed(session, campaign_id=campaign.id, now=NOON)) == 1


@pytest.mark.parametrize(
    ("given", "code"),
    [
        ({"signer": " "}, "approval.needs_signer"),
        ({"signed_on": TODAY + timedelta(days=1)}, "approval.in_future"),
        ({"subject": Subject.SCRIPT}, "approval.nothing"),
        ({"subject": Subject.OPERATOR}, "approval.nothing"),
        ({"subject": Subject.OPERATOR, "candidate_id": 99}, "approval.nothing"),
    ],
)
async def test_what_cannot_be_signed(world: World, given: dict[str, Any], code: str) -> None:
    async with world.transaction() as session:
        campaign = await get_campaign(session, world.campaign_id)
        await put(session, campaign, Subject.RUBRICS, "Вентиляция")
        with pytest.raises(Refused) as refused:
            await approve(
                session, campaign=campaign, now=NOON, **{"subject": Subject.RUBRICS, "signer": "Орлова", **given}
            )
        assert refused.value.code == code


async def test_one_approval_stands_at_a_time_whoever_writes(world: World) -> None:
    async with world.transaction() as session:
        campaign = await get_campaign(session, world.campaign_id)
        await put(session, campaign, Subject.RUBRICS, "Вентиляция")
        for _twice in range(2):
            await approve(session, campaign=campaign, subject=Subject.RUBRICS, signer="Орлова", now=NOON)
        assert [each.reopened_at for each in await session.scalars(select(Approval).order_by(Approval.id))] == [
            *(NOON, None)
        ]
    with pytest.raises(IntegrityError):
        async with world.transaction() as session:
            await session.execute(text("UPDATE approvals SET reopened_at = NULL"))


async def test_a_trained_operator_is_signed_for_until_the_result_is_another(world: World) -> None:
    async with world.transaction() as session:
        campaign = await get_campaign(session, world.campaign_id)
        boris = await add_candidate(session, campaign=campaign, name=" Борис  Б. ", now=NOON)
        for changes in ({"state": CandidateState.HIRED}, {"state": CandidateState.TRAINED, "score": 87}):
            with pytest.raises(Refused) as refused:
                await approve(
                    session, campaign=campaign, subject=Subject.OPERATOR, candidate_id=boris.id, signer="О", now=NOON
                )
            assert refused.value.code == "approval.nothing"
            await change_candidate(session, candidate=boris, now=NOON, **changes)
        await approve(
            session, campaign=campaign, subject=Subject.OPERATOR, candidate_id=boris.id, signer="Орлова", now=NOON
        )
        assert (await signatures(session, campaign.id))[Subject.OPERATOR, boris.id].holds
        await change_candidate(session, candidate=boris, now=NOON, remarks="вежлив")
        assert await reopen_changed(session, campaign_id=campaign.id, now=NOON) == []
        await change_candidate(session, candidate=boris, now=NOON, score=40)
        assert len(await reopen_changed(session, campaign_id=campaign.id, now=NOON)) == 1


async def test_a_candidate_goes_step_by_step(world: World) -> None:
    async with world.transaction() as session:
        campaign = await get_campaign(session, world.campaign_id)
        with pytest.raises(Refused) as refused:
            await add_candidate(session, campaign=campaign, name=" ", now=NOON)
        assert refused.value.code == "candidate.needs_name"
        boris = await add_candidate(session, campaign=campaign, name="Борис", now=NOON)
        assert await candidates_of(session, campaign.id) == [boris]
    for changes, code in (
        ({"state": CandidateState.TRAINED, "score": 50}, "candidate.step"),
        ({"score": 101}, "candidate.score"),
    ):
        async with world.transaction() as session:
            boris = await get_candidate(session, campaign_id=world.campaign_id, candidate_id=boris.id, lock=True)
            with pytest.raises(Refused) as refused:
                await change_candidate(session, candidate=boris, now=NOON, **changes)
            assert refused.value.code == code
            session.expunge_all()
    async with world.transaction() as session:
        boris = await get_candidate(session, campaign_id=world.campaign_id, candidate_id=boris.id, lock=True)
        await change_candidate(session, candidate=boris, now=NOON, version=1, state=CandidateState.HIRED)
        with pytest.raises(Conflict) as stale:
            await change_candidate(session, candidate=boris, now=NOON, version=1, remarks="поздно")
        assert stale.value.code == "candidate.changed_meanwhile"
        for campaign_id, candidate_id in ((campaign.id, 99), (campaign.id + 1, boris.id)):
            with pytest.raises(NotFound) as unknown:
                await get_candidate(session, campaign_id=campaign_id, candidate_id=candidate_id)
            assert unknown.value.code == "candidate.unknown"
    async with world.transaction() as session:
        boris = await get_candidate(session, campaign_id=world.campaign_id, candidate_id=boris.id, lock=True)
        with pytest.raises(Refused) as refused:
            await change_candidate(session, candidate=boris, now=NOON, state=CandidateState.TRAINED)
        assert refused.value.code == "candidate.needs_score"
        session.expunge_all()
