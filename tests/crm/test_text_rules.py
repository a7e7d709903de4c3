"""What counts as a full name, however long the text is that somebody sends."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crm.text_rules import LETTERS, is_full_name


@given(st.text(alphabet="aЯ1 \n-", max_size=12))
def test_a_full_name_is_what_the_databases_take_for_one(text: str) -> None:
    """PostgreSQL's CHECK is this expression (`full_name_check`)."""
    assert is_full_name(text) is (re.search(f"[{LETTERS}].* .*[{LETTERS}]", text, re.DOTALL) is not None)


@pytest.mark.timeout(60)
def test_a_name_without_end_is_judged_at_once() -> None:
    """An expression that tries every letter as the first of two words would take days."""
    assert not is_full_name("a" * 50_000 + " -" * 50_000)
