"""`dialer check`: each part in words, against a real trunk and a real headset of the practice network."""

from __future__ import annotations

import argparse
import asyncio
import io
import socket
from pathlib import Path

from config.settings import Settings
from crm.database import Database
from crm.office import users
from dialer.app import running_service, utc_now
from dialer.cli.check import check
from dialer.cli.terminal import Terminal
from dialer.practice.processes import PracticeCarrier, PracticeHeadset
from dialer.telephony import Telephony
from dialer.words import words
from tests.dialer.cli.conftest import Dialer

HEADSET, PASSWORD = "anna-h", "headset's own"


def free_port() -> int:
    """A port that was free a moment ago, for both UDP and TCP."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as stream, socket.socket(type=socket.SOCK_DGRAM) as datagram:
        stream.bind(("127.0.0.1", 0))
        port: int = stream.getsockname()[1]
        datagram.bind(("127.0.0.1", port))
    return port


def settings_for(folder: Path, *, trunk: dict[str, object] | None = None, **sections: dict[str, object]) -> Settings:
    tables: dict[str, object] = {
        "service": {"data_dir": str(folder), "language": "en"},
        "console": {"port": free_port()},
        "sip": {"port": free_port()},
        "media": {"first_port": 0, "last_port": 0},
        "recordings": {"minimum_free_mb": 1},
    }
    return Settings.model_validate({**tables, **sections, **({"trunk": trunk} if trunk else {})})


async def prepare(settings: Settings, *, headset: str = HEADSET) -> None:
    """An upgraded database with one operator."""
    settings.recordings_dir.mkdir(parents=True, exist_ok=True)
    database = Database(settings.database_url)
    try:
        await database.upgrade()
        async with database.transaction() as session:
            anna = await users.add_user(
                session,
                login="anna",
                name="Anna",
                role=users.Role.OPERATOR,
                password="long enough",
                now=utc_now(),
                headset=headset,
            )
            if headset:
                await users.set_headset_password(session, user=anna, password=PASSWORD, realm=settings.sip.realm)
    finally:
        await database.dispose()


async def checked(settings: Settings, *, wait_s: float = 0.2) -> tuple[int, str]:
    out = io.StringIO()
    terminal = Terminal(words("en"), out, io.StringIO(), io.StringIO())
    code = await check(settings, argparse.Namespace(wait=wait_s), terminal)
    return code, out.getvalue()


async def until_up(telephony: Telephony) -> None:
    """The trunk and the headset of the office are there."""
    changed = asyncio.Event()
    telephony.on_line_event(lambda _event: changed.set())
    async with asyncio.timeout(20):
        while not (telephony.trunk().ready and telephony.headset(HEADSET).registered):
            changed.clear()
            await changed.wait()


async def test_everything_is_ready(tmp_path: Path) -> None:
    async with PracticeCarrier(log=tmp_path / "far.jsonl", user="office", password="s3same") as carrier:
        trunk = {"host": "127.0.0.1", "port": carrier.port, "user": "office", "password": "s3same", "register": True}
        settings = settings_for(tmp_path / "data", trunk=trunk)
        await prepare(settings)
        registrar = ("127.0.0.1", settings.sip.port)
        async with PracticeHeadset(registrar=registrar, user=HEADSET, password=PASSWORD):
            code, said = await checked(settings, wait_s=20)
    assert code == 0, said
    assert f"ok       trunk: 127.0.0.1:{carrier.port}: registered" in said
    assert "ok       headset anna-h (Anna): connected (sip:" in said
    assert said.endswith("Everything is ready for calls.\n")


async def test_a_trunk_without_registration_is_asked_by_options(tmp_path: Path) -> None:
    async with PracticeCarrier(log=tmp_path / "far.jsonl") as carrier:
        trunk = {"host": "127.0.0.1", "port": carrier.port, "caller_id": "73420000000"}
        settings = settings_for(tmp_path / "data", trunk=trunk)
        await prepare(settings, headset="")
        _, said = await checked(settings, wait_s=1)
    assert f"ok       trunk: 127.0.0.1:{carrier.port}: answers" in said
    assert "trouble  headsets: no user has one" in said


async def test_a_wrong_password_at_the_trunk_is_said_with_what_to_do(tmp_path: Path) -> None:
    async with PracticeCarrier(log=tmp_path / "far.jsonl", user="office", password="s3same") as carrier:
        trunk = {"host": "127.0.0.1", "port": carrier.port, "user": "office", "password": "s0wrong", "register": True}
        settings = settings_for(tmp_path / "data", trunk=trunk)
        await prepare(settings)
        code, said = await checked(settings, wait_s=2)
    assert code == 1
    assert f"trouble  trunk: 127.0.0.1:{carrier.port}" in said
    assert "The provider refuses the account: compare user, password and domain with the contract." in said
    assert "s0wrong" not in said


async def test_a_dead_trunk_is_trouble(tmp_path: Path) -> None:
    trunk = {"host": "127.0.0.1", "port": free_port(), "caller_id": "73420000000"}
    settings = settings_for(tmp_path / "data", trunk=trunk)
    await prepare(settings)
    code, said = await checked(settings)
    assert code == 1
    assert f"trouble  trunk: no answer from 127.0.0.1:{trunk['port']}\n" in said
    assert "does the firewall let SIP through" in said


async def test_no_trunk_and_no_connected_headset_are_trouble(tmp_path: Path) -> None:
    settings = settings_for(tmp_path / "data")
    await prepare(settings)
    code, said = await checked(settings)
    assert code == 1
    assert "trouble  trunk: none is set up, so no client can be called" in said
    assert "note     headset anna-h (Anna): not connected" in said
    assert "trouble  headsets: none is connected" in said
    assert f"server 127.0.0.1:{settings.sip.port}" in said
    assert "2 troubles were found." in said


async def test_a_port_that_is_another_at_each_start_is_not_told(tmp_path: Path) -> None:
    settings = settings_for(tmp_path / "data", sip={"port": 0})
    await prepare(settings)
    _, said = await checked(settings)
    assert "127.0.0.1:0" not in said
    assert "the server 127.0.0.1 (sip.port is 0: the port is another one at each start)" in said


async def test_a_headset_without_a_password_is_named(tmp_path: Path) -> None:
    settings = settings_for(tmp_path / "data")
    await prepare(settings)
    database = Database(settings.database_url)
    async with database.transaction() as session:
        (anna,) = await users.list_users(session)
        anna.headset_ha1_md5 = ""
    await database.dispose()
    _, said = await checked(settings)
    assert "headset anna-h (Anna): it has no password: dialer users passwd anna --headset" in said


async def test_busy_ports_are_named(tmp_path: Path) -> None:
    settings = settings_for(tmp_path / "data")
    await prepare(settings)
    with socket.socket() as pages, socket.socket(type=socket.SOCK_DGRAM) as sip:
        pages.bind(("127.0.0.1", settings.console.port))
        pages.listen()
        sip.bind(("127.0.0.1", settings.sip.port))
        code, said = await checked(settings)
    assert code == 1
    assert f"trouble  console: 127.0.0.1:{settings.console.port}: another program uses this address and port" in said
    assert f"trouble  telephony: SIP port {settings.sip.port} on 127.0.0.1 is in use by another program" in said


async def test_an_address_that_is_not_this_machine_s_is_said(tmp_path: Path) -> None:
    settings = settings_for(tmp_path / "data", sip={"host": "192.0.2.1", "port": 5060})
    await prepare(settings)
    _, said = await checked(settings)
    assert "trouble  telephony: SIP cannot be spoken on 192.0.2.1:5060" in said
    assert "are they this machine's?" in said


async def test_an_empty_database_is_trouble_and_the_rest_is_looked_at(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    code, said = await checked(settings_for(tmp_path / "data"))
    assert code == 1
    assert "trouble  database: " in said
    assert "dialer db upgrade" in said
    assert "ok       telephony: the native engine runs" in said


async def test_a_database_that_may_only_be_read_is_trouble(tmp_path: Path) -> None:
    settings = settings_for(tmp_path / "data")
    await prepare(settings)
    with (tmp_path / "data" / "dialer.db").open("r+b") as file:
        file.seek(18)  # the file format's write version: of one it does not know SQLite only reads (fileformat2, 1.3.3)
        file.write(b"\x03")
    code, said = await checked(settings)
    assert code == 1
    assert "trouble  database: it may only be read" in said
    assert "Give the file and its folder to the user that runs the service." in said


async def test_of_what_is_no_database_the_check_says_what_to_do(tmp_path: Path) -> None:
    settings = settings_for(tmp_path / "data")
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "dialer.db").write_bytes(b"nothing that SQLite wrote" * 400)
    code, said = await checked(settings)
    assert code == 1
    assert "the file is no database" in said
    assert "Put the newest copy of the database in its place" in said
    assert "db upgrade" not in said


async def test_a_disk_that_is_too_small_is_trouble(tmp_path: Path) -> None:
    settings = settings_for(tmp_path / "data", recordings={"minimum_free_mb": 10**9})
    await prepare(settings)
    code, said = await checked(settings)
    assert code == 1
    assert f"trouble  disk: {tmp_path}/data/recordings: " in said
    assert "1000000000 MB are needed" in said


async def test_a_folder_that_is_a_file_is_trouble(tmp_path: Path) -> None:
    settings = settings_for(tmp_path / "data")
    await prepare(settings)
    settings.recordings_dir.rmdir()
    settings.recordings_dir.write_text("")
    _, said = await checked(settings)
    assert f"trouble  disk: recordings: nothing can be written to {tmp_path}/data/recordings" in said


async def test_a_service_that_runs_is_asked_how_its_lines_are(tmp_path: Path) -> None:
    trunk = {"host": "127.0.0.1", "port": free_port(), "caller_id": "73420000000"}
    settings = settings_for(tmp_path / "data", trunk=trunk)
    await prepare(settings)
    async with running_service(settings, settings_file=tmp_path / "dialer.toml"):
        code, said = await checked(settings)
    assert code == 1, said
    assert f"ok       service: it is running and answers at http://127.0.0.1:{settings.console.port}" in said
    assert "trouble  trunk: " in said
    assert str(trunk["port"]) in said.split("trouble  trunk: ")[1].splitlines()[0]
    assert "note     headset anna-h (Anna): not connected" in said
    assert "telephony" not in said


async def test_a_service_that_runs_with_all_its_lines_is_ready(tmp_path: Path) -> None:
    async with PracticeCarrier(log=tmp_path / "far.jsonl", user="office", password="s3same") as carrier:
        trunk = {"host": "127.0.0.1", "port": carrier.port, "user": "office", "password": "s3same", "register": True}
        settings = settings_for(tmp_path / "data", trunk=trunk)
        await prepare(settings)
        async with (
            running_service(settings, settings_file=tmp_path / "dialer.toml") as service,
            PracticeHeadset(registrar=("127.0.0.1", settings.sip.port), user=HEADSET, password=PASSWORD),
        ):
            await until_up(service.telephony)
            code, said = await checked(settings)
    assert code == 0, said
    assert f"ok       trunk: 127.0.0.1:{carrier.port}: registered" in said
    assert "ok       headset anna-h (Anna): connected (sip:" in said
    assert said.endswith("Everything is ready for calls.\n")


async def test_a_dialer_of_another_database_at_our_port_is_trouble(tmp_path: Path) -> None:
    theirs, ours = settings_for(tmp_path / "theirs"), settings_for(tmp_path / "ours")
    ours = ours.model_copy(update={"console": theirs.console})
    await prepare(theirs)
    await prepare(ours)
    async with running_service(theirs, settings_file=tmp_path / "dialer.toml"):
        code, said = await checked(ours)
    assert code == 1
    port = ours.console.port
    assert f"trouble  console: 127.0.0.1:{port}: a dialer with another database answers there" in said
    assert "ok       telephony: the native engine runs" in said


async def test_without_the_database_nobody_is_called_a_stranger(tmp_path: Path) -> None:
    settings = settings_for(tmp_path / "data")
    await prepare(settings)
    blind = settings.model_copy(
        update={"database": settings.database.model_copy(update={"url": "sqlite:////nowhere/x"})}
    )
    async with running_service(settings, settings_file=tmp_path / "dialer.toml"):
        code, said = await checked(blind)
    assert code == 1
    assert "trouble  database: " in said
    assert f"note     service: one answers at http://127.0.0.1:{settings.console.port}; whose it is" in said
    assert "another database" not in said
    assert "telephony" not in said


async def test_our_service_at_another_port_is_found(tmp_path: Path) -> None:
    settings = settings_for(tmp_path / "data")
    await prepare(settings)
    elsewhere = settings.model_copy(update={"console": settings.console.model_copy(update={"port": free_port()})})
    async with running_service(settings, settings_file=tmp_path / "dialer.toml"):
        code, said = await checked(elsewhere)
    assert code == 1
    assert "trouble  service: it has been running since " in said
    assert f"but does not answer at http://127.0.0.1:{elsewhere.console.port}" in said
    assert "ready" not in said


async def test_passwords_in_the_clear_are_noted(tmp_path: Path) -> None:
    settings = settings_for(tmp_path / "data", console={"host": "0.0.0.0", "port": free_port()})
    await prepare(settings)
    _, said = await checked(settings)
    assert "note     console: passwords cross the network in the clear" in said


def test_the_command_ends_with_1_on_trouble(dialer: Dialer, office: Path) -> None:
    text = office.read_text().replace("port = 5060\n", f"port = {free_port()}\n", 1)
    office.write_text(text.replace("port = 8080", f"port = {free_port()}").replace("= 200", "= 1"))
    said = dialer("check", "--wait", "0", "-c", office)
    assert said.code == 1
    assert said.err == ""
    assert "trouble  trunk: none is set up" in said.out
    assert f"dialer users add -c {office} LOGIN --name NAME --headset NAME" in said.out
