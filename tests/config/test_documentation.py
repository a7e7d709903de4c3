"""Every setting is explained, in the example and on the page, and both load or say what the models say."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

from config import documentation
from config.reading import each_field
from config.settings import Settings, load_settings

EXAMPLE = documentation.EXAMPLE
PAGE = EXAMPLE.parents[1] / "docs" / "settings.md"
FIELDS = [(section, key) for section, key, _ in each_field(Settings)]


def switched_on(text: str) -> str:
    """The example with its commented [trunk] table switched on."""
    return re.sub(r"^#(\[trunk\]|[a-z_]+ = )", r"\1", text, flags=re.MULTILINE)


def test_the_example_loads_as_it_stands_and_changes_nothing(tmp_path: Path) -> None:
    shown, bare = tmp_path / "dialer.toml", tmp_path / "empty.toml"
    shown.write_bytes(EXAMPLE.read_bytes())
    bare.write_bytes(b"")
    assert load_settings(shown, {}).model_dump() == load_settings(bare, {}).model_dump()


def test_the_example_with_its_trunk_switched_on_loads(tmp_path: Path) -> None:
    path = tmp_path / "dialer.toml"
    text = switched_on(EXAMPLE.read_text(encoding="utf-8"))
    path.write_text(text.replace('host = "127.0.0.1"', 'host = "192.0.2.5"').replace('user = ""', 'user = "a"'))
    trunk = load_settings(path, {}).trunk
    assert trunk is not None
    assert trunk.host == "sip.example.ru"


def test_every_setting_is_in_the_example_below_its_explanation() -> None:
    text = EXAMPLE.read_text(encoding="utf-8")
    tables = tomllib.loads(switched_on(text))
    assert [(section, key) for section, table in tables.items() for key in table] == FIELDS
    for _, key in FIELDS:
        assert re.search(rf"^# .+\n#?{key} = ", text, re.MULTILINE), key


@pytest.mark.parametrize(("section", "key"), FIELDS)
def test_every_setting_is_on_the_page_with_its_explanation(section: str, key: str) -> None:
    table = PAGE.read_text(encoding="utf-8").split(f"## [{section}]")[1].split("\n## [")[0]
    row = re.search(rf"^\| `{key}` \| (.*) \| (.*) \| (.{{10,}}) \|$", table, re.MULTILINE)
    assert row, f"{section}.{key} is not documented"


def test_no_setting_is_on_the_page_that_does_not_exist() -> None:
    assert re.findall(r"^\| `(\w+)` \|", PAGE.read_text(encoding="utf-8"), re.MULTILINE) == [key for _, key in FIELDS]


def test_a_setting_whose_name_ends_in_a_unit_documents_that_unit() -> None:
    page = PAGE.read_text(encoding="utf-8")
    units = {"_s": "s", "_mb": "MB", "_hours": "h"}
    for _, key in FIELDS:
        for ending, unit in units.items():
            if key.endswith(ending):
                assert re.search(rf"^\| `{key}` \| [^|]+ \| {unit} \|", page, re.MULTILINE), key


def test_page_and_example_are_as_fresh_as_the_models() -> None:
    assert EXAMPLE.read_text(encoding="utf-8") == documentation.example(), "run `make docs`"
    assert documentation.reference() in PAGE.read_text(encoding="utf-8"), "run `make docs`"
