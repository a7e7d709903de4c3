"""What is handed on: the wheel, the image, compose, the systemd unit."""

from __future__ import annotations

import configparser
import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGES = ("config", "crm", "dialer", "recordings")


def tracked(*folders: str) -> set[str]:
    """Files of the source that are there and under version control."""
    listed = subprocess.run(["git", "ls-files", "-z", *folders], cwd=ROOT, capture_output=True, text=True, check=True)
    return {name for name in listed.stdout.split("\0") if name and (ROOT / name).is_file()}


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> zipfile.ZipFile:
    """The wheel, built from a copy of the source."""
    folder = tmp_path_factory.mktemp("source")
    for name in [*tracked(*PACKAGES), "pyproject.toml", "README.md", "LICENSE"]:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, folder / name)
    built = subprocess.run(
        [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(folder / "dist"), str(folder)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert built.returncode == 0, built.stdout + built.stderr
    (path,) = (folder / "dist").glob("*.whl")
    return zipfile.ZipFile(path)


def test_the_wheel_holds_the_packages_with_their_files_and_the_command(wheel: zipfile.ZipFile) -> None:
    inside = set(wheel.namelist())
    assert tracked(*PACKAGES) - inside == set()
    metadata = next(name for name in inside if name.endswith(".dist-info/METADATA"))
    assert "License-Expression: GPL-3.0-or-later" in wheel.read(metadata).decode()
    commands = wheel.read(metadata.replace("METADATA", "entry_points.txt")).decode()
    assert "dialer = dialer.cli:main" in commands
    assert not [name for name in inside if name.startswith("tests/")]


def test_the_image_takes_what_the_package_needs_and_nothing_else() -> None:
    recipe = (ROOT / "docker" / "Dockerfile").read_text()
    copied = {word for line in re.findall(r"^COPY (?!--from)(.*)$", recipe, re.MULTILINE) for word in line.split()[:-1]}
    allowed = set(re.findall(r"^!(.*)$", (ROOT / "docker" / "Dockerfile.dockerignore").read_text(), re.MULTILINE))
    assert copied == allowed
    assert set(PACKAGES) <= copied
    assert all((ROOT / name).exists() for name in copied)


def test_the_image_does_not_run_as_root_and_says_whether_it_is_well() -> None:
    recipe = (ROOT / "docker" / "Dockerfile").read_text()
    final = recipe.rsplit("\nFROM ", 1)[1]
    assert "\nUSER dialer\n" in final
    assert "/healthz" in final.split("HEALTHCHECK")[1]
    assert all(
        "--require-hashes" in line or "--no-deps" in line for line in recipe.splitlines() if "pip install" in line
    )


COMPOSE = (["docker-compose"], ["docker", "compose"])


def is_there(command: list[str]) -> bool:
    """Docker's command may be there without its plugin."""
    if shutil.which(command[0]) is None:
        return False
    return subprocess.run([*command, "version"], capture_output=True, check=False).returncode == 0


def test_the_compose_file_is_valid() -> None:
    command = next((found for found in COMPOSE if is_there(found)), None)
    if command is None:
        pytest.skip("neither docker-compose nor docker with its compose plugin is installed")
    checked = subprocess.run(
        [*command, "-f", str(ROOT / "docker" / "compose.yaml"), "--profile", "postgres", "config", "--services"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert checked.returncode == 0, checked.stderr
    assert set(checked.stdout.split()) == {"dialer", "postgres"}


def unit() -> configparser.ConfigParser:
    parser = configparser.ConfigParser(strict=False, interpolation=None)
    parser.optionxform = str  # type: ignore[assignment, method-assign]  # the documented way to keep capitals
    parser.read(ROOT / "docker" / "dialer.service", encoding="utf-8")
    return parser


@pytest.mark.machine
def test_the_systemd_unit_is_valid(tmp_path: Path) -> None:
    if shutil.which("systemd-analyze") is None:
        pytest.skip("systemd is not installed")
    text = (ROOT / "docker" / "dialer.service").read_text()
    copy = tmp_path / "dialer.service"
    copy.write_text(text.replace("/opt/dialer/.venv/bin/dialer", "/bin/true"))
    checked = subprocess.run(["systemd-analyze", "verify", str(copy)], capture_output=True, text=True, check=False)
    assert checked.returncode == 0, checked.stderr
    assert "dialer.service" not in checked.stderr


def test_the_systemd_unit_restarts_waits_and_locks_itself_in() -> None:
    service = unit()["Service"]
    assert service["Restart"] == "always"
    assert int(service["TimeoutStopSec"]) >= 10
    assert int(service["LimitNOFILE"]) >= 10_000
    assert service["User"] != "root"
    assert service["ProtectSystem"] == "strict"
    assert service["StateDirectory"] == "dialer"
    assert f"/var/lib/{service['StateDirectory']}/" in service["ExecStart"]


def test_the_licence_is_the_one_that_is_named() -> None:
    assert "GNU GENERAL PUBLIC LICENSE" in (ROOT / "LICENSE").read_text()[:200]
