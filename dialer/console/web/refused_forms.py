"""Forms that were refused: the page that sent one comes again, with what is wrong and with what was typed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from aiohttp import hdrs, web
from yarl import URL

from dialer.console.web.next_look import NextLook
from dialer.console.web.visitors import maybe_visitor

MOST_CHARACTERS: Final = 200_000
"""Of one form; a longer one is told what is wrong, but is not kept."""
FORM_TYPES: Final = frozenset({"application/x-www-form-urlencoded", "multipart/form-data"})
_NO_PLACE: Final = ("/operator", "/sign-in")
"""Pages that send no form in this way, and have no place for a notice."""


@dataclass(frozen=True, slots=True)
class RefusedForm:
    """What is wrong with the form that was sent to the path `action`. `typed`: names and values as they were sent, but
    no files, secrets or tokens. `outdated`: somebody else has changed what the form changes."""

    what: str
    action: str
    typed: tuple[tuple[str, str], ...]
    outdated: bool


REFUSED = web.AppKey("refused", NextLook[RefusedForm])
PROVEN = web.RequestKey("proven", bool)
"""Set once the form is known to be of this visitor's own page: only then is it read again."""


async def keep_refused(request: web.Request, what: str, *, outdated: bool) -> str | None:
    """Keep the form of this request for the page that it came from; returns that page's address. `None` where there is
    no such page: it is told by itself then."""
    known, page = maybe_visitor(request), _page_of(request)
    if known is None or page is None or not request.get(PROVEN, False) or request.content_type not in FORM_TYPES:
        return None
    typed = tuple(
        (name, value)
        for name, value in (await request.post()).items()
        if isinstance(value, str) and name != "csrf" and "password" not in name
    )
    if sum(len(name) + len(value) for name, value in typed) > MOST_CHARACTERS:
        typed = ()
    form = RefusedForm(what, request.path, typed, outdated)
    request.app[REFUSED].keep(known.csrf, page, form)
    return page


def _page_of(request: web.Request) -> str | None:
    """The page of ours that the form stood on, as the browser says; `None` for another's."""
    try:
        came_from = URL(request.headers.get(hdrs.REFERER, ""))
        origin = URL(request.headers.get(hdrs.ORIGIN, ""))
        # The guard has found the origin to be ours.
        if not came_from.absolute or came_from.origin() != origin.origin():
            return None
    except ValueError:
        return None
    return None if came_from.path.startswith(_NO_PLACE) else str(came_from.relative().with_fragment(None))
