"""E-mails and faxes that were sent to a client, noted on its page, and withdrawn there."""

from __future__ import annotations

from collections.abc import Mapping

from aiohttp import web
from sqlalchemy.ext.asyncio import AsyncSession

from crm.calls.letters import Channel, letters_of, note_letter, withdraw_letter
from crm.errors import NotFound
from dialer.console.web import sent
from dialer.console.web.deps import DEPS
from dialer.console.web.pages import see_other
from dialer.console.web.troubles import Trouble
from dialer.console.web.visitors import scope_of, visitor, zone_of


async def note(request: web.Request) -> web.StreamResponse:
    """POST /clients/{client_id}/letters with `channel`, `note` and `sent_at` (on the reader's clock; "": just now); or
    with `withdraw` (a letter's number) and `reason`."""
    deps, client_id = request.app[DEPS], int(request.match_info["client_id"])
    fields = {name: str(value) for name, value in (await request.post()).items()}
    async with deps.database.transaction() as session:
        client_id = await scope_of(request).standing_client(session, client_id)
        if fields.get("withdraw"):
            await _withdraw(request, session, client_id, fields)
        else:
            await _note(request, session, client_id, fields)
    return see_other(f"/clients/{client_id}")


async def _note(request: web.Request, session: AsyncSession, client_id: int, fields: Mapping[str, str]) -> None:
    user_id, typed = visitor(request).user_id, fields.get("sent_at", "").strip()
    sent_at = sent.moment(typed, zone_of(request))
    if fields.get("channel") not in set(Channel) or (typed and sent_at is None):
        raise Trouble.unreadable()
    await note_letter(
        session, client_id=client_id, channel=Channel(fields["channel"]), sent_at=sent_at,
        note=fields.get("note", ""), now=request.app[DEPS].clock(), sent_by=user_id, author_id=user_id,
    )  # fmt: skip


async def _withdraw(request: web.Request, session: AsyncSession, client_id: int, fields: Mapping[str, str]) -> None:
    letter_id = sent.number(fields["withdraw"])
    if letter_id not in {row.id for row in await letters_of(session, client_id)}:
        raise NotFound("letter.unknown")
    await withdraw_letter(
        session, letter_id=letter_id, reason=fields.get("reason", ""), now=request.app[DEPS].clock(),
        author_id=visitor(request).user_id,
    )  # fmt: skip
