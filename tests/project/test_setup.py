"""`make` sets up before it runs, and says in words what it cannot have."""

from __future__ import annotations

import os
import shutil
import subprocess
import tomllib
from pathlib import Path

import pytest

from dialer.demo.run import DEFAULT_FOLDER, demo_settings
from tests.benchmarks.__main__ import LARGE, WHOLE

ROOT = Path(__file__).parents[2]


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """What `make` needs of the source, without an environment."""
    folder = tmp_path / "clone"
    shutil.copytree(ROOT / ".ci", folder / ".ci")
    for name in ("Makefile", "pyproject.toml", "requirements.lock", "requirements-dev.lock", "requirements-build.lock"):
        shutil.copy(ROOT / name, folder / name)
    return folder


@pytest.fixture
def programs(tmp_path: Path) -> Path:
    """A folder of programs that can be the whole PATH."""
    folder = tmp_path / "bin"
    folder.mkdir()
    for name in ("bash", "dirname", "env", "cat"):
        found = shutil.which(name)
        assert found
        (folder / name).symlink_to(found)
    return folder


def add_program(folder: Path, name: str, script: str) -> None:
    (folder / name).unlink(missing_ok=True)  # it may be a link to the system's own, which must not be written to
    (folder / name).write_text(f"#!/bin/bash\n{script}\n")
    (folder / name).chmod(0o755)


def run(*words: str, folder: Path, path: Path | None = None, **environ: str) -> subprocess.CompletedProcess[str]:
    surroundings = {**os.environ, **environ}
    for name in ("CI", "MAKEFLAGS", "MAKELEVEL", "MFLAGS", "ARGS"):
        if name not in environ:
            surroundings.pop(name, None)
    if path is not None:
        surroundings["PATH"] = str(path)
    return subprocess.run(words, cwd=folder, env=surroundings, capture_output=True, text=True, check=False)


def planned(target: str, clone: Path) -> list[str]:
    """The commands that `make target` would run in a fresh clone."""
    done = run("make", "--dry-run", target, folder=clone)
    assert done.returncode == 0, done.stderr
    return [line for line in done.stdout.splitlines() if not line.startswith("touch")]


def test_make_demo_sets_up_with_the_runtime_lock_only(clone: Path) -> None:
    assert planned("demo", clone) == [".ci/venv.sh requirements.lock", ".venv/bin/dialer demo "]


def test_help_says_how_the_demonstration_takes_another_port(clone: Path) -> None:
    told = 'make demo ARGS="--port 9000"'
    assert told in run("make", "help", folder=clone).stdout
    assert told in (ROOT / "README.md").read_text(encoding="utf-8")


def test_what_the_demonstration_leaves_is_ignored_and_cleaned_up(clone: Path) -> None:
    """Also the backups that its administrator makes: they are kept beside its folder."""
    settings = demo_settings(DEFAULT_FOLDER, console_port=8080, carrier_port=5060)
    left = {str(DEFAULT_FOLDER), str(settings.backups_dir)}
    assert {f"/{folder}/" for folder in left} <= set((ROOT / ".gitignore").read_text().splitlines())
    assert left <= set(" ".join(planned("clean", clone)).split())


def test_make_test_runs_every_check(clone: Path) -> None:
    commands = planned("test", clone)
    assert commands[0] == ".ci/venv.sh requirements-dev.lock"
    assert ".ci/peers.sh" in commands
    checks = [command.removeprefix(".venv/bin/").strip() for command in commands if ".venv/bin/" in command]
    assert checks[:4] == ["ruff check .", "ruff format --check .", "mypy", "lint-imports"]
    assert checks[4].startswith("pytest")


def test_make_bench_runs_every_benchmark() -> None:
    (command,) = [line for line in planned("bench", ROOT) if "tests.benchmarks" in line]
    assert command.split() == [".venv/bin/python", "-m", "tests.benchmarks"]
    runnable = {
        path.stem.removeprefix("bench_")
        for path in (ROOT / "tests" / "benchmarks").glob("bench_*.py")
        if "ArgumentParser(" in path.read_text(encoding="utf-8")
    }
    assert {run.name for run in (*WHOLE, *LARGE)} == runnable


