"""Playing a recording: ranges, its outline, and who listened."""

from __future__ import annotations

import gzip
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from urllib.parse import unquote
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import select, update

from crm.audit import RECORDING_LISTENED, AuditEntry
from crm.calls.recording_facts import Recording
from crm.database import Database
from crm.wrap_up.outcomes import OutcomeForm
from dialer.sound_files import seal_finished
from recordings.sealing import new_wrapped_key
from recordings.store import LocalStore
from tests.dialer.console.conftest import Clock, SignIn
from tests.dialer.console.seed import CLIENTS, NOW, Office, seed_call, seed_recording

LARGEST_OUTLINE = 8 * 1024


@dataclass(frozen=True)
class Played:
    attempt_id: str
    path: Path
    content: bytes

    @property
    def address(self) -> str:
        return f"/recordings/{self.attempt_id}.wav"


@pytest.fixture
async def played(office: Office, database: Database, store: LocalStore) -> Played:
    at = NOW - timedelta(hours=1)
    attempt_id = await seed_call(database, office, client=3, at=at, form=OutcomeForm(disposition="no_contact"))
    path = await seed_recording(database, store, attempt_id, at)
    return Played(attempt_id, path, path.read_bytes())


async def test_the_whole_recording(signed_in: SignIn, played: Played) -> None:
    browser = await signed_in("maria")
    response = await browser.get(played.address)
    assert response.status == 200
    assert response.headers["Content-Type"] == "audio/wav"
    assert response.headers["Accept-Ranges"] == "bytes"
    assert response.headers["Content-Disposition"].startswith("inline")
    assert await response.read() == played.content


@pytest.mark.parametrize(
    ("asked", "first", "last"), [("bytes=0-", 0, None), ("bytes=100-199", 100, 199), ("bytes=-50", -50, None)]
)
async def test_a_part_of_it(signed_in: SignIn, played: Played, asked: str, first: int, last: int | None) -> None:
    browser = await signed_in("maria")
    response = await browser.get(played.address, headers={"Range": asked})
    size = len(played.content)
    start, end = first % size, size - 1 if last is None else last
    assert response.status == 206
    assert response.headers["Content-Range"] == f"bytes {start}-{end}/{size}"
    assert await response.read() == played.content[start : end + 1]


async def test_a_sealed_recording_plays_as_before(
    signed_in: SignIn, played: Played, database: Database, store: LocalStore
) -> None:
    key = new_wrapped_key(database.office_key, played.attempt_id)
    async with database.transaction() as session:
        await session.execute(update(Recording).values(wrapped_key=key))
    browser = await signed_in("maria")
    outline = await (await browser.get(f"/recordings/{played.attempt_id}/peaks.json")).json()
    await seal_finished(database, store)
    assert played.path.read_bytes() != played.content
    assert await (await browser.get(played.address)).read() == played.content
    part = await browser.get(played.address, headers={"Range": "bytes=70000-70099"})
    assert (part.status, await part.read()) == (206, played.content[70000:70100])
    head = await browser.client.head(played.address)
    assert head.headers["Content-Length"] == str(len(played.content))
    assert await (await browser.get(f"/recordings/{played.attempt_id}/peaks.json")).json() == outline


async def test_a_recording_whose_file_was_changed_is_not_played(signed_in: SignIn, played: Played) -> None:
    browser = await signed_in("maria")
    await browser.post_form("/language", language="en", back="/")
    assert (await browser.get(played.address)).status == 200
    content = bytearray(played.content)
    content[5000:6000] = bytes(reversed(content[5000:6000]))
    played.path.write_bytes(content)
    response = await browser.get(played.address)
    assert response.status == 503
    assert "is not the one that was made of the call" in await response.text()


async def test_a_part_that_is_not_there(signed_in: SignIn, played: Played) -> None:
    browser = await signed_in("maria")
    response = await browser.get(played.address, headers={"Range": f"bytes={len(played.content)}-"})
    assert response.status == 416
    assert response.headers["Content-Range"] == f"bytes */{len(played.content)}"


async def test_head_tells_the_size_and_is_no_listening(signed_in: SignIn, played: Played, database: Database) -> None:
    browser = await signed_in("maria")
    response = await browser.client.head(played.address)
    assert response.headers["Content-Length"] == str(len(played.content))
    assert await listened(database) == []


async def test_a_download_is_an_attachment(signed_in: SignIn, played: Played) -> None:
    browser = await signed_in("maria")
    response = await browser.get(f"{played.address}?download=1")
    plain, _, named = response.headers["Content-Disposition"].partition("; filename*=UTF-8''")
    assert plain == f'attachment; filename="{played.attempt_id}.wav"'
    at = (NOW - timedelta(hours=1)).astimezone(ZoneInfo("Europe/Moscow"))
    assert unquote(named) == f"{at:%Y-%m-%d %H-%M} {CLIENTS[3][0]}.wav"


async def listened(database: Database) -> list[tuple[int | None, str]]:
    async with database.reading() as session:
        rows = await session.execute(
            select(AuditEntry.user_id, AuditEntry.subject)
            .where(AuditEntry.action == RECORDING_LISTENED)
            .order_by(AuditEntry.id)
        )
    return [(row.user_id, row.subject) for row in rows]


async def test_every_listener_is_noted_once_a_listening(
    signed_in: SignIn, played: Played, database: Database, office: Office, clock: Clock
) -> None:
    maria, audit = await signed_in("maria"), await signed_in("audit")
    for part in ("bytes=0-", "bytes=5000-", "bytes=100-199"):
        await maria.get(played.address, headers={"Range": part})
    await audit.get(played.address, headers={"Range": "bytes=5000-"})  # not from the start: noted all the same
    subject = f"attempt:{played.attempt_id}"
    assert await listened(database) == [(office.users["maria"], subject), (office.users["audit"], subject)]
    clock.move(minutes=11)
    await maria.get(played.address)
    assert len(await listened(database)) == 3


async def test_the_outline_is_small_and_shows_who_spoke_when(signed_in: SignIn, played: Played) -> None:
    browser = await signed_in("maria")
    response = await browser.get(f"/recordings/{played.attempt_id}/peaks.json")
    outline = await response.json()
    assert len(gzip.compress(await response.read())) < LARGEST_OUTLINE
    assert outline["duration_s"] == 10
    operator, client = (channel["high"] for channel in outline["channels"])
    second = len(operator) // 10
    assert max(operator[:second]) > 10 > max(client[:second])
    assert max(client[2 * second + 1 : 3 * second]) > 10 > max(operator[2 * second + 1 : 3 * second])


async def test_a_lost_file_is_told_in_words_and_nobody_listened(
    signed_in: SignIn, played: Played, database: Database
) -> None:
    browser = await signed_in("maria")
    played.path.unlink()
    response = await browser.get(played.address)
    assert response.status == 503
    assert "Запись сейчас не читается из хранилища." in await response.text()
    assert await listened(database) == []


async def test_a_call_without_a_recording_says_so(signed_in: SignIn, office: Office, database: Database) -> None:
    attempt_id = await seed_call(
        database, office, client=3, at=NOW - timedelta(hours=1), form=OutcomeForm(disposition="no_contact")
    )
    browser = await signed_in("maria")
    page = await browser.text(f"/calls/{attempt_id}")
    assert "Записи нет" in page
    assert "<audio" not in page
    assert (await browser.get(f"/recordings/{attempt_id}.wav")).status == 404
