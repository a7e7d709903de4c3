"""The console as an aiohttp application: its routes, and what every request passes."""

from __future__ import annotations

import time

from aiohttp import web

from dialer.console.desk import live
from dialer.console.routes import LARGEST_POST, Handler, routes
from dialer.console.web.alarms import ROOM, Room
from dialer.console.web.deps import DEPS, FAILURES, METRICS, STATIC, ConsoleDeps
from dialer.console.web.failure_limit import FailureLimit
from dialer.console.web.guard import (
    ACCESS,
    bind_browser,
    check_access,
    know_visitor,
)
from dialer.console.web.metrics import Metrics
from dialer.console.web.next_look import NextLook
from dialer.console.web.pages import set_up_templates
from dialer.console.web.refused_forms import REFUSED
from dialer.console.web.static_files import StaticFiles
from dialer.console.web.told import TOLD, WORDS, tell_done
from dialer.console.web.troubles import tell_troubles
from dialer.console.web.uploads import LARGEST, take_uploads

__all__ = ["ConsoleDeps", "create_console"]


def create_console(deps: ConsoleDeps) -> web.Application:
    """The application, to be run by `dialer.console.server`."""
    passed = [take_uploads, _count, tell_troubles, know_visitor, check_access, tell_done]
    app = web.Application(middlewares=passed, client_max_size=LARGEST_POST)
    app[DEPS] = deps
    app[FAILURES] = FailureLimit()
    app[METRICS] = Metrics()
    app[REFUSED], app[TOLD] = NextLook(), NextLook()
    app[ROOM] = Room(deps)
    app[STATIC] = StaticFiles()
    app[live.SOCKETS] = set()
    set_up_templates(app)
    access: dict[web.AbstractRoute, frozenset[str]] = {}
    largest: dict[web.AbstractRoute, int] = {}
    told: dict[web.AbstractRoute, str] = {}
    for route in routes():
        resource = app.router.add_resource(route.path)
        added = resource.add_route(route.method, route.handler)
        access[added] = route.access
        if route.largest > LARGEST_POST:
            largest[added] = route.largest
        if route.method == "POST":
            told[added] = route.told
        if route.method == "GET" and route.path != "/operator/live":
            access[resource.add_route("HEAD", route.handler)] = route.access
    app[ACCESS], app[LARGEST], app[WORDS] = access, largest, told
    app.on_response_prepare.append(bind_browser)
    app.on_shutdown.append(live.close_all)
    return app


@web.middleware
async def _count(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Every answer by route and code, and how long it took."""
    metrics = request.app[METRICS]
    started = time.monotonic()
    resource = request.match_info.route.resource
    route = resource.canonical if resource is not None else "none"
    code = 500
    try:
        response = await handler(request)
        code = response.status
        return response
    except web.HTTPException as answer:
        code = answer.status
        raise
    finally:
        metrics.requests.labels(route=route, code=str(code)).inc()
        if not route.endswith("/live"):
            metrics.seconds.observe(time.monotonic() - started)
