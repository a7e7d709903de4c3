"""That something was done: a word on the page that follows, whatever page the form stood on."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Final

from aiohttp import hdrs, web

from dialer.console.web.next_look import NextLook
from dialer.console.web.visitors import maybe_visitor
from dialer.words import mark

SAVED: Final = mark("Saved")
DONE: Final = mark("Done")
NOTHING: Final = ""
"""Where the page that follows says itself what has become of it."""

TOLD = web.AppKey("told", NextLook[str])
WORDS = web.AppKey("words of routes", Mapping[web.AbstractRoute, str])


@web.middleware
async def tell_done(
    request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
) -> web.StreamResponse:
    """What a form asked for was done where its handler leads on to a page: a refusal is raised past this."""
    response = await handler(request)
    known, word = maybe_visitor(request), request.app[WORDS].get(request.match_info.route, NOTHING)
    if known is not None and word and response.status == web.HTTPSeeOther.status_code:
        page = response.headers[hdrs.LOCATION].partition("#")[0]
        request.app[TOLD].keep(known.csrf, page, word)
    return response
