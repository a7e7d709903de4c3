"""Workers that are killed, disks that fill up, ports that run out."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import soundfile

from dialer.media.controller import (
    LegMeasured,
    MediaConfig,
    MediaController,
    MediaError,
    NoPortFree,
    RecordingStopped,
    WorkerDied,
)
from tests.audio import RATE_HZ, read_wav, snr_db, tone
from tests.dialer.media.conftest import Media


def is_running(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


async def test_a_killed_worker_leaves_a_file_that_plays_and_lacks_a_second_at_most(
    media: Media, tmp_path: Path
) -> None:
    operator, client = await media.bridge()
    path = tmp_path / "call.wav"
    await media.controller.start_recording("operator", "client", path)
    await asyncio.gather(operator.talk(tone(700, 3.4)), client.talk(tone(1004, 3.4)))
    (pid,) = media.controller.worker_pids
    os.kill(pid, signal.SIGKILL)
    died = await media.until(WorkerDied)
    assert set(died.legs) == {"operator", "client"}
    left, right = read_wav(path)
    assert len(left) == soundfile.info(path).frames >= (3.4 - 1) * RATE_HZ
    assert snr_db(left[4000:16_000], 700) > 35
    assert snr_db(right[4000:16_000], 1004) > 35


async def test_a_dead_worker_is_replaced(media: Media) -> None:
    await media.bridge()
    (pid,) = media.controller.worker_pids
    os.kill(pid, signal.SIGKILL)
    await media.until(WorkerDied)
    assert not media.controller.worker_pids, "it is told at once, not when another one has started"
    await media.controller.close_leg("operator")
    await media.controller.bridge("operator", "client")
    operator, client = await media.bridge()
    assert pid not in media.controller.worker_pids
    client.send(bytes(range(1, 161)))
    await operator.until(lambda packets: any(packet.payload == bytes(range(1, 161)) for packet in packets))


async def test_what_is_asked_of_a_dying_worker_fails_and_does_not_hang(media: Media) -> None:
    (pid,) = media.controller.worker_pids
    os.kill(pid, signal.SIGSTOP)
    asked = asyncio.create_task(media.controller.open_leg("client"))
    await asyncio.sleep(0)
    os.kill(pid, signal.SIGKILL)
    with pytest.raises(MediaError, match="died"):
        await asked


async def test_stopping_closes_recordings(media: Media, tmp_path: Path) -> None:
    operator, client = await media.bridge()
    path = tmp_path / "call.wav"
    await media.controller.start_recording("operator", "client", path)
    await asyncio.gather(operator.talk(tone(700, 0.5)), client.talk(tone(1004, 0.5)))
    pids = media.controller.worker_pids
    await media.controller.stop()
    await media.controller.stop()
    assert soundfile.info(path).frames >= 0.48 * RATE_HZ
    assert not any(is_running(pid) for pid in pids)
    assert not any(isinstance(event, WorkerDied) for event in media.events)


async def test_a_leg_that_closes_ends_the_recording_whose_summary_the_other_leg_has(
    media: Media, tmp_path: Path
) -> None:
    operator, client = await media.bridge()
    path = tmp_path / "call.wav"
    await media.controller.start_recording("operator", "client", path)
    with pytest.raises(MediaError, match="being recorded"):
        await media.controller.start_recording("operator", "client", tmp_path / "again.wav")
    await asyncio.gather(operator.talk(tone(700, 0.4)), client.talk(tone(1004, 0.4)))
    await media.controller.close_leg("client")
    summary = await media.controller.stop_recording("operator")
    assert summary is not None
    assert summary.frames == soundfile.info(path).frames
    assert await media.controller.stop_recording("operator") is None


async def test_a_recording_that_cannot_begin_is_told_in_words(media: Media, tmp_path: Path) -> None:
    await media.bridge()
    with pytest.raises(MediaError, match="the folder does not exist"):
        await media.controller.start_recording("operator", "client", tmp_path / "none" / "call.wav")


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    folder = tmp_path / "small"
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(folder)]
    try:
        mounted = subprocess.run(command, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        pytest.skip("there is no mount command for a small disk")
    if mounted.returncode:
        pytest.skip(f"a small disk needs the right to mount: {mounted.stderr.strip()}")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


@pytest.mark.machine
async def test_a_full_disk_ends_the_recording_and_not_the_call(media: Media, small_disk: Path) -> None:
    operator, client = await media.bridge()
    path = small_disk / "call.wav"
    await media.controller.start_recording("operator", "client", path)
    talking = asyncio.gather(operator.talk(tone(700, 4)), client.talk(tone(1004, 4)))
    stopped = await media.until(RecordingStopped)
    assert (stopped.leg, stopped.path, stopped.reason) == ("client", path, "the disk is full")
    left, _ = read_wav(path)
    assert 0 < len(left) == stopped.frames == soundfile.info(path).frames
    count = len(operator.packets)
    await operator.until(lambda packets: len(packets) > count + 20)
    await talking
    summary = await media.controller.stop_recording("operator")
    assert summary is not None
    assert (summary.frames, summary.failure) == (stopped.frames, "the disk is full")


async def test_legs_that_belong_together_are_on_one_worker() -> None:
    controller = MediaController(MediaConfig(workers=2), lambda event: None)
    await controller.start()
    try:
        assert len(set(controller.worker_pids)) == 2
        for name in "abcd":
            await controller.open_leg(name)
            await controller.open_leg(name * 2, beside=name)
        for name in "abcd":
            await controller.bridge(name, name * 2)
        with pytest.raises(MediaError, match="different workers"):
            await controller.bridge("a", "b")
    finally:
        await controller.stop()


def free_range(ports: int) -> tuple[int, int]:
    """A range whose first even port was free a moment ago."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind(("127.0.0.9", 0))
        first = min(probe.getsockname()[1] // 2 * 2, 65534 - 2 * ports)
    return first, first + 2 * ports - 1


async def test_ports_come_from_the_range_and_run_out_in_words() -> None:
    first, last = free_range(2)
    controller = MediaController(MediaConfig("127.0.0.9", first, last), lambda event: None)
    await controller.start()
    try:
        ports = {(await controller.open_leg(name)).port for name in "ab"}
        assert ports == {first, first + 2}
        with pytest.raises(NoPortFree, match="in use"):
            await controller.open_leg("c")
        await controller.close_leg("a")
        assert (await controller.open_leg("c")).port in ports
        with pytest.raises(MediaError, match="there is a leg b already"):
            await controller.open_leg("b")
    finally:
        await controller.stop()


async def test_an_address_that_is_not_of_this_machine_is_refused() -> None:
    controller = MediaController(MediaConfig("192.0.2.1"), lambda event: None)
    await controller.start()
    try:
        with pytest.raises(MediaError, match="cannot be bound"):
            await controller.open_leg("a")
    finally:
        await controller.stop()


async def test_unknown_legs_are_ignored(media: Media) -> None:
    await media.controller.bridge("one", "other")
    await media.controller.unbridge("one")
    await media.controller.play("one", "busy")
    await media.controller.stop_playing("one")
    await media.controller.send_digits("one", "1")
    await media.controller.close_leg("one")
    assert await media.controller.stop_recording("one") is None


PARENT = """
import asyncio, sys
from pathlib import Path
from dialer.media.controller import MediaConfig, MediaController, RemoteMedia

async def main():
    controller = MediaController(MediaConfig(), lambda event: None)
    await controller.start()
    for leg in ("a", "b"):
        await controller.open_leg(leg)
        await controller.connect_leg(leg, RemoteMedia("127.0.0.1", 9, "PCMA", 8, None))
    await controller.start_recording("a", "b", Path(sys.argv[1]))
    print(*controller.worker_pids, flush=True)
    await asyncio.sleep(60)

asyncio.run(main())
"""


async def test_a_worker_whose_parent_is_killed_closes_its_recordings_and_goes(tmp_path: Path) -> None:
    path = tmp_path / "call.wav"
    parent = await asyncio.create_subprocess_exec(sys.executable, "-c", PARENT, str(path), stdout=subprocess.PIPE)
    assert parent.stdout is not None
    worker = int(await parent.stdout.readline())
    ended = os.pidfd_open(worker)
    gone = asyncio.Event()
    asyncio.get_running_loop().add_reader(ended, gone.set)
    parent.kill()
    await parent.wait()
    try:
        async with asyncio.timeout(20):
            await gone.wait()
    finally:
        if not gone.is_set():
            signal.pidfd_send_signal(ended, signal.SIGKILL)
        asyncio.get_running_loop().remove_reader(ended)
        os.close(ended)
    assert soundfile.info(path).channels == 2


async def test_a_worker_ends_in_order_at_sigterm(media: Media, tmp_path: Path) -> None:
    await media.bridge()
    path = tmp_path / "call.wav"
    await media.controller.start_recording("operator", "client", path)
    await media.until(LegMeasured)
    (pid,) = media.controller.worker_pids
    os.kill(pid, signal.SIGINT)  # is the parent's business
    os.kill(pid, signal.SIGTERM)
    await media.until(WorkerDied)
    assert soundfile.info(path).frames > 0
