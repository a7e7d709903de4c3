"""To whom of many clients an offer goes: each one's address, reader and fields, and whether it may go."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from crm.base.joined import is_joined
from crm.base.organisations import Organisation
from crm.base.people import Person
from crm.calls.letters import Channel
from crm.clientele.clients import Client
from crm.errors import CrmError
from crm.offers.addresses import Whither
from crm.offers.letter_rules import Had, verdicts
from crm.offers.rendering import common_values, render, values_of
from crm.offers.sending import whither
from crm.offers.templates import OfferTemplate, OfferText

_AT_ONCE: Final = 100  # calls go on between these
_NO_REGION: Final = ""  # of numbers: it goes by e-mail alone


@dataclass(frozen=True, slots=True)
class Addressee:
    """A client to whom it may go, or not. `code`: a key of `crm.errors.ERRORS`, "" where it goes; with `next_at` it
    goes later."""

    client_id: int
    organisation: str
    to: Whither | None
    code: str = ""
    params: Mapping[str, Any] = field(default_factory=dict)
    next_at: datetime | None = None

    @property
    def goes(self) -> bool:
        """Now or later."""
        return not self.code or self.next_at is not None


async def addressees(
    session: AsyncSession,
    client_ids: Sequence[int],
    *,
    text: OfferText,
    template: OfferTemplate,
    now: datetime,
    sender_id: int | None = None,
    unless: Had | None = None,
) -> list[Addressee]:
    """In the order of the ids. It goes by e-mail to the company's address, and speaks to the first person there who
    decides, if one is known. Whoever shares an address with one before gets nothing a second time."""
    common = await common_values(
        session, campaign_id=template.campaign_id, language=text.language, now=now, sender_id=sender_id
    )
    found, used = list[Addressee](), set[str]()
    for first in range(0, len(client_ids), _AT_ONCE):
        some = client_ids[first : first + _AT_ONCE]
        met = [_met(row, text, template, common) for row in await _known(session, some)]
        going = [each.to for each in met if each.to is not None and not each.code]
        said = iter(await verdicts(session, going, now=now, unless=unless))
        for each in met:
            if each.to is None or each.code:
                found.append(each)
                continue
            verdict, address = next(said), each.to.address.lower()
            code, params, next_at = verdict.code, verdict.params, verdict.next_at
            if address in used and (verdict.allowed or next_at is not None):
                code, params, next_at = "offer.same_address", {}, None
            elif verdict.allowed or next_at is not None:
                used.add(address)
            found.append(Addressee(each.client_id, each.organisation, each.to, code, params, next_at))
    return found


async def _known(
    session: AsyncSession, client_ids: Sequence[int]
) -> list[tuple[Client, Organisation, Person | None, bool]]:
    rows = await session.execute(
        select(Client, Organisation, is_joined(Client.id))
        .join(Organisation, Organisation.id == Client.organisation_id)
        .where(Client.id.in_(client_ids))
    )
    by_id = {client.id: (client, organisation, joined) for client, organisation, joined in rows}
    wanted = {organisation.id for _, organisation, _ in by_id.values()}
    deciding = select(Person).where(Person.organisation_id.in_(wanted), Person.decides, Person.erased_at.is_(None))
    people = dict[int, Person]()
    for person in await session.scalars(deciding.order_by(Person.id)):
        people.setdefault(person.organisation_id, person)
    return [
        (client, organisation, people.get(organisation.id), joined)
        for client, organisation, joined in (by_id[each] for each in client_ids if each in by_id)
    ]


def _met(
    row: tuple[Client, Organisation, Person | None, bool],
    text: OfferText,
    template: OfferTemplate,
    common: Mapping[str, str],
) -> Addressee:
    """With the reason that the client's own record gives, before anybody is asked whether it may go."""
    client, organisation, person, joined = row

    def refused(code: str, **params: Any) -> Addressee:
        return Addressee(client.id, organisation.name, None, code, params)

    if client.campaign_id != template.campaign_id:
        return refused("bulk.other_campaign")
    if joined:
        return refused("offer.client_merged")
    if not organisation.email.strip():
        return refused("offer.no_address")
    try:
        to = whither(
            client.id, channel=Channel.EMAIL, address=organisation.email, region=_NO_REGION,
            person_id=person.id if person else None,
        )  # fmt: skip
    except CrmError:
        return refused("offer.bad_address")
    missing = render(text.subject, text.body, {**common, **values_of(organisation, person)}).missing
    if missing:
        return refused("offer.missing", fields=", ".join(missing))
    return Addressee(client.id, organisation.name, to)
