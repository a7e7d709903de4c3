"""`python -m dialer.practice carrier|headset ...`: one JSON line when ready, and it ends with its parent."""

from __future__ import annotations

import argparse
import asyncio
import functools
import hashlib
import json
import os
import signal
import stat
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Protocol, TextIO

from dialer.logs import configure_logging
from dialer.practice.carrier import REALM, Carrier, CarrierOptions
from dialer.practice.headset import Headset, HeadsetOptions
from dialer.practice.line import Line
from dialer.sip.endpoint import RegistrarAccount


class Runnable(Protocol):
    """The carrier or the headset."""

    line: Line

    async def start(self) -> None: ...

    async def stop(self) -> None: ...


def tell(event: dict[str, object]) -> None:
    """One JSON line on standard output; a reader that is gone is no reason to fail."""
    try:
        sys.stdout.write(json.dumps(event) + "\n")
        sys.stdout.flush()
    except BrokenPipeError:
        # nothing can be told any more; do not try again at exit
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def main(arguments: list[str] | None = None) -> int:
    """Exit code 0 after SIGTERM, SIGINT or the end of standard input; 1, with a reason, if it could not start."""
    options = _parser().parse_args(arguments)
    configure_logging(options.log_level, "auto", sys.stderr)
    return asyncio.run(_run(options))


async def _run(options: argparse.Namespace) -> int:
    runnable: Runnable
    if options.role == "carrier":
        runnable, on_line = Carrier(_carrier_options(options)), _ignore
    else:
        headset = Headset(_headset_options(options), tell)
        runnable, on_line = headset, functools.partial(_do, headset)
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    try:
        await runnable.start()
    except OSError as error:
        tell({"ready": False, "reason": f"{options.host}:{options.port}: {error.strerror or error}"})
        return 1
    tell({"ready": True, "host": options.host, "sip_port": runnable.line.port, "pid": os.getpid()})
    reading = asyncio.create_task(_read_commands(on_line, stop, keep_running=options.keep_running))
    await stop.wait()
    reading.cancel()
    await asyncio.gather(reading, return_exceptions=True)
    await runnable.stop()
    return 0


async def _read_commands(on_line: Callable[[str], None], stop: asyncio.Event, *, keep_running: bool) -> None:
    """Pass on each line of standard input; its end means that the parent is gone."""
    if not _may_be_written_to(sys.stdin):
        if not keep_running:
            stop.set()
        return
    reader = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    while line := await reader.readline():
        on_line(line.decode(errors="replace"))
    if not keep_running:
        stop.set()


def _may_be_written_to(source: TextIO | None) -> bool:
    """Whether somebody can be at the other end: not where there is none (`<&-`), nor of a file or /dev/null."""
    if source is None:
        return False
    kind = os.fstat(source.fileno()).st_mode
    return stat.S_ISFIFO(kind) or stat.S_ISSOCK(kind) or source.isatty()


def _ignore(line: str) -> None:
    """The carrier takes no commands."""


def _do(headset: Headset, line: str) -> None:
    try:
        command = json.loads(line)
    except ValueError:
        command = None
    headset.do(command.get("do") if isinstance(command, dict) else line.strip())


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m dialer.practice", description=__doc__)
    roles = parser.add_subparsers(dest="role", required=True)
    carrier = roles.add_parser("carrier", help="answers every number as docs/practice.md says")
    carrier.add_argument("--log", type=Path, help="one JSON line for each call is added to this file")
    carrier.add_argument("--ring-s", type=float, help="ring for this many seconds wherever a client rings at all")
    carrier.add_argument("--talk-s", type=float, help="clients hang up after this many seconds at the latest")
    carrier.add_argument("--user", default="", help="want digest from callers, and accept REGISTER, as this user")
    carrier.add_argument("--password", default="")
    headset = roles.add_parser("headset", help="registers, answers, speaks")
    headset.add_argument("--registrar", type=_address, required=True, metavar="IP:PORT")
    headset.add_argument("--user", required=True)
    headset.add_argument("--password", required=True)
    headset.add_argument("--domain", default="", help="of the SIP address (default: the registrar's address)")
    headset.add_argument("--tone", type=float, metavar="HZ", help="a tone instead of the voice")
    headset.add_argument("--expires", type=int, default=60, metavar="SECONDS")
    for role in (carrier, headset):
        role.add_argument("--host", default="127.0.0.1")
        role.add_argument("--port", type=int, default=0, help="SIP port (default: any free one)")
        role.add_argument("--log-level", default="warning", choices=("debug", "info", "warning", "error"))
        role.add_argument("--keep-running", action="store_true", help="do not end with standard input")
    return parser


def _address(text: str) -> tuple[str, int]:
    host, _, port = text.rpartition(":")
    if not host or not port.isdecimal():
        raise argparse.ArgumentTypeError(f"{text!r} is not IP:PORT")
    return host.strip("[]"), int(port)


def _carrier_options(options: argparse.Namespace) -> CarrierOptions:
    accounts: tuple[RegistrarAccount, ...] = ()
    if options.user:
        ha1_text = f"{options.user}:{REALM}:{options.password}".encode()
        accounts = (
            RegistrarAccount(
                options.user,
                hashlib.md5(ha1_text).hexdigest(),
                hashlib.sha256(ha1_text).hexdigest(),
            ),
        )
    return CarrierOptions(
        host=options.host,
        port=options.port,
        log=options.log,
        ring_s=options.ring_s,
        talk_s=options.talk_s,
        accounts=accounts,
    )


def _headset_options(options: argparse.Namespace) -> HeadsetOptions:
    return HeadsetOptions(
        registrar=options.registrar,
        user=options.user,
        password=options.password,
        host=options.host,
        port=options.port,
        domain=options.domain,
        tone_hz=options.tone,
        expires_s=options.expires,
    )


if __name__ == "__main__":
    sys.exit(main())
