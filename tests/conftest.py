"""What all tests share."""

from __future__ import annotations

import os
from collections.abc import Generator

import pytest

pytest_plugins = ["tests.databases"]

# What takes a minute or more by itself comes first: at the end one process would wait for the other.
LONG = (
    "tests/crm/test_sales_day.py::TestOnPostgresql",
    "tests/crm/test_sales_day.py::TestOnSqlite",
    "tests/project/test_fresh_copy.py",
    "tests/peers/test_whole_clicks.py",
    "tests/project/test_image.py",
    "tests/scenarios/",
    "tests/browser/",
    "tests/peers/",
    "tests/crm/plan/test_clock_changes.py",
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    def place(item: pytest.Item) -> int:
        return next((place for place, name in enumerate(LONG) if item.nodeid.startswith(name)), len(LONG))

    items.sort(key=place)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """In CI nothing may be passed over: what a test needs is installed, so a skip is a failure with its reason. Only a
    container that lacks what a whole machine has (`machine`) is excused."""
    report = yield
    if report.skipped and item.get_closest_marker("machine") is None and os.environ.get("CI", "").lower() == "true":
        report.outcome = "failed"
        reason = str(call.excinfo.value) if call.excinfo is not None else "no reason"
        report.longrepr = f"{item.nodeid} was skipped, which in CI is a failure: {reason}"
    return report