def test_the_checks_are_strict() -> None:
    tools = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]
    assert tools["mypy"]["strict"] is True
    assert tools["pytest"]["ini_options"]["filterwarnings"] == ["error"]
    assert len(tools["importlinter"]["contracts"]) >= 5


def test_ci_runs_make_test(clone: Path, programs: Path) -> None:
    add_program(programs, "make", 'echo "make $* CI=$CI"')
    for name in ("git", "python3"):
        add_program(programs, name, "exit 1")
    done = run("bash", ".ci/run", folder=clone, path=programs)
    assert done.stdout == "make test CI=true\n"


def test_ci_installs_what_an_empty_system_lacks(clone: Path, programs: Path) -> None:
    add_program(programs, "make", 'echo "make $*"')
    add_program(programs, "apt-get", 'echo "apt-get $*" >&2')
    add_program(programs, "id", "echo 0")
    done = run("bash", ".ci/run", folder=clone, path=programs)
    assert done.stdout == "make test\n"
    assert "install -y -q --no-install-recommends git python3 python3-venv" in done.stderr


def test_a_python_that_is_too_old_is_said_in_words(clone: Path, programs: Path) -> None:
    old = 'if [ "$1" = --version ]; then echo "Python 3.9.2"; else exit 1; fi'
    for name in ("python3.11", "python3.12", "python3.13", "python3.14", "python3", "python"):
        add_program(programs, name, old)
    done = run("bash", ".ci/venv.sh", "requirements.lock", folder=clone, path=programs)
    assert done.returncode == 1
    assert "The dialer needs Python 3.11 or later, and this machine has Python 3.9.2." in done.stderr


def test_a_python_without_venv_that_cannot_be_mended_is_said_in_words(clone: Path, programs: Path) -> None:
    bare = 'case "$2" in *ensurepip*) exit 1 ;; *version_info*print*|*print*) echo 3.11 ;; esac'
    add_program(programs, "python3.11", bare)
    done = run("bash", ".ci/venv.sh", "requirements.lock", folder=clone, path=programs)
    assert done.returncode == 1
    assert "there is no apt-get on this system" in done.stderr
    assert "apt-get install python3.11-venv" in done.stderr


def test_a_peer_that_cannot_be_had_is_a_skip_with_its_reason(clone: Path, programs: Path) -> None:
    add_program(programs, "apt-get", "echo must not be run; exit 1")
    add_program(programs, "id", "echo 1000")
    done = run("bash", ".ci/peers.sh", folder=clone, path=programs)
    assert done.returncode == 0, done.stderr
    assert (
        "SKIP: the tests that need sip-tester will be skipped: it needs root, or sudo without a password."
        in done.stderr
    )


def test_in_ci_a_peer_that_cannot_be_had_is_a_failure(clone: Path, programs: Path) -> None:
    add_program(programs, "id", "echo 1000")
    done = run("bash", ".ci/peers.sh", folder=clone, path=programs, CI="true")
    assert done.returncode == 1
    assert "SKIP: the tests that need baresip-core will be skipped: there is no apt-get on this system." in done.stderr
    assert "In CI every peer must be there." in done.stderr


def test_peers_that_are_there_are_left_alone(clone: Path, programs: Path) -> None:
    for name in ("sipp", "baresip", "kamailio", "postgres", "chromium", "docker-compose", "mdb-export"):
        add_program(programs, name, "exit 1")
    add_program(programs, "apt-get", "echo must not be run; exit 1")
    add_program(programs, "id", "echo 1000")
    done = run("bash", ".ci/peers.sh", folder=clone, path=programs)
    assert done.returncode == 0
    assert "fonts" in done.stderr or done.stderr == ""


@pytest.mark.parametrize("script", [".ci/lib.sh", ".ci/venv.sh", ".ci/peers.sh", ".ci/run"])
def test_the_scripts_are_sound(script: str) -> None:
    text = (ROOT / script).read_text()
    assert subprocess.run(["bash", "-n", str(ROOT / script)], check=False).returncode == 0
    if script != ".ci/lib.sh":
        assert "set -euo pipefail" in text
        assert os.access(ROOT / script, os.X_OK)
