"""The demonstration as the person at its terminal uses it: read what it prints, sign in with that, call."""

from __future__ import annotations

import asyncio
import re

import aiohttp

from tests.scenarios.office import Operator

PATIENCE_S = 90.0


async def said_by(process: asyncio.subprocess.Process, *, patience_s: float = PATIENCE_S) -> str:
    """All that it prints until it is up. Fails with that when it ends before."""
    assert process.stdout is not None
    said: list[str] = []
    async with asyncio.timeout(patience_s):
        while "Ctrl+C stops the demonstration" not in (said or [""])[-1]:
            line = await process.stdout.readline()
            assert line, f"it ended with {await process.wait()}:\n{''.join(said)}"
            said.append(line.decode())
    return "".join(said)


async def call_as_it_says(said: str) -> None:
    """Sign in as the operator at the address that was printed, call the next client, hang up."""
    address = re.search(r"Open (http://\S+) in the browser", said)
    account = re.search(r"Operator: (\w+), password (\S+)", said)
    assert address is not None
    assert account is not None
    jar = aiohttp.CookieJar(unsafe=True)
    async with aiohttp.ClientSession(cookie_jar=jar) as http:
        operator = Operator(http, address[1].rstrip("/"))
        await operator.sign_in(account[1], account[2])
        attempt_id = await operator.call_the_next()
        await operator.post("hang-up", attempt_id=attempt_id)
        await operator.until(lambda view: view["call"] == "wrap_up")
