"""The image for one machine: its recipe followed line by line, then run as compose.yaml runs it."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import subprocess
from pathlib import Path

import pytest

from tests.dialer.cli.test_check import free_port
from tests.project.image import build
from tests.project.test_fresh_copy import copy_of_the_source

PATIENCE_S = 60.0


def skip_where_nothing_can_be_mounted() -> None:
    if os.geteuid() != 0 or any(shutil.which(program) is None for program in ("unshare", "setpriv", "chroot")):
        pytest.skip("only root, with the programs of util-linux, can give a recipe a root of its own")
    if subprocess.run(["unshare", "--mount", "mount", "-t", "tmpfs", "try", "/mnt"], check=False).returncode != 0:
        pytest.skip("no file system can be mounted here")


@pytest.mark.machine
async def test_it_is_built_makes_an_office_serves_and_stops_properly(tmp_path: Path) -> None:
    skip_where_nothing_can_be_mounted()
    source = copy_of_the_source(tmp_path / "source")
    image = await asyncio.to_thread(build, source / "docker" / "Dockerfile", source, tmp_path / "image")
    assert image.user == "dialer"
    surroundings = image.environment(
        LANG="C.UTF-8", DIALER__CONSOLE__PORT=str(free_port()), DIALER__SIP__PORT=str(free_port()),
        DIALER__MEDIA__FIRST_PORT="0", DIALER__MEDIA__LAST_PORT="0", DIALER__RECORDINGS__MINIMUM_FREE_MB="1",
    )  # fmt: skip

    async def run(*command: str) -> str:
        process = await asyncio.create_subprocess_exec(
            *image.argv(list(command), sealed=True), env=surroundings, stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
        )  # fmt: skip
        async with asyncio.timeout(PATIENCE_S):
            said = (await process.communicate())[0].decode()
        assert process.returncode == 0, said
        return said

    entry, *serve = image.command
    made = await run(entry, "init", "/data")
    assert "password" in made
    settings = tmp_path / "image" / "final" / "data" / "dialer.toml"
    assert settings.stat().st_uid != 0
    service = await asyncio.create_subprocess_exec(
        *image.argv([entry, *serve], sealed=True), env=surroundings, stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    try:
        assert service.stdout is not None
        async with asyncio.timeout(PATIENCE_S):
            assert b"The console is at" in await service.stdout.readline()
        await run(*image.health)
        service.send_signal(signal.SIGTERM)
        async with asyncio.timeout(PATIENCE_S):
            _, said = await service.communicate()
        assert service.returncode == 0, said.decode()
        assert b"Traceback" not in said
    finally:
        if service.returncode is None:
            service.kill()
            await service.wait()
