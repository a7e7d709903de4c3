"""The colours: each has one role, and text and marks can be read in the light and in the dark (WCAG 2.2, 1.4.3 and
1.4.11; here somewhat more is asked)."""

from __future__ import annotations

import re

import pytest

from dialer.console.static_files import FOLDER

GROUPS = ("hot", "warm", "competitor", "cold", "abandoned", "no_contact", "nonexistent", "new")
TEXTS = ("text", "muted", "danger", "ok", "warning", "accent")
STATES = {"ready": "#ffffff", "dialling": "#101418", "talking": "#101418", "wrap-up": "#ffffff", "fault": "#ffffff"}


def tokens(scheme: str) -> dict[str, str]:
    """The custom properties of `scheme`; the dark ones stand over the light ones."""
    css = (FOLDER / "console.css").read_text(encoding="utf-8")
    light, dark = (
        dict(re.findall(r"--([\w-]+): (#[0-9a-f]{6});", block))
        for block in re.findall(r":root \{(.*?)\}", css, re.DOTALL)
    )
    return light | dark if scheme == "dark" else light


def luminance(colour: str) -> float:
    parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: str, other: str) -> float:
    darker, lighter = sorted((luminance(one), luminance(other)))
    return (lighter + 0.05) / (darker + 0.05)


def test_the_measure_itself() -> None:
    assert contrast("#ffffff", "#000000") == pytest.approx(21)
    assert contrast("#777777", "#ffffff") == pytest.approx(4.48, abs=0.01)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_and_marks_can_be_read(scheme: str) -> None:
    found = tokens(scheme)
    for surface in ("page", "surface"):
        for text in TEXTS:
            assert contrast(found[text], found[surface]) >= 5.5, (text, surface)
        for mark in GROUPS:
            assert contrast(found[mark], found[surface]) >= 3.0, (mark, surface)
    assert contrast(found["accent-text"], found["accent"]) >= 5.5
    assert contrast(found["control"], found["surface"]) >= 3.0


def test_the_states_of_a_call_can_be_read() -> None:
    found = tokens("light")
    for state, ink in STATES.items():
        assert contrast(found[f"s-{state}"], ink) >= 4.5, state


def test_no_colour_is_written_outside_the_tokens() -> None:
    css = (FOLDER / "console.css").read_text(encoding="utf-8")
    rest = re.sub(r":root \{.*?\}", "", css, flags=re.DOTALL)
    assert set(re.findall(r"#[0-9a-fA-F]{3,8}\b", rest)) <= {"#fff"}, "white on a filled state"
