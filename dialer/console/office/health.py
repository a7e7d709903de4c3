"""For whoever watches over the service: /healthz for a load balancer, /metrics for Prometheus."""

from __future__ import annotations

import asyncio
from typing import Final

from aiohttp import web

from crm.mail import outbox
from dialer.console.web.deps import DEPS, METRICS
from dialer.console.web.metrics import CONTENT_TYPE

_ROOM_TO_WRITE: Final = 2**20  # bytes; SQLite reads happily from a full disk, and so does a check that writes nothing


async def healthz(request: web.Request) -> web.StreamResponse:
    """GET /healthz: 200 when the database answers and has room to be written to, else 503. Says no more than that: it
    is open to everybody."""
    database = request.app[DEPS].database
    free = await asyncio.to_thread(database.free_bytes)
    full = free is not None and free < _ROOM_TO_WRITE
    trouble = full or await database.check() is not None
    return web.json_response({"database": "trouble" if trouble else "ok"}, status=503 if trouble else 200)


async def metrics(request: web.Request) -> web.StreamResponse:
    """GET /metrics, for this machine and for administrators."""
    deps, counted = request.app[DEPS], request.app[METRICS]
    async with deps.database.reading() as session:
        counts = await outbox.counts(session)
    for state, number in (("waiting", counts.waiting), ("tried", counts.tried), ("failed", counts.failed)):
        counted.mail.labels(state=state).set(number)
    counted.mail_trouble.set(bool(deps.mail_health().trouble))
    return web.Response(body=counted.text(), headers={"Content-Type": CONTENT_TYPE})
