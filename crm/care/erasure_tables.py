"""Erasing where more than texts stands: journals of merges, names of former owners, texts of nobody's."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import datetime

from sqlalchemy import delete, or_, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from crm.base.competitors import Competitor
from crm.base.joined import OrganisationMerge
from crm.base.past_deals import FormerOwner
from crm.care.bulk_actions import BulkAction
from crm.care.personal import ERASED, Traces, clients_of
from crm.care.portfolios import PortfolioMove
from crm.care.saved_filters import SavedFilter
from crm.clientele.clients import Client
from crm.offers.batches import OfferBatch
from crm.offers.incoming import IncomingMail
from crm.offers.offers import Offer, OfferFile, OfferState, turn
from crm.preparation.call_lists import CallList
from crm.questionnaires.answers import texts_in
from crm.questionnaires.questionnaires import QuestionnaireVersion
from crm.questionnaires.sheet_rows import SheetState


async def blank_loose_texts(session: AsyncSession, strict: Traces) -> None:
    """Texts that belong to no organisation and name the erased: remarks on lists, notes on competitors, filters,
    why a portfolio passed to others."""
    for call_list in list(await session.scalars(select(CallList))):
        if strict.are_in(call_list.remarks):
            await session.execute(update(CallList).where(CallList.id == call_list.id).values(remarks=ERASED))
    for rival in list(await session.scalars(select(Competitor))):
        texts = {"product": rival.product, "terms": rival.terms, "note": rival.note}
        going = {column: ERASED for column, said in texts.items() if strict.are_in(said)}
        if going:
            await session.execute(update(Competitor).where(Competitor.id == rival.id).values(going))
    for passed in list(await session.scalars(select(PortfolioMove))):
        if strict.are_in(passed.reason):
            await session.execute(update(PortfolioMove).where(PortfolioMove.id == passed.id).values(reason=ERASED))
    for saved in list(await session.scalars(select(SavedFilter))):
        if strict.are_in(saved.name) or strict.are_inside(saved.narrowing):
            await session.execute(delete(SavedFilter).where(SavedFilter.id == saved.id))
    for action in list(await session.scalars(select(BulkAction))):
        if strict.are_in(action.value) or strict.are_inside(action.narrowing):
            blank = update(BulkAction).where(BulkAction.id == action.id)
            await session.execute(blank.values(value=ERASED, narrowing={}))
    for batch in list(await session.scalars(select(OfferBatch))):
        if strict.are_inside(batch.narrowing):
            await session.execute(update(OfferBatch).where(OfferBatch.id == batch.id).values(narrowing={}))


async def blank_merges(session: AsyncSession, known: Traces, organisation_id: int, *, whole: bool) -> None:
    """Empty the journals of the organisation's merges, of a person those that tell of them: such a merge stays."""
    touching = or_(OrganisationMerge.survivor_id == organisation_id, OrganisationMerge.duplicate_id == organisation_id)
    for merge in list(await session.scalars(select(OrganisationMerge).where(touching))):
        if whole or known.are_inside(merge.journal):
            emptied = update(OrganisationMerge).where(OrganisationMerge.id == merge.id)
            await session.execute(emptied.values(journal={}))


async def blank_offers(
    session: AsyncSession, known: Traces, organisation_id: int, *, person_id: int | None, now: datetime
) -> None:
    """Offers to the organisation, or of a person those that were written to them or tell of them: what waits is not
    sent any more, texts and files go; that something was sent, and when, stays."""
    clients = select(Client.id).where(Client.organisation_id == organisation_id)
    for offer in list(await session.scalars(select(Offer).where(Offer.client_id.in_(clients)))):
        told = f"{offer.address} {offer.subject} {offer.body}"
        answers = list(await session.scalars(select(IncomingMail).where(IncomingMail.offer_id == offer.id)))
        told += "".join(f" {each.sender} {each.subject} {each.body}" for each in answers)
        theirs = person_id is None or offer.person_id == person_id or known.are_in(told)
        if not theirs and ERASED not in told:  # a text that has been blanked already told of them
            continue
        if offer.state in (OfferState.WAITING, OfferState.GIVEN_UP):
            await turn(session, offer, OfferState.WITHDRAWN, on="erased", now=now)
        blank = update(Offer).where(Offer.id == offer.id)
        await session.execute(blank.values(address=ERASED, subject=ERASED, body=ERASED, last_error=""))
        gone = update(OfferFile).where(OfferFile.offer_id == offer.id)
        await session.execute(gone.values(file_name=ERASED, content=b""))
        came_back = update(IncomingMail).where(IncomingMail.offer_id == offer.id)
        await session.execute(came_back.values(sender=ERASED, subject=ERASED, body=ERASED))


async def blank_former_owners(session: AsyncSession, known: Traces, organisation_id: int) -> None:
    """Names of salespeople are not the client's; one that is the person's goes."""
    clients = select(Client.id).where(Client.organisation_id == organisation_id)
    for owner in list(await session.scalars(select(FormerOwner).where(FormerOwner.client_id.in_(clients)))):
        if known.are_in(owner.name):
            await session.execute(update(FormerOwner).where(FormerOwner.id == owner.id).values(name=ERASED))


async def sheet_texts(session: AsyncSession, organisation_id: int) -> AsyncIterator[tuple[SheetState, dict[str, str]]]:
    """Each state of the sheets of the organisation's clients, with its answers in free words by their keys."""
    found = await session.execute(
        select(SheetState, QuestionnaireVersion)
        .join(QuestionnaireVersion, QuestionnaireVersion.id == SheetState.version_id)
        .where(SheetState.client_id.in_(clients_of(organisation_id)))
        .order_by(SheetState.id)
    )
    for state, version in list(found):
        yield state, texts_in(version.questions, state.answers)


async def blank_sheets(
    session: AsyncSession, known: Traces, organisation_id: int, *, whole: bool, now: datetime
) -> int:
    """Answers in free words; what was chosen, numbers and days stay, as reports count them. Returns how many went."""
    blanked = 0
    async for state, texts in sheet_texts(session, organisation_id):
        going = {key: ERASED for key, text in texts.items() if text != ERASED and (whole or known.are_in(text))}
        if going:
            blank = update(SheetState).where(SheetState.id == state.id)
            await session.execute(blank.values(answers={**state.answers, **going}, erased_at=now))
            blanked += len(going)
    return blanked
