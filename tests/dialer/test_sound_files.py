"""Sealing what is finished, and playing it from the pages as before."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import update

from crm.calls.recording_facts import Recording, RecordingState, recording_of
from crm.care.erasures import erase_person
from crm.database import Database
from crm.wrap_up.outcomes import OutcomeForm
from dialer.purging import link_rows, purge
from dialer.sound_files import is_offices_key, seal_finished, sound_of
from recordings.errors import RecordingError
from recordings.sealing import is_sealed, new_wrapped_key
from recordings.store import LocalStore
from tests.dialer.console.seed import NOW, seed_call, seed_office, seed_recording

AT = NOW - timedelta(hours=1)


async def talk(database: Database, store: LocalStore) -> tuple[str, Path]:
    """A call with a finished, plain recording that has a key."""
    office = await seed_office(database)
    form = OutcomeForm(disposition="warm", person_id=1, summary="хочет расчёт к пятнице")
    attempt_id = await seed_call(database, office, client=0, at=AT, form=form)
    path = await seed_recording(database, store, attempt_id, AT)
    await change(database, wrapped_key=new_wrapped_key(database.office_key, attempt_id))
    return attempt_id, path


async def change(database: Database, **values: object) -> None:
    async with database.transaction() as session:
        await session.execute(update(Recording).values(values))


async def stored(database: Database, attempt_id: str) -> Recording:
    async with database.reading() as session:
        return await recording_of(session, attempt_id)


async def test_a_finished_recording_is_sealed_and_sounds_the_same(database: Database, tmp_path: Path) -> None:
    store = LocalStore(tmp_path)
    attempt_id, path = await talk(database, store)
    plain = path.read_bytes()
    await change(database, state=RecordingState.WRITING)
    await seal_finished(database, store)
    assert not is_sealed(path), "what is still being written stays plain"
    await change(database, state=RecordingState.READY)
    await seal_finished(database, store)
    recording = await stored(database, attempt_id)
    assert is_sealed(path)
    assert recording.sealed
    with sound_of(store, recording, database.office_key) as file:
        assert file.read() == plain
    await seal_finished(database, store)


async def test_one_without_a_key_stays_as_it_was(database: Database, tmp_path: Path) -> None:
    store = LocalStore(tmp_path)
    attempt_id, path = await talk(database, store)
    await change(database, wrapped_key="")
    await seal_finished(database, store)
    assert not is_sealed(path)
    assert not (await stored(database, attempt_id)).sealed


async def test_erasing_destroys_the_key_so_that_copies_are_noise(database: Database, tmp_path: Path) -> None:
    store = LocalStore(tmp_path)
    attempt_id, path = await talk(database, store)
    await seal_finished(database, store)
    copy = path.read_bytes()
    async with database.transaction() as session:
        await erase_person(session, person_id=1, reason="письмо", now=NOW, region="RU")
    assert path.exists(), "a crash came before the file was removed"
    await purge(database, store)
    await purge(database, store)
    assert not path.exists()
    path.write_bytes(copy)
    recording = await stored(database, attempt_id)
    with pytest.raises(RecordingError):
        sound_of(store, recording, database.office_key)
    assert recording.duration_s == 10, "its length stays for the reports"
    await link_rows(database)


async def test_another_office_key_is_told_at_the_start(database: Database, database_url: str, tmp_path: Path) -> None:
    assert await is_offices_key(database), "nothing is sealed yet"
    await talk(database, LocalStore(tmp_path))
    assert await is_offices_key(database)
    mistaken = Database(database_url, b"made anew")
    try:
        assert not await is_offices_key(mistaken)
    finally:
        await mistaken.dispose()


@pytest.mark.parametrize("sealed", [False, True])
async def test_a_file_that_was_changed_is_not_played(database: Database, tmp_path: Path, sealed: bool) -> None:
    store = LocalStore(tmp_path)
    attempt_id, path = await talk(database, store)
    if sealed:
        await seal_finished(database, store)
    else:
        await change(database, wrapped_key="")
    sound_of(store, await stored(database, attempt_id), database.office_key).close()
    content = bytearray(path.read_bytes())
    content[1000] ^= 1
    path.write_bytes(content if not sealed else b"RIFF" + bytes(1000))
    with pytest.raises(RecordingError) as refused:
        sound_of(store, await stored(database, attempt_id), database.office_key)
    assert refused.value.code == ("file.not_sealed" if sealed else "file.changed")


async def test_what_was_changed_before_it_was_sealed_is_not_sealed(database: Database, tmp_path: Path) -> None:
    store = LocalStore(tmp_path)
    attempt_id, path = await talk(database, store)
    content = bytearray(path.read_bytes())
    content[1000] ^= 1
    path.write_bytes(content)
    await seal_finished(database, store)
    assert not is_sealed(path)
    assert not (await stored(database, attempt_id)).sealed


async def test_the_key_and_the_file_of_another_call_are_not_this_ones(database: Database, tmp_path: Path) -> None:
    store = LocalStore(tmp_path)
    attempt_id, _path = await talk(database, store)
    await seal_finished(database, store)
    recording = await stored(database, attempt_id)
    recording.attempt_id = "f" * 32
    with pytest.raises(RecordingError) as refused:
        sound_of(store, recording, database.office_key)
    assert refused.value.code == "file.other_key"
