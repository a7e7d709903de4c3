"""Files that people send and take away: how large a request may be, and as what a browser keeps a file."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from urllib.parse import quote

from aiohttp import web

from dialer.console.web.troubles import Trouble

LARGEST = web.AppKey("largest", Mapping[web.AbstractRoute, int])
"""How many bytes may be posted to a route, where that is more than usual."""


@web.middleware
async def take_uploads(
    request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
) -> web.StreamResponse:
    """The first of all: let the routes for files have large requests, and nobody else's."""
    largest = request.app[LARGEST].get(request.match_info.route)
    if largest is not None:
        # There is a clone with another size, but nobody closes the files that were sent to a clone.
        request._client_max_size = largest
    return await handler(request)


async def uploaded(request: web.Request, field: str) -> tuple[str, bytes]:
    """The name and the content of the file in a form. Raises `Trouble` when there is none."""
    part = (await request.post()).get(field)
    if not isinstance(part, web.FileField):
        raise Trouble.unreadable()
    return part.filename, await asyncio.to_thread(part.file.read)


def attachment(content: bytes, name: str) -> web.Response:
    """A file that a browser keeps and never shows in our place, whatever is in it."""
    return web.Response(body=content, headers=kept_as(name))


def kept_as(name: str) -> dict[str, str]:
    """The header fields of a file that a browser keeps under that name (RFC 6266 section 4.3)."""
    plain = "".join(letter if letter.isascii() and letter.isalnum() else "_" for letter in name.rpartition(".")[0])
    extension = name.rpartition(".")[2]
    disposition = f"attachment; filename=\"{plain}.{extension}\"; filename*=UTF-8''{quote(name)}"
    return {"Content-Disposition": disposition, "Content-Type": "application/octet-stream"}
