"""What is held on one person, for those who answer for it."""

from __future__ import annotations

import asyncio
import tempfile

from aiohttp import web
from sqlalchemy.ext.asyncio import AsyncSession

from crm import audit
from crm.base.organisations import get_organisation
from crm.care.erasures import Done, erase_organisation, erase_person
from crm.care.person_file import get_person, person_file
from crm.clientele.clients import get_client
from dialer.console.web import sent
from dialer.console.web.deps import DEPS
from dialer.console.web.pages import see_other
from dialer.console.web.troubles import Trouble
from dialer.console.web.visitors import visitor, words_of
from dialer.person_export import from_store, write_zip
from dialer.purging import remove_recordings
from dialer.words import mark

CHUNK_BYTES = 256 * 1024


async def export(request: web.Request) -> web.StreamResponse:
    """POST /people/{person_id}/export: a ZIP of all that is held. A deed: no GET, which a browser repeats."""
    deps, person_id = request.app[DEPS], int(request.match_info["person_id"])
    async with deps.database.transaction() as session:
        held = await person_file(session, person_id)
        audit.person_exported(session, person_id=person_id, user_id=visitor(request).user_id, now=deps.clock())
    with tempfile.TemporaryFile() as file:
        await asyncio.to_thread(
            write_zip, file, held, words_of(request), from_store(deps.store, deps.database.office_key)
        )
        response = web.StreamResponse(
            headers={
                "Content-Type": "application/zip",
                "Content-Disposition": f'attachment; filename="person-{person_id}.zip"',
            }
        )
        response.content_length = file.tell()
        file.seek(0)
        await response.prepare(request)
        while chunk := await asyncio.to_thread(file.read, CHUNK_BYTES):
            await response.write(chunk)
    await response.write_eof()
    return response


async def erase_one(request: web.Request) -> web.StreamResponse:
    """POST /clients/{client_id}/erase with `person` (an id, "" for the organisation), `reason`, and `name` typed once
    more: what is gone does not come back."""
    deps, fields = request.app[DEPS], await request.post()
    client_id = int(request.match_info["client_id"])
    person, reason, typed = (str(fields.get(name, "")).strip() for name in ("person", "reason", "name"))

    async def erased(session: AsyncSession) -> Done:
        client = await get_client(session, client_id)
        now, author_id, region = deps.clock(), visitor(request).user_id, deps.settings.dialing.region
        if person:
            found = await get_person(session, sent.number(person))
            _must_be(typed, found.full_name, belongs=found.organisation_id == client.organisation_id)
            return await erase_person(
                session, person_id=found.id, reason=reason, now=now, author_id=author_id, region=region
            )
        organisation = await get_organisation(session, client.organisation_id)
        _must_be(typed, organisation.name, belongs=True)
        return await erase_organisation(
            session, organisation_id=organisation.id, reason=reason, now=now, author_id=author_id, region=region
        )

    done = await deps.database.carry_out(erased)
    await asyncio.to_thread(remove_recordings, deps.store, done.recording_keys)
    return see_other(f"/clients/{client_id}")


def _must_be(typed: str, name: str, *, belongs: bool) -> None:
    if not belongs:
        raise Trouble.not_found()
    if typed != name:
        raise Trouble(
            400,
            mark("The name that was typed is another one. Nothing was erased."),
            mark("Go back and type the name as it stands there."),
        )
