"""Recordings from before there were keys: sealed one by one, whatever comes between."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from config.settings import RecordingsSettings, ServiceSettings, Settings
from crm.calls import recording_facts
from crm.calls.recording_facts import PlainCount, Recording, count_plain, recording_of
from crm.care.erasures import erase_person
from crm.database import Database
from crm.wrap_up.outcomes import OutcomeForm
from dialer import sealing_older, sound_files
from dialer.backup_lock import copying_files
from dialer.purging import link_rows
from dialer.sealing_older import SealedOlder, seal_older
from dialer.sound_files import seal_finished, sound_of
from dialer.upkeep_errors import BackupUnderWay, SealingRefused
from recordings.sealing import is_sealed, new_wrapped_key
from recordings.store import LocalStore
from tests.dialer.console.seed import NOW, seed_call, seed_office, seed_recording

FORM = OutcomeForm(disposition="warm", person_id=1, summary="хочет расчёт к пятнице")


class Office:
    """Two calls with plain recordings without a key."""

    def __init__(self, database: Database, folder: Path) -> None:
        self.database, self.folder, self.store = database, folder, LocalStore(folder / "recordings")
        self.calls: list[str] = []
        self.paths: list[Path] = []

    async def fill(self) -> None:
        seeded = await seed_office(self.database)
        for client, hours in ((0, 2), (3, 1)):
            at = NOW - timedelta(hours=hours)
            form = FORM if client == 0 else OutcomeForm(disposition="cold", reason="дорого")
            self.calls.append(await seed_call(self.database, seeded, client=client, at=at, form=form))
            self.paths.append(await seed_recording(self.database, self.store, self.calls[-1], at))

    async def seal(self, *, dry_run: bool = False) -> SealedOlder:
        return await self.seal_with(self.database, dry_run=dry_run)

    async def seal_with(self, database: Database, *, dry_run: bool = False, encrypt: bool = True) -> SealedOlder:
        settings = Settings(
            service=ServiceSettings(data_dir=str(self.folder)), recordings=RecordingsSettings(encrypt=encrypt)
        )
        return await seal_older(database, self.store, settings, now=NOW, dry_run=dry_run)

    async def give_key(self, number: int, office_key: bytes) -> None:
        recording, key = await self.stored(number), new_wrapped_key(office_key, self.calls[number])
        async with self.database.transaction() as session:
            await recording_facts.give_key(session, recording_id=recording.id, wrapped_key=key)

    async def plain(self) -> PlainCount:
        async with self.database.reading() as session:
            return await count_plain(session)

    async def stored(self, number: int) -> Recording:
        async with self.database.reading() as session:
            return await recording_of(session, self.calls[number])


@pytest.fixture
async def office(database: Database, tmp_path: Path) -> Office:
    made = Office(database, tmp_path)
    await made.fill()
    return made


async def test_they_are_sealed_and_sound_the_same(office: Office) -> None:
    sound = [path.read_bytes() for path in office.paths]
    assert await office.plain() == PlainCount(keyed=0, before=2)
    assert await office.seal(dry_run=True) == SealedOlder(sealed=2)
    assert [is_sealed(path) for path in office.paths] == [False, False]
    assert await office.plain() == PlainCount(keyed=0, before=2), "a look gives no keys"
    assert await office.seal() == SealedOlder(sealed=2)
    assert await office.plain() == PlainCount(keyed=0, before=0)
    for number, path in enumerate(office.paths):
        assert is_sealed(path)
        recording = await office.stored(number)
        assert recording.sealed
        with sound_of(office.store, recording, office.database.office_key) as file:
            assert file.read() == sound[number]
    assert await office.seal() == SealedOlder(), "there is nothing left to do"


@pytest.mark.parametrize("when", ["before the file", "after the file"])
async def test_a_crash_in_between_loses_nothing(office: Office, monkeypatch: pytest.MonkeyPatch, when: str) -> None:
    sound = office.paths[0].read_bytes()
    broken = {"before the file": (sealing_older, "seal_one"), "after the file": (recording_facts, "mark_sealed")}[when]

    async def crash(*_arguments: object, **_named: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(*broken, crash)
        with pytest.raises(KeyboardInterrupt):
            await office.seal()
    assert await office.plain() == PlainCount(keyed=1, before=1)
    await seal_finished(office.database, office.store)  # a service that runs finds it, too
    assert await office.plain() == PlainCount(keyed=0, before=1)
    with sound_of(office.store, await office.stored(0), office.database.office_key) as file:
        assert file.read() == sound
    assert await office.seal() == SealedOlder(sealed=1)


async def test_what_lies_elsewhere_keeps_none_waiting(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nor in the sealing that the service does by itself, however many there are."""
    monkeypatch.setattr(sound_files, "AT_ONCE", 1)
    for number in (0, 1):
        await office.give_key(number, office.database.office_key)
    office.paths[0].unlink()
    await seal_finished(office.database, office.store)
    assert is_sealed(office.paths[1])
    assert await office.plain() == PlainCount(keyed=1, before=0)


@pytest.mark.parametrize("known", ["by the audit", "by an older recording"])
@pytest.mark.parametrize("dry_run", [True, False])
async def test_with_a_key_that_was_made_anew_none_is_sealed(
    office: Office, database_url: str, known: str, dry_run: bool
) -> None:
    """It would be closed as soon as the office's own key is put back."""
    made_anew = b"made anew"
    if known == "by the audit":
        await link_rows(office.database)
    else:
        await office.give_key(0, office.database.office_key)
        await office.give_key(1, made_anew)
    before = await office.plain()
    mistaken = Database(database_url, made_anew)
    try:
        with pytest.raises(SealingRefused) as refused:
            await office.seal_with(mistaken, dry_run=dry_run)
    finally:
        await mistaken.dispose()
    assert refused.value.reason.code == "recordings.other_key"
    assert [is_sealed(path) for path in office.paths] == [False, False]
    assert await office.plain() == before


async def test_none_is_sealed_where_the_settings_keep_them_plain(office: Office) -> None:
    with pytest.raises(SealingRefused) as refused:
        await office.seal_with(office.database, encrypt=False)
    assert refused.value.reason.code == "recordings.kept_plain"
    assert await office.plain() == PlainCount(keyed=0, before=2)


async def test_while_a_backup_copies_files_none_is_given_a_key(office: Office) -> None:
    with copying_files(office.folder):
        with pytest.raises(BackupUnderWay):
            await office.seal()
        assert await office.plain() == PlainCount(keyed=0, before=2)
        await office.seal(dry_run=True)
    assert (await office.seal()).sealed == 2


async def test_what_was_changed_or_lies_elsewhere_stays_as_it_is(office: Office) -> None:
    content = bytearray(office.paths[0].read_bytes())
    content[1000] ^= 1
    office.paths[0].write_bytes(content)
    office.paths[1].unlink()
    found = await office.seal()
    assert (found.sealed, found.elsewhere, list(found.refused)) == (0, 1, [office.calls[0]])
    assert office.paths[0].read_bytes() == content
    assert await office.plain() == PlainCount(keyed=0, before=2)


async def test_an_erased_one_gets_no_key(office: Office) -> None:
    """Also where it was erased after somebody had looked at it."""
    recording = await office.stored(0)
    async with office.database.transaction() as session:
        await erase_person(session, person_id=1, reason="письмо", now=NOW, region="RU")
    async with office.database.transaction() as session:
        assert not await recording_facts.give_key(session, recording_id=recording.id, wrapped_key="2:x")
    assert await office.plain() == PlainCount(keyed=0, before=1)
