"""How long a large file of clients takes: `python -m tests.benchmarks.bench_import [--rows 100000] [--write]`.

Prints one JSON object: seconds to read the file, for the dry run into an empty base, with `--write` for the import
itself and for a dry run of the same file against the filled base; and the peak memory of the process in MB. The base
is an SQLite file in a temporary folder.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import resource
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path

from crm.database import Database
from crm.importing.clients import import_clients
from crm.importing.mapping import guess_mapping
from crm.importing.report import ImportReport
from crm.importing.tables import Table, read_table
from crm.preparation.campaigns import add_campaign, campaign_named
from tests.benchmarks.figures import add_precedence, take_precedence

CITIES = ("Новосибирск", "Омск", "Томск", "Екатеринбург", "Посёлок без зоны")
CODES = ("383", "381", "382", "343", "391")
GROUPS = ("hot", "Тёплые", "cold", "", "")


def file_of(rows: int) -> bytes:
    """A file like those that directories sell, in the encoding of an old Windows program."""
    lines = ["list;code;name;city;phone;industry;source;group;headcount;social_work;Адрес"]
    for number in range(rows):
        place = number % 5
        phone = f"8 ({CODES[place]}) {number // 10000 % 1000:03}-{number // 100 % 100:02}-{number % 100:02}"
        lines.append(
            f'big;big-{number:06};"ООО ""Компания {number}""";{CITIES[place]};{phone};Транспорт;Интернет;'
            f"{GROUPS[number % 5]};{number % 900};{'да' if number % 3 else 'нет'};ул. Ленина, {number % 200}"
        )
    return "\r\n".join(lines).encode("cp1251")


async def timed_import(database: Database, table: Table, *, dry_run: bool) -> tuple[float, ImportReport]:
    begun = time.perf_counter()
    async with database.transaction() as session:
        report = await import_clients(
            session,
            campaign=await campaign_named(session, "benchmark"),
            table=table,
            mapping=guess_mapping(table.header),
            now=datetime.now(UTC),
            dry_run=dry_run,
        )
    return time.perf_counter() - begun, report


async def measure(rows: int, folder: Path, *, write: bool) -> dict[str, object]:
    content = file_of(rows)
    begun = time.perf_counter()
    table = read_table(content)
    figures: dict[str, object] = {
        "rows": len(table.rows),
        "file_mb": round(len(content) / 1e6, 1),
        "encoding": table.encoding,
        "read_s": round(time.perf_counter() - begun, 2),
    }
    database = Database(f"sqlite+aiosqlite:///{folder / 'benchmark.db'}")
    try:
        await database.upgrade()
        async with database.transaction() as session:
            await add_campaign(session, name="benchmark", now=datetime.now(UTC))
        seconds, report = await timed_import(database, table, dry_run=True)
        figures |= {"dry_run_s": round(seconds, 2), "would_take": report.taken, "refused": len(report.refused)}
        if write:
            seconds, report = await timed_import(database, table, dry_run=False)
            figures |= {"import_s": round(seconds, 2), "taken": report.taken}
            seconds, report = await timed_import(database, table, dry_run=True)
            figures |= {"dry_run_again_s": round(seconds, 2), "merged": report.merged}
    finally:
        await database.dispose()
    figures["peak_mb"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    return figures


def main() -> None:
    parser = argparse.ArgumentParser(description="Time the import of a large file of clients.")
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--write", action="store_true", help="import too, and try the same file again")
    add_precedence(parser)
    arguments = parser.parse_args()
    take_precedence(arguments)
    with tempfile.TemporaryDirectory() as folder:
        print(json.dumps(asyncio.run(measure(arguments.rows, Path(folder), write=arguments.write))))


if __name__ == "__main__":
    main()
