"""Operators' pages without a browser, in a process of their own: what a page posts, and what it is sent live.

Reads one JSON line {"url", "tokens": [[token, csrf], ...], "calls", "warm_up", "think_s"}, calls client after client on
every page at the same time, and prints the times as JSON. `calls` counts those of each page, `warm_up` those before.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import random
import sys
import time
from collections.abc import AsyncIterator, Callable
from typing import Any

import aiohttp

from dialer.words import words

_PATIENCE_S = 20.0
_KEY_PRESS_S = 0.3  # nobody saves sooner after the end of a call
_RECORDED = words("ru").gettext("being recorded")
_FORMS = (
    {"disposition": "cold", "reason": "Нет бюджета"},
    {"disposition": "warm", "person_name": "Петрова Анна Сергеевна", "summary": "Интересно, пришлём предложение"},
    {"disposition": "callback", "when": "завтра в 11", "note": "Просили набрать завтра"},
    {"disposition": "no_contact"},
    {"disposition": "competitor", "competitor": "ООО «Другие»", "reason": "Довольны"},
)


class Page:
    """One operator's page."""

    def __init__(self, number: int, http: aiohttp.ClientSession, url: str, csrf: str, think_s: float) -> None:
        self._http = http
        self._url = url
        self._headers = {"Origin": url, "X-CSRF-Token": csrf}
        self._think_s = think_s
        self._random = random.Random(number)
        self._changed = asyncio.Condition()
        self._snapshot: dict[str, Any] = {}
        self._regions: dict[str, dict[str, str]] = {}
        self.clicked_ns: dict[str, int] = {}
        self.returned_after_ns: list[int] = []
        self.next_card_after_ns: list[int] = []
        self.clients: list[int] = []

    @contextlib.asynccontextmanager
    async def live(self) -> AsyncIterator[None]:
        async with self._http.ws_connect(f"{self._url}/operator/live", headers=self._headers) as socket:
            await socket.send_json({"have": {}})
            reader = asyncio.create_task(self._read(socket))
            try:
                yield
            finally:
                reader.cancel()
                await asyncio.gather(reader, return_exceptions=True)

    async def _read(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        async for message in socket:
            snapshot = json.loads(message.data)
            async with self._changed:
                self._snapshot = snapshot
                self._regions.update(snapshot["regions"])
                self._changed.notify_all()

    async def _until(self, reached: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        async with asyncio.timeout(_PATIENCE_S), self._changed:
            await self._changed.wait_for(lambda: bool(self._snapshot) and reached(self._snapshot))
            return self._snapshot

    async def _post(self, action: str, content: dict[str, Any]) -> dict[str, Any]:
        async with self._http.post(f"{self._url}/operator/{action}", json=content, headers=self._headers) as answer:
            told: dict[str, Any] = await answer.json()
            if answer.status != 200:
                raise RuntimeError(f"{action}: {answer.status} {told}")
            return told

    async def come(self) -> None:
        await self._post("ready", {})
        await self._until(lambda shown: shown["line"] == "ready" and shown["client"] is not None)

    async def call(self, number: int) -> None:
        """One click to dial, and one to save."""
        if self._think_s:
            await asyncio.sleep(self._random.expovariate(1 / self._think_s))
        client_id = self._snapshot["client"]
        clicked = time.monotonic_ns()
        attempt_id = (await self._post("dial", {"client_id": client_id}))["attempt_id"]
        self.returned_after_ns.append(time.monotonic_ns() - clicked)
        self.clicked_ns[attempt_id] = clicked
        self.clients.append(client_id)
        await self._until(lambda shown: shown["call"] == "talking" and _RECORDED in self._regions["call"]["html"])
        await self._post("hang-up", {"attempt_id": attempt_id})
        await self._until(lambda shown: shown["call"] == "wrap_up")
        await asyncio.sleep(_KEY_PRESS_S)
        saved, old_card = time.monotonic_ns(), self._regions["card"]["key"]
        fields = {"reason": "Никто не звонил", **_FORMS[number % len(_FORMS)]}  # who left us is asked why
        await self._post("outcome", {"attempt_id": attempt_id, "fields": fields})
        await self._until(
            lambda shown: (
                shown["client"] not in (None, client_id)
                and shown["call"] == "none"
                and self._regions["card"]["key"] != old_card
            )
        )
        self.next_card_after_ns.append(time.monotonic_ns() - saved)


async def _work(page: Page, asked: dict[str, Any]) -> None:
    async with page.live():
        await page.come()
        for number in range(asked["warm_up"] + asked["calls"]):
            await page.call(number)


async def work(asked: dict[str, Any]) -> dict[str, Any]:
    async with contextlib.AsyncExitStack() as stack:
        pages = []
        for number, (token, csrf) in enumerate(asked["tokens"]):
            cookies = {"dialer_session": token}
            http = await stack.enter_async_context(
                aiohttp.ClientSession(cookies=cookies, cookie_jar=aiohttp.CookieJar(unsafe=True))
            )
            pages.append(Page(number, http, asked["url"], csrf, asked["think_s"]))
        async with asyncio.TaskGroup() as desks:
            for page in pages:
                desks.create_task(_work(page, asked))
    return {
        "clicked_ns": [list(page.clicked_ns.items()) for page in pages],
        "returned_after_ns": [page.returned_after_ns for page in pages],
        "next_card_after_ns": [page.next_card_after_ns for page in pages],
        "clients": [page.clients for page in pages],
    }


if __name__ == "__main__":
    print(json.dumps(asyncio.run(work(json.loads(sys.stdin.readline())))))
