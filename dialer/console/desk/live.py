"""The live connection of an operator's page: a snapshot at every change of the desk, with the regions that changed.

The page says which regions it has (`{"have": {name: key}}`); from then on it gets what differs, so that a reconnect
after a lost network moves nothing that is right already, and nothing that is being typed.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncGenerator

from aiohttp import WSMsgType, web
from sqlalchemy.exc import SQLAlchemyError

from dialer.calls.view import DeskView
from dialer.console.desk.operator_page import Snapshots
from dialer.console.web.deps import DEPS, METRICS
from dialer.console.web.guard import SIGNED_OUT
from dialer.console.web.visitors import recognise, visitor

BEAT_S = 10.0
HEARTBEAT_S = 20.0
HELLO_S = 10.0
DATABASE_AWAY = 4503


async def live(request: web.Request) -> web.StreamResponse:
    """GET /operator/live (WebSocket)."""
    socket = web.WebSocketResponse(heartbeat=HEARTBEAT_S, max_msg_size=16_384)
    await socket.prepare(request)
    sockets = request.app[SOCKETS]
    sockets.add(socket)
    with request.app[METRICS].live_pages.track_inprogress():
        try:
            await _serve(request, socket)
        finally:
            sockets.discard(socket)
    return socket


async def _serve(request: web.Request, socket: web.WebSocketResponse) -> None:
    have = await _hello(socket)
    if have is None:
        await socket.close()
        return
    snapshots = Snapshots(request, have)
    feed = asyncio.create_task(_feed(request, socket, snapshots))
    try:
        async for message in socket:
            if message.type is not WSMsgType.TEXT:
                break
    finally:
        feed.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await feed


async def _hello(socket: web.WebSocketResponse) -> dict[str, str] | None:
    """The keys of the regions that the page shows; None when it says nothing sensible."""
    try:
        content = json.loads(await socket.receive_str(timeout=HELLO_S))
        return {str(name): str(key) for name, key in content["have"].items()}
    except (TypeError, ValueError, KeyError, AttributeError, TimeoutError):
        return None


async def _feed(request: web.Request, socket: web.WebSocketResponse, snapshots: Snapshots) -> None:
    """Send every change at once, and a beat in between: it carries what changes with the time alone."""
    desk = request.app[DEPS].desk
    try:
        async with contextlib.aclosing(desk.watch(visitor(request).user_id)) as views:
            upcoming = asyncio.ensure_future(_next(views))
            try:
                view: DeskView | None = None
                known_at = asyncio.get_running_loop().time()
                while True:
                    done, _ = await asyncio.wait({upcoming}, timeout=BEAT_S if view else None)
                    # Also while changes come thick and fast: a headset on the line tells its level every second.
                    beat = not done or asyncio.get_running_loop().time() - known_at >= BEAT_S
                    if done:
                        view = upcoming.result()
                        if view is None:
                            break
                        upcoming = asyncio.ensure_future(_next(views))
                    if beat:
                        if await recognise(request) is None:
                            await socket.close(code=SIGNED_OUT)
                            return
                        known_at = asyncio.get_running_loop().time()
                    assert view is not None  # the first wait has no timeout
                    await socket.send_json(await snapshots.of(view, beat=beat))
            finally:
                upcoming.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await upcoming
        await socket.close()
    except ConnectionResetError:
        pass  # the browser went away
    except (SQLAlchemyError, OSError):
        # The page shows that it is out of date and comes back by itself.
        await socket.close(code=DATABASE_AWAY)


async def _next(views: AsyncGenerator[DeskView]) -> DeskView | None:
    return await anext(views, None)


SOCKETS: web.AppKey[set[web.WebSocketResponse]] = web.AppKey("sockets")


async def close_all(app: web.Application) -> None:
    """Signal `on_shutdown`: pages are told at once, and connect to the next service."""
    sockets = app[SOCKETS]
    for socket in tuple(sockets):
        await socket.close(code=1001)
