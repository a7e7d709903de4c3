"""Our pages beside Datasette on the same SQLite base: `python -m tests.benchmarks.bench_datasette --base FILE
--datasette PROGRAM` (the base of `bench_lists --folder`; Datasette is installed apart: nothing else here needs it).

Both answer over HTTP on loopback, each from a process of its own, the same questions with the same parameters, one
after the other and in turn: a page of 50 clients of a call list by name, from somewhere in the middle; 50 organisations
with a part of the name; and a client's card. Datasette answers with JSON, we with the page as a browser shows it. Its
card is six questions asked at once (client, organisation, people, numbers, fifty attempts, moves), without outcomes,
recordings, promises and what may be done. Prints one JSON object with ms by kind.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import re
import sqlite3
import sys
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote, urlencode

import aiohttp

from tests.benchmarks.console_process import LOGIN, PASSWORD
from tests.benchmarks.figures import add_precedence, percentiles_ms, take_precedence
from tests.benchmarks.large_base import LISTS

_PATIENCE_S: Final = 60.0
_NO_EXTRAS: Final = {"_nocount": "on", "_nofacet": "on", "_nosuggest": "on", "_size": "50"}


@dataclass(frozen=True, slots=True)
class Asked:
    """One question: the addresses that Datasette is asked at once, and ours."""

    theirs: tuple[str, ...]
    ours: str


def _table(name: str, **query: object) -> str:
    return f"/large/{name}.json?{urlencode({**query, **_NO_EXTRAS})}"


def questions(base: Path, count: int, seed: int) -> dict[str, list[Asked]]:
    """By kind, of clients drawn at random."""
    chance = random.Random(seed)
    connection = sqlite3.connect(f"file:{quote(str(base))}?mode=ro", uri=True)
    (last,) = connection.execute("SELECT max(id) FROM clients").fetchone()
    columns = "SELECT id, organisation_id, call_list_id, name_folded FROM clients WHERE id = ?"
    drawn = [connection.execute(columns, (number,)).fetchone() for number in chance.sample(range(1, last + 1), count)]
    connection.close()
    lists, searches, cards = [], [], []
    for client, organisation, call_list, name in drawn:
        query = {"call_list_id": call_list, "name_folded__gt": name, "_sort": "name_folded"}
        place = {"list": call_list, "campaign": (call_list - 1) // LISTS + 1, "after": name, "id": client}
        lists.append(Asked((_table("clients", **query),), f"/clients?{urlencode(place)}"))
        begin = chance.randrange(max(1, len(name) - 5))
        part = name[begin : begin + chance.randrange(3, 12)].strip() or name
        searches.append(
            Asked((_table("organisations", name_folded__contains=part),), f"/clients?{urlencode({'text': part})}")
        )
        rows = (
            f"/large/clients/{client}.json",
            f"/large/organisations/{organisation}.json",
            _table("people", organisation_id__exact=organisation),
            _table("phone_numbers", organisation_id__exact=organisation),
            _table("attempts", client_id__exact=client, _sort_desc="opened_at"),
            _table("group_moves", client_id__exact=client),
        )
        cards.append(Asked(rows, f"/clients/{client}"))
    return {"list": lists, "search": searches, "card": cards}


@asynccontextmanager
async def console(base: Path) -> AsyncIterator[aiohttp.ClientSession]:
    """Signed in as a manager."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.benchmarks.console_process", f"sqlite:///{base}",
        stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        url = f"http://127.0.0.1:{int(await process.stdout.readline())}"
        async with aiohttp.ClientSession(url, cookie_jar=aiohttp.CookieJar(unsafe=True)) as http:
            async with http.get("/sign-in") as page:
                found = re.search(r'name="csrf" value="([^"]+)"', await page.text())
            assert found is not None
            fields = {"login": LOGIN, "password": PASSWORD, "csrf": found[1]}
            async with http.post("/sign-in", data=fields, headers={"Origin": url}, allow_redirects=False) as answer:
                assert answer.status == 303, await answer.text()
            yield http
    finally:
        process.stdin.close()
        await process.wait()


@asynccontextmanager
async def datasette(program: str, base: Path, port: int) -> AsyncIterator[aiohttp.ClientSession]:
    process = await asyncio.create_subprocess_exec(
        program, "serve", str(base), "-h", "127.0.0.1", "-p", str(port), "--setting", "sql_time_limit_ms", "60000",
        stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    assert process.stderr is not None
    try:
        async with asyncio.timeout(_PATIENCE_S):
            while b"running on" not in (line := await process.stderr.readline()):
                assert line, "it ended"
        told = asyncio.create_task(process.stderr.read())  # its log of requests, that it may write on
        async with aiohttp.ClientSession(f"http://127.0.0.1:{port}") as http:
            yield http
    finally:
        process.terminate()
        await process.wait()
    await told


async def _fetch(http: aiohttp.ClientSession, path: str) -> bytes:
    async with http.get(path) as answer:
        found = await answer.read()
        assert answer.status == 200, (path, answer.status, found[:300])
        return found


async def _timed(http: aiohttp.ClientSession, paths: Sequence[str]) -> tuple[int, list[bytes]]:
    begun = time.perf_counter_ns()
    answers = await asyncio.gather(*(_fetch(http, path) for path in paths))
    return time.perf_counter_ns() - begun, answers


async def measure(arguments: argparse.Namespace) -> dict[str, Any]:
    asked = questions(arguments.base, arguments.questions, arguments.seed)
    figures: dict[str, Any] = {}
    async with (
        datasette(arguments.datasette, arguments.base, arguments.port) as theirs,
        console(arguments.base) as ours,
    ):
        for kind, each in asked.items():
            times: dict[str, list[int]] = {"datasette": [], "ours": []}
            for question in each:
                taken, _ = await _timed(theirs, question.theirs)
                times["datasette"].append(taken)
                taken, _ = await _timed(ours, (question.ours,))
                times["ours"].append(taken)
            figures[kind] = {"questions": len(each)} | {who: percentiles_ms(found[1:]) for who, found in times.items()}
    return figures


def main() -> None:
    parser = argparse.ArgumentParser(description="Time our pages beside Datasette on the same base.")
    parser.add_argument("--base", type=Path, required=True, help="large.db of bench_lists; it gets a user")
    parser.add_argument("--datasette", default="datasette", metavar="PROGRAM")
    parser.add_argument("--port", type=int, default=8765)
    parser.add_argument("--questions", type=int, default=300, help="of each kind")
    parser.add_argument("--seed", type=int, default=1)
    add_precedence(parser)
    arguments = parser.parse_args()
    take_precedence(arguments)
    print(json.dumps(asyncio.run(measure(arguments)), ensure_ascii=False))


if __name__ == "__main__":
    main()
