"""Bad input and trouble: each says in words what is wrong and what to do, in both languages, and loses nothing."""

from __future__ import annotations

import asyncio
import contextlib
import html
import os
import shutil
import socket
import sqlite3
import subprocess
import sys
import wave
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from crm.calls.recording_facts import RecordingState
from crm.wrap_up.outcomes import Outcome
from dialer.demo import seed
from dialer.practice.processes import PracticeCarrier
from tests.foreign_words import latin_words, shown_texts
from tests.scenarios.office import LOOK_EVERY_S, PATIENCE_S, Operator, World, office

LANGUAGES = ("ru", "en")


async def run(*arguments: str | Path) -> tuple[int, str]:
    """A command to its end: its exit code, and all that it said on both outputs."""
    process = await asyncio.create_subprocess_exec(
        str(Path(sys.executable).with_name("dialer")), *map(str, arguments),
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT, env={**os.environ, "LANG": "C.UTF-8"},
    )  # fmt: skip
    async with asyncio.timeout(PATIENCE_S):
        said, _ = await process.communicate()
    assert process.returncode is not None
    text = said.decode()
    assert "Traceback" not in text
    return process.returncode, text


def configured(folder: Path, language: str, *, console: int, sip: int, further: str = "") -> Path:
    """Settings of an office that has not been started yet."""
    config = folder / "dialer.toml"
    config.write_text(
        f'[service]\nlanguage = "{language}"\n[console]\nport = {console}\n[sip]\nport = {sip}\n'
        f"[media]\nfirst_port = 0\nlast_port = 0\n[recordings]\nminimum_free_mb = 1\n{further}",
        encoding="utf-8",
    )
    return config


@contextlib.contextmanager
def taken_port(kind: socket.SocketKind) -> Iterator[int]:
    with socket.socket(type=kind) as other:
        other.bind(("127.0.0.1", 0))
        if kind is socket.SOCK_STREAM:
            other.listen()
        yield int(other.getsockname()[1])


@contextlib.contextmanager
def small_disk(folder: Path, megabytes: int) -> Iterator[Path]:
    """A file system of its own in `folder`, so that nothing else has to run full."""
    folder.mkdir(parents=True, exist_ok=True)
    mount = shutil.which("mount")
    if os.geteuid() != 0 or mount is None:
        pytest.skip("only root can mount a small disk")
    made = subprocess.run(
        [mount, "-t", "tmpfs", "-o", f"size={megabytes}m", "tmpfs", str(folder)], check=False, capture_output=True
    )
    if made.returncode:
        pytest.skip(f"no small disk can be mounted here: {made.stderr.decode().strip()}")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


def fill(folder: Path) -> Path:
    """Write until nothing more fits; the file is returned, to be taken away again."""
    ballast = folder / "ballast"
    with ballast.open("ab", buffering=0) as file, contextlib.suppress(OSError):
        while True:
            file.write(bytes(4096))
    return ballast


def speak(world: World, language: str) -> None:
    """From the next page on, everybody is spoken to in `language`."""
    with contextlib.closing(sqlite3.connect(world.service.folder / "data" / "dialer.db", timeout=10)) as database:
        database.execute("UPDATE users SET language = ?", (language,))
        database.commit()


def text_of(part: str) -> str:
    return html.unescape(" ".join(shown_texts(part)))


async def shows(world: World, operator: Operator, region: str, *, names: tuple[str, ...] = (), **wanted: str) -> None:
    """The operator's page says `wanted["ru"]` and, to an English speaker, `wanted["en"]`."""
    for language in LANGUAGES:
        speak(world, language)
        await operator.until(lambda _: wanted[language] in text_of(operator.regions.get(region, "")))  # noqa: B023 - awaited here
        if language == "ru":
            assert latin_words(operator.regions.values(), names=names) == set()
    speak(world, "ru")


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    async with office(tmp_path) as running:
        yield running
    assert "Traceback" not in running.service.log()


# -- at the start -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("language", "words", "remedy"),
    [
        ("ru", "занят другой программой", "Завершите программу, которой занят этот порт"),
        ("en", "is in use by another program", "Stop the program that has this port"),
    ],
)
async def test_a_busy_sip_port(tmp_path: Path, language: str, words: str, remedy: str) -> None:
    with taken_port(socket.SOCK_DGRAM) as port:
        config = configured(tmp_path, language, console=0, sip=port)
        for command in ("serve", "check"):
            code, said = await run(command, "-c", config)
            assert (code, str(port) in said, words in said, "sip.port" in said) == (1, True, True, True), said


@pytest.mark.parametrize(
    ("language", "words"),
    [("ru", "этот адрес и порт занимает другая программа"), ("en", "another program uses this address and port")],
)
async def test_a_busy_console_port(tmp_path: Path, language: str, words: str) -> None:
    with taken_port(socket.SOCK_STREAM) as port:
        config = configured(tmp_path, language, console=port, sip=0)
        for command in ("serve", "check"):
            code, said = await run(command, "-c", config)
            assert (code, str(port) in said, words in said, "console.port" in said) == (1, True, True, True), said


