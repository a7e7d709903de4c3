"""The console's socket: plain HTTP, or HTTPS with the certificate of the settings."""

from __future__ import annotations

import ssl

from aiohttp import web

from config.settings import ConsoleSettings
from dialer.reasons import Reason, of_bind

SHUTDOWN_S = 2.0


class ConsoleError(Exception):
    """The console cannot be reached by anybody; `reason` says why."""

    def __init__(self, reason: Reason) -> None:
        super().__init__(str(reason))
        self.reason = reason


async def start_console(app: web.Application, settings: ConsoleSettings) -> web.AppRunner:
    """Listen. Raises `ConsoleError` when the port is taken or the certificate cannot be used. The caller cleans the
    runner up."""
    tls = _tls(settings)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=SHUTDOWN_S)
    await runner.setup()
    try:
        site = web.TCPSite(runner, settings.host, settings.port, ssl_context=tls)
        await site.start()
    except OSError as error:
        await runner.cleanup()
        reason = Reason("console.cannot_listen", host=settings.host, port=settings.port, reason=of_bind(error))
        raise ConsoleError(reason) from error
    except BaseException:
        await runner.cleanup()
        raise
    return runner


def console_url(runner: web.AppRunner, settings: ConsoleSettings) -> str:
    """The address that people type."""
    if settings.public_url:
        return settings.public_url
    host, port = runner.addresses[0][:2]
    scheme = "https" if settings.tls_certificate else "http"
    shown = "127.0.0.1" if host in ("0.0.0.0", "::") else host
    return f"{scheme}://{f'[{shown}]' if ':' in shown else shown}:{port}/"


def _tls(settings: ConsoleSettings) -> ssl.SSLContext | None:
    if not settings.tls_certificate:
        return None
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    try:
        context.load_cert_chain(settings.tls_certificate, settings.tls_key or None)
    except OSError as error:  # ssl.SSLError is one
        raise ConsoleError(Reason("console.bad_certificate", certificate=settings.tls_certificate)) from error
    return context
