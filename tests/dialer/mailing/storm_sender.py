"""Who sends offers, as a process of its own that can be killed: `storm_sender DATABASE_URL PORT CA_FILE`.

For each moment that it reads (one a line), it looks once as if it were then, and says so.
"""

from __future__ import annotations

import asyncio
import sys
from datetime import datetime
from pathlib import Path

from crm.database import Database
from dialer.mailing.offer_sender import OfferSender
from tests.databases import KEY
from tests.dialer.mailing.conftest import DUE, settings_for

ANSWERED_WITHIN_S = 1
TAKEN_WITHIN_S = 2


async def main(url: str, port: int, ca_file: str) -> None:
    """Look until there are no more moments."""
    now = [DUE]
    database = Database(url, KEY)
    settings = settings_for(
        port, tls="starttls", ca_file=ca_file, timeout_s=ANSWERED_WITHIN_S, taken_within_s=TAKEN_WITHIN_S
    )
    mailer = OfferSender(database, settings, node="main", materials=Path("none"), clock=lambda: now[0])
    while line := await asyncio.to_thread(sys.stdin.readline):
        now[0] = datetime.fromisoformat(line.strip())
        await mailer.look()
        sys.stdout.write("looked\n")
        sys.stdout.flush()
    await database.dispose()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], int(sys.argv[2]), sys.argv[3]))
