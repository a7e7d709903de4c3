"""The colours: each has one role, and text and marks can be read in the light and in the dark (WCAG 2.2, 1.4.3 and
1.4.11; here somewhat more is asked)."""

from __future__ import annotations

import colorsys
import re

import pytest

from dialer.console.web.static_files import FOLDER

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


def test_type_and_spacing_keep_to_their_scales() -> None:
    """Text is 14 px and nothing smaller than 12; distances are multiples of 4 px, each named by its multiple."""
    css = (FOLDER / "console.css").read_text(encoding="utf-8")
    body = re.search(r"body \{[^}]*font: 400 ([\d.]+)rem/([\d.]+)rem", css)
    assert body
    assert (float(body[1]) * 16, float(body[2]) * 16) == (14, 20)
    sizes = [float(size) for size in re.findall(r"font-size: ([\d.]+)rem", css)]
    assert min(sizes) >= 0.75
    spaces = {int(name): float(size) for name, size in re.findall(r"--s(\d): ([\d.]+)rem", css)}
    assert spaces == {name: name / 4 for name in spaces}


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_groups_have_the_hues_that_people_expect(scheme: str) -> None:
    """Red is hot, amber is warm, blue is cold, green is abandoned (somebody must look after them)."""
    found = tokens(scheme)

    def hue(name: str) -> float:
        red, green, blue = (int(found[name][at : at + 2], 16) / 255 for at in (1, 3, 5))
        return colorsys.rgb_to_hls(red, green, blue)[0] * 360

    assert hue("hot") < 15
    assert 30 < hue("warm") < 50
    assert 200 < hue("cold") < 225
    assert 150 < hue("abandoned") < 180
