"""The documents name every command and option, point at files that exist, and draw the import rules as they are."""

from __future__ import annotations

import argparse
import ast
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

from crm.importing.mapping import FIELDS, known_headings
from dialer.cli.parser import build_parser
from dialer.words import words

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
PAGES = sorted([*DOCS.rglob("*.md"), ROOT / "README.md", ROOT / "CHANGELOG.md"])


def commands(parser: argparse.ArgumentParser, name: str = "dialer") -> Iterator[tuple[str, argparse.ArgumentParser]]:
    """(words, parser) of every command that can be run."""
    below = [action for action in parser._actions if isinstance(action, argparse._SubParsersAction)]
    if not below:
        yield name, parser
    for action in below:
        for word, child in action.choices.items():
            yield from commands(child, f"{name} {word}")


COMMANDS = dict(commands(build_parser(words("en"))))


def section(command: str) -> str:
    """The part of the page about one command."""
    page = (DOCS / "commands.md").read_text(encoding="utf-8")
    assert f"\n## {command}\n" in page, f"{command} is not documented"
    return page.split(f"\n## {command}\n")[1].split("\n## ")[0]


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_and_option_is_documented(command: str) -> None:
    text = section(command)
    synopsis = re.search(rf"^    {command}.*$", text, re.MULTILINE)
    assert synopsis, f"{command} has no synopsis"
    for action in COMMANDS[command]._actions:
        if action.dest in ("help", "config"):
            continue
        names = action.option_strings or [str(action.metavar)]
        assert any(name in synopsis[0] for name in names), f"{command}: {names} is not in the synopsis"
        assert re.search(rf"^\| `{re.escape(names[0])}[ `]", text, re.MULTILINE), f"{command}: {names} is not explained"
    takes_settings = any(action.dest == "config" for action in COMMANDS[command]._actions)
    assert ("[-c FILE]" in synopsis[0]) == takes_settings


def test_no_command_or_option_is_documented_that_does_not_exist() -> None:
    page = (DOCS / "commands.md").read_text(encoding="utf-8")
    assert sorted(re.findall(r"^## (dialer .*)$", page, re.MULTILINE)) == sorted(COMMANDS)
    for command, parser in COMMANDS.items():
        known = {name for action in parser._actions for name in action.option_strings}
        assert set(re.findall(r"(?<![\w-])--[a-z][a-z-]*", section(command))) <= known, command


def test_every_heading_that_an_import_recognises_is_documented() -> None:
    text = section("dialer import")
    for field in FIELDS:
        row = f"| {field.replace('_', ' ')} | {', '.join(known_headings(field))} |"
        assert row in text, f"docs/commands.md lacks: {row}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_and_named_files_exist(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    for target in re.findall(r"\]\(([^)#]+?)(?:#[^)]*)?\)", text):
        if "://" not in target:
            assert (page.parent / target).exists(), f"{page.name} links to {target}"
    for target in re.findall(r"`((?:docs|config|docker|scripts|tests|crm|dialer|recordings)/[\w./-]+\.\w+)`", text):
        assert (ROOT / target).exists(), f"{page.name} names {target}"


def test_every_page_can_be_reached_from_the_readme() -> None:
    def links(page: Path) -> set[Path]:
        found = re.findall(r"\]\(([^)#:]+\.md)(?:#[^)]*)?\)", page.read_text(encoding="utf-8"))
        return {(page.parent / target).resolve() for target in found}

    reached, open_pages = set[Path](), {ROOT / "README.md"}
    while open_pages:
        page = open_pages.pop()
        reached.add(page)
        open_pages |= links(page) - reached
    assert {page.relative_to(ROOT) for page in PAGES} - {page.relative_to(ROOT) for page in reached} == set()


def test_the_import_rules_are_drawn_as_they_are_checked() -> None:
    page = (DOCS / "architecture.md").read_text(encoding="utf-8")
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
    checked = [contract["layers"] for contract in contracts if contract["type"] == "layers"]
    drawn = re.findall(r"```layers\n(.*?)```", page, re.DOTALL)
    assert [[line.strip() for line in each.splitlines() if line.strip()] for each in drawn] == checked


def test_the_documents_tell_of_nothing_but_the_project() -> None:
    for page in PAGES:
        text = page.read_text(encoding="utf-8")
        found = re.search(r"/work\b|\.\./shared|\bissue #?\d|file:///opt|\bAI\b|\bassistant\b", text)
        assert found is None, f"{page.name}: {found}"


@pytest.mark.parametrize("file", ["requirements.lock", "requirements-dev.lock", "requirements-build.lock"])
def test_lock_files_name_hashes_and_no_host(file: str) -> None:
    text = (ROOT / file).read_text()
    assert re.search(r"https?://|file:|--index-url|--find-links", text) is None
    requirements = re.findall(r"^[A-Za-z0-9][\w.\[\]-]*==\S+", text, re.MULTILINE)
    assert requirements
    assert text.count("--hash=sha256:") >= len(requirements)


def test_the_two_ways_to_go_live_tell_the_same() -> None:
    """The same steps with the same commands and settings, whatever the language."""

    def skeleton(page: str) -> list[str]:
        text = (DOCS / page).read_text(encoding="utf-8")
        kept = re.findall(r"^(## \d|    \$ .*|    \[\w+\]|    [a-z_]+ = )", text, re.MULTILINE)
        return [re.sub(r'"[^"]*"|(?<=--language )\w+|[А-Я-]{3,}|[A-Z-]{8,}', "*", line) for line in kept]

    assert skeleton("go-live.md") == skeleton("go-live.ru.md")
    assert len(skeleton("go-live.md")) > 20


CLOCKS = frozenset({"now", "utcnow", "today", "monotonic", "time", "perf_counter"})


def test_the_pure_modules_are_all_of_them_and_read_no_clock() -> None:
    """What the import rules cannot see: a module that was forgotten in their list, and `datetime.now()`."""
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
    (pure,) = [set(each["source_modules"]) for each in contracts if each["name"].startswith("sip and the pure half")]
    folder = ROOT / "dialer" / "sip"
    listed = {f"dialer.sip.{path.stem}" for path in folder.glob("*.py")} - {
        "dialer.sip.__init__",
        "dialer.sip.transport",
    }
    assert listed <= pure
    for module in pure:
        tree = ast.parse((ROOT / f"{module.replace('.', '/')}.py").read_text(encoding="utf-8"))
        called = [node.func for node in ast.walk(tree) if isinstance(node, ast.Call)]
        names = {
            f"{function.value.id}.{function.attr}"
            for function in called
            if isinstance(function, ast.Attribute) and isinstance(function.value, ast.Name) and function.attr in CLOCKS
        }
        assert not {name for name in names if name.split(".")[0] in ("datetime", "date", "time")}, module
