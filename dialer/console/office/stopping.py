"""The big switch: all dialling stops, or may go on."""

from __future__ import annotations

from aiohttp import web

from dialer.console.web.deps import DEPS
from dialer.console.web.pages import pages_of, see_other
from dialer.console.web.visitors import visitor, words_of


async def stop_dialling(request: web.Request) -> web.StreamResponse:
    """POST /stop-dialling with `stopped` = "yes" or "no", and `back`, the page to return to. Anything but a clear "no"
    stops."""
    fields = await request.post()
    await request.app[DEPS].desk.stop_all_dialling(visitor(request).user_id, stopped=fields.get("stopped") != "no")
    back = fields.get("back")
    known = {address for address, _ in pages_of(visitor(request), words_of(request), deals=True)}
    return see_other(str(back) if back in known else "/calls")
