"""`dialer offers`: templates from the command line."""

from __future__ import annotations

from pathlib import Path

from tests.dialer.cli.conftest import Dialer
from tests.pdf import text_of


def test_templates_from_the_first_to_the_last(dialer: Dialer, office: Path, tmp_path: Path) -> None:
    campaign = ("--campaign", "First campaign", "-c", office)
    said = dialer("offers", "add-template", "Ventilation", *campaign)
    assert (said.code, said.out) == (0, "The template has no. 1. Now write its text.\n"), said.err
    body = tmp_path / "body.txt"
    body.write_text("Dear {person.full_name|colleagues},\nwe offer.\n", encoding="utf-8")
    said = dialer(
        "offers", "write", "1", "--language", "en", "--subject", "For {client.name}", "--body", body, "-c", office
    )
    assert (said.code, said.out) == (0, "Written as version 1.\n"), said.err
    said = dialer("offers", "write", "1", "--subject", "Для", "--body", "-", "-c", office, stdin="Добрый день")
    assert said.code == 0, said.err
    table = dialer("offers", "templates", *campaign).out
    assert [line.split()[:4] for line in table.splitlines()[1:]] == [
        ["1", "Ventilation", "ru", "1"], ["1", "Ventilation", "en", "1"],
    ]  # fmt: skip
    shown = dialer("offers", "text", "1", "--language", "en", "-c", office)
    assert shown.out.startswith("For {client.name}\n\nDear {person.full_name|colleagues},")
    dialer("clients", "add", "Ромашка", *campaign[:2], "--list", "spring", "--phone", "8 342 200-12-34", "-c", office)
    file = tmp_path / "offer.pdf"
    shown = dialer("offers", "text", "1", "--language", "en", "--filled", "--pdf", file, "-c", office)
    assert shown.out.startswith("For Ромашка\n\nDear colleagues,"), shown.err
    assert "For Ромашка" in text_of(file.read_bytes())
    assert dialer("offers", "retire", "1", "-c", office).code == 0
    assert "not in use" in dialer("offers", "templates", *campaign).out
    assert "used again" in dialer("offers", "retire", "1", "--back", "-c", office).out


def test_what_cannot_be_is_said_in_words(dialer: Dialer, office: Path) -> None:
    for words, told in (
        (("text", "7"), "There is no such template"),
        (("retire", "7"), "There is no such template"),
        (("write", "7", "--subject", "x", "--body", "-"), "There is no such template"),
    ):
        said = dialer("offers", *words, "-c", office)
        assert said.code == 1
        assert told in said.err
