"""`dialer offers send-many`: looked at, begun, watched, stopped and gone on with."""

from __future__ import annotations

import pathlib

from tests.dialer.cli.conftest import Dialer
from tests.dialer.cli.test_offers import base

__all__ = ["base"]


def test_shown_begun_stopped_and_gone_on_with(dialer: Dialer, base: pathlib.Path) -> None:
    words = ("offers", "send-many", "--campaign", "First campaign", "--template", "1", "-c", base)
    said = dialer(*words)
    assert "It goes to 0 clients." in said.out, said.err
    assert "1 client gets nothing: No e-mail address of the company is known." in said.out
    assert dialer(*words, "--yes").code == 1
    assert dialer("organisations", "set", "1", "--email", "klient@example.ru", "-c", base).code == 0
    said = dialer(*words)
    assert "It goes to 1 client.\n  Ромашка: klient@example.ru\n" in said.out, said.err
    assert "Nothing has been sent" in said.out
    assert len(dialer("offers", "batches", "-c", base).out.splitlines()) == 1
    assert "To stop it: dialer offers stop" in dialer(*words, "--yes").out
    assert "under way" in dialer("offers", "batches", "-c", base).out
    assert "Stopped." in dialer("offers", "stop", "1", "-c", base).out
    assert dialer("offers", "stop", "1", "-c", base).code == 1
    assert "its turn has not come" in dialer("offers", "batch", "1", "-c", base).out
    assert "It goes on." in dialer("offers", "go-on", "1", "-c", base).out