@pytest.mark.parametrize(
    ("language", "words", "remedy"),
    [
        ("ru", "этот файл — не база данных", "последнюю копию"),
        ("en", "the file is no database", "the newest copy"),
    ],
)
async def test_a_file_that_is_no_database(tmp_path: Path, language: str, words: str, remedy: str) -> None:
    config = configured(tmp_path, language, console=0, sip=0)
    garbage = b"these bytes were once a database " * 200
    file = tmp_path / "data" / "dialer.db"
    file.parent.mkdir()
    file.write_bytes(garbage)
    for command in (["serve"], ["users", "list"], ["db", "upgrade"], ["check", "--wait", "0"]):
        code, said = await run(*command, "-c", config)
        assert (code, words in said) == (1, True), said
        if command[0] in ("serve", "db"):
            assert remedy in said
    assert file.read_bytes() == garbage, "what may still be saved is not touched"


@pytest.mark.parametrize(
    ("language", "words"), [("ru", "или его ключ не подходит"), ("en", "or its key cannot be used")]
)
async def test_a_certificate_that_is_none(tmp_path: Path, language: str, words: str) -> None:
    config = configured(tmp_path, language, console=0, sip=0)
    for name in ("chain.pem", "key.pem"):
        (tmp_path / name).write_text("-----BEGIN NOTHING-----\n")
    config.write_text(
        config.read_text().replace("[console]\n", '[console]\ntls_certificate = "chain.pem"\ntls_key = "key.pem"\n')
    )
    code, said = await run("serve", "-c", config)
    assert (code, words in said, "console.tls_key" in said) == (1, True, True), said


# -- the trunk --------------------------------------------------------------------------------------------------------


async def test_a_dead_trunk(world: World) -> None:
    operator = await world.operator()
    port = world.carrier.port
    await operator.until(lambda _: not text_of(operator.regions["banner"]))
    world.carrier.kill()
    await shows(
        world, operator, "banner",
        ru=f"Нет связи с оператором связи: 127.0.0.1:{port} не отвечает. Попытки продолжаются",
        en=f"There is no connection to the telephone provider: no answer from 127.0.0.1:{port}. It is tried again",
    )  # fmt: skip
    assert "does the firewall let SIP through" in text_of(operator.regions["banner"]), "what to do, on the page"
    assert f"no answer from 127.0.0.1:{port}" in world.service.log()
    assert "does the firewall let SIP through" in world.service.log()
    await world.service.stop()
    code, said = await run("check", "--wait", "1", "-c", world.service.config)
    assert (code, f"127.0.0.1:{port}" in said, "пропускает ли" in said or "брандмауэр" in said) == (1, True, True), said


async def test_wrong_credentials_at_the_trunk(world: World, tmp_path: Path) -> None:
    await world.service.stop()
    async with PracticeCarrier(log=tmp_path / "strict.jsonl", user="office", password="right") as strict:
        text = world.service.config.read_text().replace(
            f"port = {world.carrier.port}\n",
            f'port = {strict.port}\nuser = "office"\npassword = "s0wrong"\nregister = true\n',
        )
        world.service.config.write_text(text)
        await world.service.start()
        operator = Operator(world.http, world.service.url)
        await operator.sign_in()
        await shows(
            world, operator, "banner",
            ru=f"127.0.0.1:{strict.port} отказывает в регистрации: 40",
            en=f"127.0.0.1:{strict.port} refused our registration: 40",
        )  # fmt: skip
        assert "compare user, password and domain" in text_of(operator.regions["banner"]), "what to do, on the page"
        assert "refused our registration" in world.service.log()
        assert "compare user, password and domain with the contract" in world.service.log()
        await world.service.stop()
        code, said = await run("check", "--wait", "3", "-c", world.service.config)
    assert (code, "s0wrong" in said) == (1, False)
    assert "сравните" in said.lower() or "сверьте" in said.lower(), said
    assert "s0wrong" not in world.service.log()


# -- the headset ------------------------------------------------------------------------------------------------------


async def test_no_headset(world: World) -> None:
    operator = await world.operator()
    await operator.post("ready")
    await shows(
        world, operator, "call", names=(seed.HEADSET,),
        ru=f"Гарнитура «{seed.HEADSET}» не подключена", en=f"Your headset “{seed.HEADSET}” is not connected",
    )  # fmt: skip
    assert "Check that it is switched on" in world.service.log()
    await world.service.stop()
    code, said = await run("check", "--wait", "0", "-c", world.service.config)
    again = f"dialer check -c {world.service.config} --wait 60"
    assert (code, f"127.0.0.1:{world.sip_port}" in said, again in said) == (1, True, True), said


