"""The big switch: all dialling stops, or may go on."""

from __future__ import annotations

from aiohttp import web

from dialer.console.deps import DEPS
from dialer.console.pages import see_other
from dialer.console.visitors import visitor


async def stop_dialling(request: web.Request) -> web.StreamResponse:
    """POST /stop-dialling with `stopped` = "yes" or "no". Anything but a clear "no" stops."""
    fields = await request.post()
    await request.app[DEPS].desk.stop_all_dialling(visitor(request).user_id, stopped=fields.get("stopped") != "no")
    return see_other("/calls")
