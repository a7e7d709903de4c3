"""Whether a service with these settings runs on this machine."""

from __future__ import annotations

from typing import Final

import aiohttp

from config.settings import Settings

PATIENCE_S: Final = 3.0


async def running_service(settings: Settings) -> bool:
    """True if a dialer answers where the settings put the console."""
    console = settings.console
    if console.port == 0:
        return False
    host = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(console.host, console.host)
    host = f"[{host}]" if ":" in host and not host.startswith("[") else host
    scheme = "https" if console.tls_certificate else "http"
    timeout = aiohttp.ClientTimeout(total=PATIENCE_S)
    try:
        # The certificate names the public address, not this one; no secret is sent.
        async with (
            aiohttp.ClientSession(timeout=timeout, trust_env=False) as client,
            client.get(f"{scheme}://{host}:{console.port}/healthz", ssl=False) as answer,
        ):
            # 503: it runs, and its database is in trouble.
            return answer.status in (200, 503) and "database" in await answer.json()
    except (aiohttp.ClientError, TimeoutError, OSError, ValueError):
        return False
