"""`dialer serve` as a process: it says where it is, ends when told, and refuses in words."""

from __future__ import annotations

import asyncio
import json
import os
import re
import signal
import socket
import ssl
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp

from tests.dialer.cli.test_check import free_port

COMMAND = "import sys; from dialer.cli import main; sys.exit(main())"
PATIENCE_S = 60


def make_office(folder: Path, *, console: int | None = None) -> Path:
    """Settings on free ports, and a database."""
    config = folder / "dialer.toml"
    folder.mkdir()
    config.write_text(
        f'[service]\nlanguage = "en"\n[console]\nport = {free_port() if console is None else console}\n'
        f"[sip]\nport = {free_port()}\n[media]\nfirst_port = 0\nlast_port = 0\n[recordings]\nminimum_free_mb = 1\n"
    )
    return config


@asynccontextmanager
async def serving(config: Path) -> AsyncIterator[asyncio.subprocess.Process]:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-c",
        COMMAND,
        "serve",
        "-c",
        str(config),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env={**os.environ, "LANG": "C.UTF-8"},
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.communicate()


async def first_line(process: asyncio.subprocess.Process) -> str:
    assert process.stdout is not None
    async with asyncio.timeout(PATIENCE_S):
        return (await process.stdout.readline()).decode()


async def ended(process: asyncio.subprocess.Process) -> tuple[int, str]:
    async with asyncio.timeout(PATIENCE_S):
        _, err = await process.communicate()
    assert process.returncode is not None
    return process.returncode, err.decode()


async def test_it_says_where_it_is_and_ends_properly_when_told(tmp_path: Path) -> None:
    config = make_office(tmp_path / "office")
    async with serving(config) as service:
        line = await first_line(service)
        assert re.fullmatch(r"The console is at http://127\.0\.0\.1:\d+/? \(Ctrl\+C stops the service\)\.\n", line)
        service.send_signal(signal.SIGTERM)
        code, err = await ended(service)
    assert code == 0, err
    assert all(json.loads(logged) for logged in err.splitlines())


async def test_a_second_one_on_the_same_database_is_refused_in_words(tmp_path: Path) -> None:
    config = make_office(tmp_path / "office")
    second = config.with_name("second.toml")
    second.write_text(re.sub(r"port = \d\d+", lambda _port: f"port = {free_port()}", config.read_text()))
    async with serving(config) as service:
        await first_line(service)
        async with serving(second) as refused:
            code, err = await ended(refused)
        assert code == 1
        assert "Another service runs on this database (node “main”" in err
        assert "Traceback" not in err
        assert service.returncode is None


async def test_a_busy_console_port_is_said_in_words(tmp_path: Path) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        async with serving(make_office(tmp_path / "office", console=port)) as service:
            code, err = await ended(service)
    assert code == 1
    assert str(port) in err
    assert "another program uses this address and port" in err
    assert "Traceback" not in err


async def test_after_sigkill_it_starts_again(tmp_path: Path) -> None:
    config = make_office(tmp_path / "office")
    async with serving(config) as service:
        await first_line(service)
        service.kill()
    async with serving(config) as service:
        assert "The console is at" in await first_line(service)


async def test_the_console_speaks_https_with_the_certificate_that_it_is_given(tmp_path: Path) -> None:
    config = make_office(tmp_path / "office")
    made = await asyncio.create_subprocess_exec(
        *("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=localhost", "-days", "2"),
        *("-addext", "subjectAltName=IP:127.0.0.1", "-keyout", "key.pem", "-out", "chain.pem"),
        cwd=config.parent,
        stderr=asyncio.subprocess.DEVNULL,
    )
    assert await made.wait() == 0
    config.write_text(
        config.read_text().replace("[console]\n", '[console]\ntls_certificate = "chain.pem"\ntls_key = "key.pem"\n')
    )
    trusting = ssl.create_default_context(cafile=config.parent / "chain.pem")
    async with serving(config) as service:
        address = re.search(r"https://127\.0\.0\.1:\d+", await first_line(service))
        assert address
        async with aiohttp.ClientSession() as client, client.get(f"{address[0]}/healthz", ssl=trusting) as answer:
            assert answer.status == 200
            assert (await answer.json())["database"] == "ok"
