"""`dialer callbacks`: which promises are overdue."""

from __future__ import annotations

from pathlib import Path

from tests.dialer.cli.conftest import Dialer


def test_none_is_overdue_at_first(dialer: Dialer, office: Path) -> None:
    said = dialer("callbacks", "overdue", "-c", office)
    assert said.code == 0, said.err
    assert said.out.splitlines()[-1] == "0 callbacks are overdue."
