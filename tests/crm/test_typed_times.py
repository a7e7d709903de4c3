"""Times on a clock as people type them into a rule."""

from __future__ import annotations

from datetime import time

import pytest

from crm.time_zones import typed_time


@pytest.mark.parametrize(
    ("typed", "meant"),
    [("8:30", time(8, 30)), ("08.30", time(8, 30)), (" 9.00 ", time(9)), ("24:00", time(23, 59)), ("0:00", time())],
)
def test_what_people_type_is_read(typed: str, meant: time) -> None:
    assert typed_time(typed) == meant


@pytest.mark.parametrize("typed", ["", "25:00", "24:01", "8", "8.30.1", "полдень"])
def test_what_is_no_time_is_refused(typed: str) -> None:
    with pytest.raises(ValueError, match=r"does not match|unconverted"):
        typed_time(typed)
