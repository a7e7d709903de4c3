"""Follow a Dockerfile without Docker: its lines, each in a private root built of this machine's programs.

Every command gets a mount namespace of its own: `/usr` and the like are this machine's, read only; `/etc` is a copy;
what the recipe writes lies in one folder for each stage. So the lines run as they stand, and nothing outside that
folder is touched. What it is not: the base image. Its Python is the one that runs the tests, put where the image has
its own (`/usr/local`), and apt finds this machine's packages installed, with those that the recipe wants among them.
"""

from __future__ import annotations

import json
import os
import shlex
import shutil
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

# Of a stage; kept from one of its commands to the next.
_WRITTEN = ("etc", "src", "opt/dialer", "data", "root", "var/lib/dpkg", "var/lib/apt")
_SHARED = ("bin", "sbin", "lib", "lib32", "lib64", "libx32")


@dataclass
class Stage:
    """One FROM of a recipe, with what its lines have said so far."""

    folder: Path
    work: str = "/"
    user: str = "root"
    surroundings: dict[str, str] = field(default_factory=dict)
    command: list[str] = field(default_factory=list)
    health: list[str] = field(default_factory=list)

    def argv(self, command: list[str], *, sealed: bool = False) -> list[str]:
        """`command` as a process of this machine.

        `sealed`: as compose.yaml runs it, with a root that cannot be written to, no capabilities, no new privileges.
        """
        view = [
            "set -e",
            "mount -t tmpfs -o mode=755 view /mnt",
            "cd /mnt",
            "mkdir -p proc dev tmp usr opt data src root etc run",
            "mkdir -p var/tmp var/lib/dpkg var/lib/apt var/cache/apt/archives/partial var/log/apt",
            "chmod 1777 tmp var/tmp",
            "mount --rbind /proc proc",
            "mount --rbind /dev dev",
            "mount --bind -o ro /usr usr && mount -o remount,bind,ro usr",
            "mount --rbind /run run",
            f"for name in {' '.join(_SHARED)}; do [ ! -L /$name ] || cp -P /$name .; done",
            "for name in $(ls /opt); do",
            "  mkdir -p opt/$name && mount --bind /opt/$name opt/$name && mount -o remount,bind,ro opt/$name",
            "done",
            "mkdir -p opt/dialer",
            *(f"mount --bind {shlex.quote(str(self.folder / name))} {name}" for name in _WRITTEN),
        ]
        if sys.base_prefix == "/usr":
            view += [
                "mount -t tmpfs local usr/local",
                "mkdir usr/local/bin",
                "ln -s /usr/bin/python3 usr/local/bin/python",
            ]
        else:
            view.append(f"mount --bind {shlex.quote(sys.base_prefix)} usr/local && mount -o remount,bind,ro usr/local")
        if sealed:
            view += ["mount -t tmpfs -o mode=1777 fresh tmp", "mount -o remount,ro ."]
        drop = ["setpriv", "--reuid", self.user, "--regid", self.user, "--clear-groups"] if self.user != "root" else []
        if sealed:
            drop += ["--no-new-privs", "--bounding-set=-all", "--inh-caps=-all"]
        inside = ["sh", "-c", 'cd "$1" && shift && exec "$@"', "sh", self.work, *drop, *command]
        view.append(f"exec chroot . {shlex.join(inside)}")
        return ["unshare", "--mount", "--propagation", "private", "bash", "-c", "\n".join(view)]

    def environment(self, **further: str) -> dict[str, str]:
        """What a command in it sees. Settings of pip that say where packages come from are this machine's."""
        kept = {name: value for name, value in os.environ.items() if name.startswith("PIP_") or name.endswith("_proxy")}
        plain = {
            "PATH": "/usr/local/bin:/usr/bin:/usr/sbin:/bin:/sbin",
            "HOME": "/root",
            "LD_LIBRARY_PATH": "/usr/local/lib",
        }
        return {**kept, **plain, **self.surroundings, **further}


def lines_of(recipe: str) -> list[tuple[str, str]]:
    """Instruction and the rest, continued lines put together, comments left out."""
    kept = "\n".join(line for line in recipe.splitlines() if not line.lstrip().startswith("#"))
    whole = kept.replace("\\\n", " ").splitlines()
    return [(word, rest.strip()) for word, _, rest in (line.partition(" ") for line in whole if line.strip())]


def build(recipe: Path, source: Path, folder: Path) -> Stage:
    """Follow `recipe` with `source` as its context; the last stage. AssertionError with what a failed line printed."""
    stages: dict[str, Stage] = {}
    stage: Stage | None = None
    for word, rest in lines_of(recipe.read_text()):
        if word == "FROM":
            image, _, name = rest.partition(" AS ")
            assert image.startswith("python:"), f"nothing here stands for {image}"
            stage = _fresh(folder / (name or "final"))
            stages[name] = stage
            continue
        assert stage is not None, "a recipe begins with FROM"
        _follow(stage, word, rest, source, stages)
    assert stage is not None
    return stage


def _fresh(folder: Path) -> Stage:
    for name in _WRITTEN[1:]:
        (folder / name).mkdir(parents=True)
    shutil.copytree("/etc", folder / "etc", symlinks=True)
    shutil.copy("/var/lib/dpkg/status", folder / "var/lib/dpkg/status")
    (folder / "var/lib/apt/lists/partial").mkdir(parents=True)
    return Stage(folder)


def _follow(stage: Stage, word: str, rest: str, source: Path, stages: dict[str, Stage]) -> None:
    match word:
        case "RUN":
            ran = subprocess.run(
                stage.argv(["sh", "-c", rest]), env=stage.environment(), capture_output=True, text=True, check=False
            )
            assert ran.returncode == 0, f"{rest}\n{ran.stdout}{ran.stderr}"
        case "COPY":
            _copy(stage, rest, source, stages)
        case "WORKDIR":
            stage.work = rest
        case "USER":
            stage.user = rest
        case "ENV":
            for pair in shlex.split(rest):
                name, _, value = pair.partition("=")
                stage.surroundings[name] = value.replace("$PATH", stage.environment()["PATH"])
        case "HEALTHCHECK":
            stage.health = json.loads(rest.partition("CMD ")[2])
        case "ENTRYPOINT" | "CMD":
            stage.command += json.loads(rest)
        case "VOLUME" | "EXPOSE" | "STOPSIGNAL":
            pass
        case _:
            raise AssertionError(f"nothing here follows {word}")


def _copy(stage: Stage, rest: str, source: Path, stages: dict[str, Stage]) -> None:
    words = rest.split()
    if words[0].startswith("--from="):
        source = stages[words.pop(0).removeprefix("--from=")].folder
    *names, to = words
    target = stage.folder / (to if to.startswith("/") else f"{stage.work}/{to}").lstrip("/")
    for name in names:
        found = source / name.lstrip("/")
        if found.is_dir():
            shutil.copytree(found, target, symlinks=True, dirs_exist_ok=True)
        else:
            shutil.copy(found, target / found.name if target.is_dir() else target)
