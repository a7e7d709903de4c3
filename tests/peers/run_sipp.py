"""sipp as a carrier, a client or a caller, with scenarios of our own (`sipp/*.xml`).

In the scenarios `@NAME@` stands for what the test hands in (sipp refuses its own keywords in a status line).
"""

from __future__ import annotations

import asyncio
import re
from dataclasses import dataclass
from pathlib import Path

from tests.peers.addresses import free_even_port, free_port, own_address, until_bound
from tests.peers.process import PeerProcess

SCENARIOS = Path(__file__).with_name("sipp")
CALLERS = frozenset(path.stem for path in SCENARIOS.glob("call*.xml"))
CODECS = {"PCMA": "8", "PCMU": "0"}

DEFAULTS = {
    "PATIENCE_MS": "5000",
    "CALL_MS": "20000",
    "TALK_MS": "300",
    "EARLY_MS": "500",
    "CONTACT": "[local_ip]:[local_port]",
    "HEADERS": "",
    "ROUTE": "",
    "RECORD_ROUTE": "",
    "USER": "sipp",
    "PASSWORD": "",
    "RING_CODE": "180",
}

_COMMON_OPTIONS = ["-nostdin", "-timeout", "150s", "-timeout_error", "-trace_msg", "-message_file", "messages.log"]
_COMMON_OPTIONS += ["-trace_err", "-error_file", "errors.log"]

PHRASES = {
    302: "Moved Temporarily",
    404: "Not Found",
    408: "Request Timeout",
    480: "Temporarily Unavailable",
    486: "Busy Here",
    503: "Service Unavailable",
    603: "Decline",
}


def status_line(code: int) -> str:
    """What the scenario `refuse` is told: "486 Busy Here"."""
    return f"{code} {PHRASES[code]}"


@dataclass(frozen=True)
class WireMessage:
    """One SIP message as sipp saw it."""

    received: bool
    text: str

    @property
    def first_line(self) -> str:
        return self.text.split("\n", 1)[0].strip()

    def header(self, name: str) -> str:
        found = re.search(rf"^{re.escape(name)}:[ \t]*(.*?)\s*$", self.text, re.MULTILINE | re.IGNORECASE)
        return found.group(1) if found else ""


class SippRun:
    """A running sipp."""

    def __init__(self, process: PeerProcess, host: str, port: int, folder: Path, echo_port: int) -> None:
        self.process = process
        self.host = host
        self.port = port
        self.folder = folder
        self.echo_port = echo_port

    async def finished(self, *, patience_s: float = 25.0) -> int:
        """sipp's exit code: 0 when every call went as the scenario says."""
        return await self.process.finished(patience_s=patience_s)

    async def succeeded(self, *, patience_s: float = 25.0) -> None:
        """Wait for the end and fail, with sipp's own words, unless the exit code is 0."""
        code = await self.finished(patience_s=patience_s)
        assert code == 0, f"{self.process.name} ended with {code}\n{self.errors()}\n{self.ladder()}"

    def errors(self) -> str:
        path = self.folder / "errors.log"
        return path.read_text(errors="replace") if path.exists() else ""

    def messages(self) -> list[WireMessage]:
        path = self.folder / "messages.log"
        if not path.exists():
            return []
        found = []
        for part in re.split(r"^-{20,}.*\n", path.read_text(errors="replace"), flags=re.MULTILINE):
            match = re.match(r"\w+ message (received|sent).*?\n\n?", part)
            if match:
                found.append(WireMessage(match.group(1) == "received", part[match.end() :].strip("\r\n")))
        return found

    async def received(self, method: str, *, patience_s: float = 15.0) -> None:
        """Return once a request of this method has come."""
        async with asyncio.timeout(patience_s):
            while not self._has_received(method):  # noqa: ASYNC110 - sipp's log is a file
                await asyncio.sleep(0.02)

    def _has_received(self, method: str) -> bool:
        return any(one.received and one.first_line.startswith(f"{method} ") for one in self.messages())

    def ladder(self) -> str:
        return "\n".join(f"{'->' if one.received else '<-'} {one.first_line}" for one in self.messages())


def scenario_text(name: str, substitutions: dict[str, str]) -> str:
    """The scenario with every `@NAME@` filled in. Raises `KeyError` for one that nobody gave."""
    text = (SCENARIOS / f"{name}.xml").read_text()
    return re.sub(r"@([A-Z_]+)@", lambda match: substitutions[match.group(1)], text)


async def start_sipp(
    scenario: str,
    *,
    folder: Path,
    address: tuple[str, int] | None = None,
    target: tuple[str, int] | None = None,
    service: str = "",
    calls: int = 1,
    codec: str = "PCMA",
    tone: Path | None = None,
    echo: bool = False,
    tcp: bool = False,
    **substitutions: str,
) -> SippRun:
    """Start sipp and return when it listens (a caller: when it has started).

    `tone`: raw G.711 bytes (no header) for the scenarios that play; `echo`: send every RTP packet back.
    `target` and `service` (the number) are for callers.
    """
    host = address[0] if address else own_address()
    port = address[1] if address else free_port(host)
    media_port = free_even_port(host)
    number = CODECS[codec]
    given = {
        **DEFAULTS,
        "CODEC": number,
        "CODEC_NAME": codec,
        "MEDIA_PORT": "[rtpstream_audio_port]" if tone else str(media_port),
        "TONE": f"{tone},-1,{number},{codec}/8000" if tone else "",
        **{key.upper(): value for key, value in substitutions.items()},
    }
    text = scenario_text(scenario, given)
    if not tone:
        text = text.replace('  <nop><action><exec rtp_stream=""/></action></nop>\n', "")
        text = text.replace('      <exec rtp_stream=""/>\n', "")
    path = folder / f"{scenario}.xml"
    path.write_text(text)
    command = ["sipp", *([f"{target[0]}:{target[1]}"] if target else []), "-sf", str(path), "-m", str(calls)]
    command += ["-i", host, "-p", str(port), "-t", "t1" if tcp else "u1", "-bind_local", "-mi", host]
    command += ["-mp", str(media_port), *(["-rtp_echo"] if echo else []), *(["-s", service] if service else [])]
    command += _COMMON_OPTIONS
    command += ["-ci", host, "-cp", str(free_port(host))]
    process = await PeerProcess.start(f"sipp-{scenario}", command, folder=folder)
    if not target:
        await until_bound(host, port, table="tcp" if tcp else "udp")
    return SippRun(process, host, port, folder, media_port)
