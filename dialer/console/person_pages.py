"""What is held on one person, for those who answer for it."""

from __future__ import annotations

import asyncio
import tempfile

from aiohttp import web

from crm import audit
from crm.person_file import person_file
from dialer.console.deps import DEPS
from dialer.console.visitors import visitor, words_of
from dialer.person_export import from_store, write_zip

CHUNK_BYTES = 256 * 1024


async def export(request: web.Request) -> web.StreamResponse:
    """POST /people/{person_id}/export: a ZIP of all that is held. A deed: no GET, which a browser repeats."""
    deps, person_id = request.app[DEPS], int(request.match_info["person_id"])
    async with deps.database.transaction() as session:
        held = await person_file(session, person_id)
        audit.person_exported(session, person_id=person_id, user_id=visitor(request).user_id, now=deps.clock())
    with tempfile.TemporaryFile() as file:
        await asyncio.to_thread(write_zip, file, held, words_of(request), from_store(deps.store))
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
