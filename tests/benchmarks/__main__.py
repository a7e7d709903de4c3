"""All benchmarks, or one: `python -m tests.benchmarks [NAME [its options]] [--real-time] [--out FILE]`.

Each runs in a process of its own, prints its figures as JSON, and fails only when its work was wrong; at the end comes
one table. Without a name everything is run as for docs/performance.md, within 25 minutes. NAME is a benchmark (a
`bench_NAME` here, followed by its own options, see `NAME --help`), `highest` (how many recorded calls a core holds) or
`soak` (an hour of 200 recorded calls). `lists`, `plan` and `duplicates` make a base of a million organisations first,
up to half an hour long, `deals` a smaller one, `batches` 10,000 clients, `questionnaires` a million sheets and
`what_if` a month of calls; they are not among those that are run without a name; nor is `datasette`, which needs such a
base (`lists --folder`) and that program.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from tests.benchmarks.machine import describe

_HOLDS_MS = 5.0  # p99 of the latency that we add
_STEP = 50


@dataclass(frozen=True, slots=True)
class Run:
    """One process. `label` names it in the table; `precedence`: it knows `--real-time`."""

    name: str
    options: tuple[str, ...] = ()
    label: str = ""
    precedence: bool = True


_CLICK = ("--calls", "250")
WHOLE = (
    Run("calls", precedence=False),  # it takes a core whole, which SCHED_RR forbids (see sched(7))
    Run("click", (*_CLICK, "--database", "sqlite"), "click, SQLite"),
    Run("click", (*_CLICK, "--database", "postgresql"), "click, PostgreSQL"),
    Run("click", ("--calls", "400", "--operators", "20", "--think-s", "4"), "click, SQLite, 20 operators"),
    Run("memory"),
    Run("relay"),
    Run("import", ("--write",)),
)
LARGE = (
    Run("lists"), Run("plan"), Run("duplicates"), Run("datasette"), Run("questionnaires"),
    Run("deals"), Run("batches"),
    Run("what_if", precedence=False),
)  # fmt: skip
SOAK = Run("relay", ("--calls", "200", "--seconds", "3600"), "soak")
ALONE = {run.name: run for run in (*WHOLE, *LARGE)}


@dataclass(frozen=True, slots=True)
class Done:
    """What a run said, and whether its work was right."""

    run: Run
    figures: dict[str, Any]
    right: bool


def carry_out(run: Run, *, real_time: bool) -> Done:
    """In a session of its own, so that a priority that it takes ends with it."""
    command = [sys.executable, "-m", f"tests.benchmarks.bench_{run.name}", *run.options]
    command += ["--real-time"] if real_time and run.precedence else []
    print("==", " ".join(command[2:]), file=sys.stderr, flush=True)
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False, start_new_session=True)
    figures: dict[str, Any] = json.loads(done.stdout) if done.stdout.strip().startswith("{") else {}
    print(json.dumps(figures, ensure_ascii=False, indent=1), flush=True)
    return Done(run, figures, done.returncode == 0 and bool(figures) and _whole(figures))


def _whole(figures: dict[str, Any]) -> bool:
    """Nothing lost, every file complete, for the benchmarks that say so in their figures alone."""
    files = figures.get("files")
    return not figures.get("lost") and (files is None or files["whole"] == files["files"])


def highest(real_time: bool) -> Iterator[Done]:
    """More and more recorded calls, a minute each, until a number does not hold."""
    calls = 800
    while True:
        options = ("--calls", str(calls), "--seconds", "60", "--alone-seconds", "0")
        done = carry_out(Run("relay", options, f"{calls} calls"), real_time=real_time)
        holds = done.right and done.figures["p99_us"] < _HOLDS_MS * 1000
        yield Done(done.run, done.figures | {"holds": holds}, right=bool(done.figures))
        if not holds:
            return
        calls += _STEP


def rows(figures: dict[str, Any], before: str = "") -> Iterator[tuple[str, str]]:
    """All figures, nested names joined by a space."""
    for name, value in figures.items():
        path = f"{before} {name}".strip()
        if isinstance(value, dict):
            yield from rows(value, path)
        elif isinstance(value, list) and value and isinstance(value[0], dict):
            for each in value:
                yield from rows(each, f"{path} {each.get('calls', '')}".strip())
        elif isinstance(value, list):
            yield path, " ".join(f"{each:.2f}" if isinstance(each, float) else str(each) for each in value) or "none"
        else:
            yield path, str(value)


def table(done: list[Done]) -> str:
    lines = []
    for each in done:
        lines.append(f"\n{each.run.label or each.run.name}{'' if each.right else '   ITS WORK WAS WRONG'}")
        found = list(rows(each.figures))
        width = max((len(name) for name, _ in found), default=0)
        lines += [f"  {name:<{width}}  {value}" for name, value in found]
    return "\n".join(lines)


def chosen(name: str, options: list[str], *, real_time: bool) -> Iterator[Done]:
    if not name:
        yield from (carry_out(run, real_time=real_time) for run in WHOLE)
    elif name == "highest":
        yield from highest(real_time)
    elif name == "soak":
        yield carry_out(replace(SOAK, options=(*SOAK.options, *options)), real_time=real_time)
    else:
        yield carry_out(Run(name, tuple(options), precedence=ALONE[name].precedence), real_time=real_time)


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="python -m tests.benchmarks", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("name", nargs="?", default="", choices=("", *ALONE, "highest", "soak"))
    parser.add_argument("--real-time", action="store_true", help="before all other programs (SCHED_RR; root only)")
    parser.add_argument("--out", type=Path, help="keep machine and figures there, as JSON")
    arguments, options = parser.parse_known_args()
    if options and arguments.name not in (*ALONE, "soak"):
        parser.error(f"unknown options: {' '.join(options)}")
    machine = describe(Path(tempfile.gettempdir()))
    print(json.dumps(machine, ensure_ascii=False, indent=1), flush=True)
    done = []
    for each in chosen(arguments.name, options, real_time=arguments.real_time):
        done.append(each)
        if arguments.out:
            kept = [{"run": [each.run.name, *each.run.options], "figures": each.figures} for each in done]
            arguments.out.write_text(json.dumps({"machine": machine, "runs": kept}, ensure_ascii=False, indent=1))
    print(table(done))
    return 0 if all(each.right for each in done) else 1


if __name__ == "__main__":
    sys.exit(main())
