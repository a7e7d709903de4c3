"""What is told once: on the next look at a page, to whoever did something there and to nobody else.

Kept in memory: what is lost with the service is only a word about what was done, or a form that was refused.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import Final, Generic, TypeVar

from aiohttp import web

from dialer.console.web.visitors import maybe_visitor

MOST: Final = 200

Kept = TypeVar("Kept")


class NextLook(Generic[Kept]):
    """The last thing to be told for each session and page, the oldest given up first."""

    def __init__(self) -> None:
        self._kept: OrderedDict[tuple[str, str], Kept] = OrderedDict()

    def keep(self, session: str, address: str, told: Kept) -> None:
        """`address`: path and query, as the browser will ask for it."""
        self._kept[session, address] = told
        self._kept.move_to_end((session, address))
        if len(self._kept) > MOST:
            self._kept.popitem(last=False)

    def take(self, request: web.Request) -> Kept | None:
        """What is to be told on this page; once."""
        known = maybe_visitor(request)
        return self._kept.pop((known.csrf, str(request.rel_url)), None) if known is not None else None
