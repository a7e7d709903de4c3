"""baresip as an operator's headset or as a client: a real softphone with a WAV file for a microphone.

What it hears is written to `recordings/*-dec.wav`; it is steered by netstring-framed JSON over TCP (`ctrl_tcp`).
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import tempfile
from pathlib import Path
from typing import Any

from tests.peers.addresses import free_even_port, free_port, own_address, until_bound
from tests.peers.process import PeerProcess

MODULE_FOLDERS = ("/usr/lib/baresip/modules", "/usr/lib64/baresip/modules", "/usr/local/lib/baresip/modules")

CONFIG = """\
poll_method epoll
sip_listen {host}:{port}
net_interface {host}
rtp_ports {rtp_port}-{rtp_port_last}
call_max_calls 8
call_local_timeout 60
audio_source aufile,{tone}
audio_player aubridge,ear
audio_alert aubridge,bell
ausrc_srate 8000
auplay_srate 8000
ausrc_channels 1
auplay_channels 1
module_path {modules}
module g711.so
module aufile.so
module aubridge.so
module sndfile.so
module_tmp account.so
module_app menu.so
module_app ctrl_tcp.so
ctrl_tcp_listen {host}:{control_port}
snd_path {recordings}
"""


class BaresipRun:
    """A running baresip."""

    def __init__(self, process: PeerProcess, host: str, port: int, control_port: int, folder: Path, link: Path) -> None:
        self.process = process
        self.host = host
        self.port = port
        self.folder = folder
        self._control_port = control_port
        self._link = link

    async def command(self, command: str, params: str = "") -> dict[str, Any]:
        """Send one command (`dial`, `hangup`, `hold`, `resume`, `listcalls`, ...) and return baresip's answer."""
        async with asyncio.timeout(10):
            reader, writer = await asyncio.open_connection(self.host, self._control_port)
            request = json.dumps({"command": command, "params": params, "token": "test"}).encode()
            writer.write(b"%d:%s," % (len(request), request))
            await writer.drain()
            try:
                while True:
                    length = int((await reader.readuntil(b":"))[:-1])
                    answer: dict[str, Any] = json.loads((await reader.readexactly(length + 1))[:-1])
                    if answer.get("response"):
                        return answer
            finally:
                writer.close()
                with contextlib.suppress(ConnectionError):
                    await writer.wait_closed()

    def clean_up(self) -> None:
        """Remove what lies outside the folder; the recordings stay."""
        self._link.unlink()
        self._link.parent.rmdir()

    def heard(self) -> list[Path]:
        """The WAV files of what baresip heard, one for each call, oldest first."""
        found = (self.folder / "recordings").glob("*-dec.wav")
        return sorted(found, key=lambda path: path.stat().st_mtime)

    async def has_heard(self, seconds: float, *, patience_s: float = 15.0) -> None:
        """Return when the newest WAV holds so much sound (16 bits at 8 kHz; its header is written last)."""
        async with asyncio.timeout(patience_s):
            while not self._newest_is(44 + seconds * 16000):  # noqa: ASYNC110 - a file gives no event
                await asyncio.sleep(0.05)

    def _newest_is(self, size_bytes: float) -> bool:
        return bool(self.heard()) and self.heard()[-1].stat().st_size >= size_bytes


def _modules() -> str:
    return next(name for name in MODULE_FOLDERS if Path(name).exists())


def _short_link(folder: Path) -> Path:
    link = Path(tempfile.mkdtemp(prefix="ear-")) / "rec"
    link.symlink_to(folder)
    return link


async def start_baresip(
    *,
    folder: Path,
    user: str,
    tone: Path,
    registrar: tuple[str, int] | None = None,
    password: str = "",
    codecs: str = "pcma,pcmu",
    answers: bool = True,
    address: tuple[str, int] | None = None,
    refresh_s: int = 60,
) -> BaresipRun:
    """Start baresip as `user`; with `registrar` it registers there.

    `tone`: 8 kHz mono WAV (an absolute path) that it speaks; at the file's end baresip 1.0 hangs up. Returns when its
    SIP port is open; whether it has registered is the registrar's to say.
    """
    host, port = address or (own_address(), 0)
    port = port or free_port(host)
    control_port, rtp_port = free_port(host), free_even_port(host)
    recordings = folder / "recordings"
    recordings.mkdir(parents=True, exist_ok=True)
    link = _short_link(recordings)
    domain = f"{registrar[0]}:{registrar[1]}" if registrar else f"{host}:{port}"
    account = f"<sip:{user}@{domain}>;auth_user={user};auth_pass={password}"
    account += f";answermode={'auto' if answers else 'manual'};regint={refresh_s if registrar else 0}"
    (folder / "accounts").write_text(f"{account};audio_codecs={codecs};ptime=20\n")
    (folder / "contacts").touch()
    (folder / "config").write_text(
        CONFIG.format(
            host=host,
            port=port,
            rtp_port=rtp_port,
            rtp_port_last=rtp_port + 40,
            tone=tone,
            modules=_modules(),
            control_port=control_port,
            # baresip cuts the names of its WAV files at 128 characters: a pytest folder is soon longer
            recordings=link,
        )
    )
    process = await PeerProcess.start("baresip", ["baresip", "-f", str(folder), "-s"], folder=folder)
    await until_bound(host, port)
    await until_bound(host, control_port, table="tcp")
    return BaresipRun(process, host, port, control_port, folder, link)
