"""`dialer calendar`: working days from the command line."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

from babel.dates import format_date

from tests.dialer.cli.conftest import Dialer


def calendar(dialer: Dialer, office: Path, *words: str) -> tuple[int, str, str]:
    said = dialer("calendar", *words, "--campaign", "First campaign", "-c", office)
    return said.code, said.out, said.err


def test_a_day_is_decided_shown_and_follows_the_calendar_again(dialer: Dialer, office: Path) -> None:
    today = datetime.now(UTC).date() + timedelta(days=3)
    weekday = next(day for day in (today + timedelta(days=n) for n in range(8)) if day.weekday() == 1)
    words = format_date(weekday, "EEE d MMMM y", locale="en")
    assert dialer("campaigns", "set", "First campaign", "--country", "", "-c", office).code == 0
    assert calendar(dialer, office, "set", weekday.isoformat(), "off", "--reason", "moving") == (
        0,
        f"{words} is a day off.\n",
        "",
    )
    code, shown, _ = calendar(dialer, office, "show", "--days", "20")
    assert code == 0
    row = next(line for line in shown.splitlines() if line.startswith(words))
    assert row.split()[-2:] == ["no", "moving"]
    days = int(shown.splitlines()[-1].split()[0])
    assert calendar(dialer, office, "set", weekday.isoformat(), "calendar")[1] == f"{words} is a working day.\n"
    shown = calendar(dialer, office, "show", "--days", "20")[1]
    assert "moving" not in shown
    assert int(shown.splitlines()[-1].split()[0]) == days + 1


def test_what_cannot_be_is_said_in_words(dialer: Dialer, office: Path) -> None:
    assert calendar(dialer, office, "set", "2026-12-30", "off")[::2] == (
        1,
        "Say why this day differs from the calendar.\n",
    )
    code, _, err = calendar(dialer, office, "set", "30.12.2026", "off")
    assert code == 2
    assert "“30.12.2026” is no day, such as 2026-12-31" in err
    said = dialer("campaigns", "set", "First campaign", "--country", "XX", "-c", office)
    assert said.err == "The holidays of “XX” are not known. Give two letters, such as RU.\n"
