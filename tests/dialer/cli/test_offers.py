"""`dialer offers`: sending and settling from the command line."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import AsyncExitStack, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from config.settings import load_settings
from crm.database import Database
from crm.offers.offers import Offer
from crm.offers.sending import claim_due, mark_handing_over, mark_tried
from tests.dialer.cli.conftest import Dialer
from tests.dialer.mailing.returned_mails import letter
from tests.peers.fixtures import require_program
from tests.peers.run_dovecot import PASSWORD, USER, DovecotRun, running_dovecot

MAIL = {"HOST": "127.0.0.1", "PORT": "2525", "TLS": "none", "SENDER": "dialer@example.ru"}


@pytest.fixture
def base(dialer: Dialer, office: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Client no. 1 and template no. 1."""
    for name, value in MAIL.items():
        monkeypatch.setenv(f"DIALER__MAIL__{name}", value)
    for words in (
        ("clients", "add", "Ромашка", "--campaign", "First campaign", "--list", "spring", "--phone", "8 342 200-12-34"),
        ("offers", "add-template", "Ventilation", "--campaign", "First campaign"),
    ):
        said = dialer(*words, "-c", office)
        assert said.code == 0, said.err
    written = ("write", "1", "--subject", "For {client.name}", "--body", "-")
    said = dialer("offers", *written, "-c", office, stdin="Good day, {person.full_name|colleagues}")
    assert said.code == 0, said.err
    return office


def doubt(office: Path) -> None:
    """The mail server's answer to offer no. 1 is lost."""

    async def lose() -> None:
        database = Database(load_settings(office, {}).database_url)
        now, lease = datetime.now(UTC) + timedelta(minutes=1), timedelta(minutes=1)
        async with database.transaction() as session:
            assert await claim_due(session, now=now, node="main", lease=lease)
            await mark_handing_over(session, offer_id=1, node="main", now=now, lease=lease)
            await mark_tried(session, offer_id=1, reason="lost", now=now, in_doubt=True)
        await database.dispose()

    asyncio.run(lose())


def test_shown_sent_listed_and_settled(dialer: Dialer, base: Path, tmp_path: Path) -> None:
    words = ("offers", "send", "1", "--template", "1", "--to", "klient@example.ru", "-c", base)
    said = dialer(*words)
    assert said.out.startswith("klient@example.ru\nFor Ромашка\n\nGood day, colleagues\n"), said.err
    assert "Consent on record: none" in said.out
    assert "Nothing has been sent" in said.out
    assert len(dialer("offers", "list", "-c", base).out.splitlines()) == 1
    said = dialer(*words, "--yes")
    assert "Offer no. 1 goes out" in said.out, said.err
    file = tmp_path / "offer.pdf"
    assert dialer("offers", "file", "1", file, "-c", base).code == 0
    assert file.read_bytes().startswith(b"%PDF")
    doubt(base)
    assert "doubtful" in dialer("offers", "list", "--client", "1", "-c", base).out
    assert dialer("offers", "withdraw", "1", "-c", base).code == 1
    assert dialer("offers", "settle", "1", "--again", "-c", base).code == 0
    assert "does not go" in dialer("offers", "withdraw", "1", "-c", base).out


def test_who_wants_no_letters_gets_none(dialer: Dialer, base: Path) -> None:
    said = dialer("offers", "opt-out", "--client", "1", "--evidence", "said so on Monday", "-c", base)
    assert (said.code, said.out) == (0, "Noted as no. 1: no letters go there.\n"), said.err
    assert "said so on Monday" in dialer("offers", "opt-outs", "-c", base).out
    words = ("offers", "send", "1", "--template", "1", "--to", "klient@example.ru", "--yes", "-c", base)
    said = dialer(*words)
    assert said.code == 1
    assert "request for no letters" in said.err
    assert dialer("offers", "lift-opt-out", "1", "--reason", "asked again", "-c", base).code == 0
    assert dialer(*words).code == 0


def test_nobody_opts_out_who_is_not_there(dialer: Dialer, base: Path) -> None:
    said = dialer("offers", "opt-out", "--person", "4711", "--evidence", "said so", "-c", base)
    assert (said.code, said.err) == (1, "There is no such person at this organisation.\n")


def test_without_a_mail_server_nothing_is_sent(dialer: Dialer, office: Path) -> None:
    said = dialer("offers", "send", "1", "--template", "1", "--to", "a@b.ru", "-c", office)
    assert said.code == 1
    assert "No mail server" in said.err


def test_what_came_back_is_read_and_listed(dialer: Dialer, base: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    said = dialer("offers", "read", "-c", base)
    assert (said.code, "No mailbox is set up" in said.err) == (1, True)
    words = ("offers", "send", "1", "--template", "1", "--to", "klient@example.ru", "--yes", "-c", base)
    assert dialer(*words).code == 0
    key = key_of(base)
    with dovecot_beside() as run:
        for name, value in {"HOST": run.host, "PORT": str(run.port), "TLS": "none", "USER": USER}.items():
            monkeypatch.setenv(f"DIALER__INBOX__{name}", value)
        monkeypatch.setenv("DIALER__INBOX__PASSWORD", "wrong")
        said = dialer("offers", "read", "-c", base)
        assert (said.code, "does not accept user and password" in said.err) == (1, True)
        monkeypatch.setenv("DIALER__INBOX__PASSWORD", PASSWORD)
        run.deliver(letter(thread=f"In-Reply-To: <{key}@example.ru>\n"))
        assert "to offers: 1." in dialer("offers", "read", "-c", base).out
        assert "to offers: 0." in dialer("offers", "read", "-c", base).out
    for more in ((), ("--client", "1")):
        (_, line) = dialer("offers", "incoming", *more, "-c", base).out.splitlines()
        assert "Klient <klient@example.ru>" in line
        assert "Answered by e-mail" in line


@contextmanager
def dovecot_beside() -> Iterator[DovecotRun]:
    """A mailbox whose process is looked after by a loop of its own: commands make loops for themselves."""
    require_program("dovecot")
    with asyncio.Runner() as runner:
        stack = AsyncExitStack()
        run = runner.run(stack.enter_async_context(running_dovecot()))
        try:
            yield run
        finally:
            runner.run(stack.aclose())


def key_of(office: Path) -> str:
    """That of offer no. 1."""

    async def read() -> str:
        database = Database(load_settings(office, {}).database_url)
        async with database.reading() as session:
            key = (await session.get_one(Offer, 1)).key
        await database.dispose()
        return key

    return asyncio.run(read())
