"""What answers where the settings put the console: this machine's dialer, another program, or nobody."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import aiohttp

from config.settings import Settings
from dialer.console.office.status import ServiceStatus

PATIENCE_S: Final = 3.0


@dataclass(frozen=True, slots=True)
class Neighbour:
    """`dialer`: one answers. `status`: what it says of itself, `None` when it does not tell us."""

    dialer: bool
    status: ServiceStatus | None = None


async def who_answers(settings: Settings) -> Neighbour:
    """Ask at the console's address."""
    console = settings.console
    if console.port == 0:
        return Neighbour(dialer=False)
    host = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(console.host, console.host)
    host = f"[{host}]" if ":" in host and not host.startswith("[") else host
    base = f"{'https' if console.tls_certificate else 'http'}://{host}:{console.port}"
    timeout = aiohttp.ClientTimeout(total=PATIENCE_S)
    async with aiohttp.ClientSession(timeout=timeout, trust_env=False) as client:
        # 503: it runs, and its database is in trouble.
        _, health = await _asked(client, f"{base}/healthz", (200, 503))
        if not isinstance(health, dict) or "database" not in health:
            return Neighbour(dialer=False)
        answered, said = await _asked(client, f"{base}/status", (200,))
    try:
        return Neighbour(dialer=True, status=ServiceStatus.from_json(said) if answered else None)
    except ValueError:
        return Neighbour(dialer=True)


async def _asked(client: aiohttp.ClientSession, url: str, good: tuple[int, ...]) -> tuple[bool, object]:
    """Whether it answered with one of the codes in `good`, and the JSON that it said."""
    try:
        # The certificate names the public address, not this one; no secret is sent.
        async with client.get(url, ssl=False, allow_redirects=False) as answer:
            return answer.status in good, await answer.json() if answer.status in good else None
    except (aiohttp.ClientError, TimeoutError, OSError, ValueError):
        return False, None