async def test_a_headset_that_declines_then_is_muted_then_hangs_up(world: World) -> None:
    async with world.headset() as headset:
        await headset.registered()
        operator = await world.operator()
        await headset.tell({"do": "decline_next"})
        await headset.happened("done")
        await operator.post("ready")
        await shows(
            world, operator, "call", names=(seed.HEADSET,),
            ru="(звонок отклонён). Нажмите «Готов»", en="(it declined the call). Press Ready",
        )  # fmt: skip
        assert "desk.headset_no_answer" in world.service.log()

        attempt_id = await operator.call_the_next()
        await headset.tell({"do": "mute"})
        await operator.until(lambda view: view["silent"] == "operator")
        assert "nothing comes from the operator's microphone" in world.service.log()
        await shows(
            world, operator, "call",
            ru="Клиент вас не слышит: с вашего микрофона ничего не приходит", en="The client cannot hear you",
        )  # fmt: skip
        await headset.tell({"do": "unmute"})
        view = await operator.until(lambda view: view["silent"] == "")
        assert view["call"] == "talking"

        await headset.tell({"do": "hang_up"})
        await operator.until(lambda view: view["call"] == "wrap_up")
        await shows(world, operator, "call", ru="На гарнитуре положили трубку", en="The headset hung up")
        assert (await world.carrier.logged(attempt_id)).ended_by == "caller", "the client is not left on a dead line"
        assert "desk.headset_hung_up" in world.service.log()
        await operator.post("outcome", attempt_id=attempt_id, fields={"disposition": "no_contact"})


# -- the disk ---------------------------------------------------------------------------------------------------------


async def settled(world: World, attempt_id: str, state: RecordingState) -> Any:
    """The recording's row in `state`; another process writes it."""
    for _ in range(int(PATIENCE_S / LOOK_EVERY_S)):
        recording = await world.recording(attempt_id)
        if recording is not None and recording.state is state:
            return recording
        await asyncio.sleep(LOOK_EVERY_S)
    raise AssertionError(f"the recording is not {state}")


def _size(path: Path) -> int:
    return path.stat().st_size


async def grown(path: Path, size: int) -> None:
    """`path` has `size` bytes; another process writes it."""
    for _ in range(int(PATIENCE_S / LOOK_EVERY_S)):
        if _size(path) >= size:
            return
        await asyncio.sleep(LOOK_EVERY_S)
    raise AssertionError(f"{path.name} does not grow")


@pytest.mark.machine
async def test_the_recordings_disk_runs_full_in_a_call(world: World) -> None:
    with small_disk(world.service.folder / "data" / "recordings", 3) as disk:
        async with world.headset() as headset:
            await headset.registered()
            operator = await world.operator()
            attempt_id = await operator.call_the_next()
            path = world.recording_path(await world.recording_begun(attempt_id))
            await grown(path, 32_044)  # a second is in it
            fill(disk)
            await shows(
                world, operator, "call",
                ru="Запись прервалась: диск заполнен. Разговор продолжается.",
                en="The recording stopped: the disk is full. The call goes on.",
            )  # fmt: skip
            assert "the disk is full" in world.service.log()
            await operator.post("hang-up", attempt_id=attempt_id)
            await operator.until(lambda view: view["call"] == "wrap_up")
            await settled(world, attempt_id, RecordingState.FAILED)
            with wave.open(str(path), "rb") as left:
                assert left.getnframes() >= 8000, "what was recorded before still plays"
            for language, words in (("ru", "диск заполнен"), ("en", "the disk is full")):
                speak(world, language)
                _, page = await operator.get(f"/calls/{attempt_id}")
                assert words in text_of(page.decode())
            await operator.post("outcome", attempt_id=attempt_id, fields={"disposition": "no_contact"})

            following = await operator.call_the_next()
            await shows(
                world, operator, "call",
                ru="Этот разговор не записывается: Диск записей почти заполнен",
                en="This call is not recorded: The recordings' disk is nearly full",
            )  # fmt: skip
            await operator.post("hang-up", attempt_id=following)
            await operator.until(lambda view: view["call"] == "wrap_up")


@pytest.mark.machine
async def test_the_databases_disk_runs_full_in_a_call(tmp_path: Path) -> None:
    """What happened is kept in memory, and written as soon as there is room again."""
    with small_disk(tmp_path / "data", 24) as disk:
        async with office(tmp_path) as world, world.headset() as headset:
            await headset.registered()
            operator = await world.operator()
            attempt_id = await operator.call_the_next()
            ballast = fill(disk)
            await operator.post("hang-up", attempt_id=attempt_id)
            told = "Не удаётся писать в базу данных: её диск заполнен. Всё о разговоре хранится в памяти"
            await operator.until(lambda _: told in text_of(operator.regions["call"]))
            assert (await operator.get("/healthz"))[0] == 503
            assert latin_words(operator.regions.values()) == set()
            assert "not written yet" in world.service.log()
            ballast.unlink()
            await operator.post("outcome", attempt_id=attempt_id, fields={"disposition": "no_contact", "note": "тесно"})
            attempt = await world.attempt(attempt_id)
            assert attempt.result is not None
            assert attempt.ended_at is not None

            async def read(session: Any) -> str:
                return str(await session.scalar(select(Outcome.note).where(Outcome.attempt_id == attempt_id)))

            assert await world.stored(read) == "тесно"
        assert "Traceback" not in world.service.log()
