"""The brake on guessing."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from dialer.console.web import failure_limit
from dialer.console.web.failure_limit import FAILURES_OF_A_LOGIN, FAILURES_OF_AN_ADDRESS, FailureLimit

NOW = datetime(2026, 5, 14, 8, tzinfo=UTC)


def test_an_address_that_tries_many_logins_must_wait_too() -> None:
    limit = FailureLimit()
    for number in range(FAILURES_OF_AN_ADDRESS):
        limit.failed(login=f"user{number}", address="192.0.2.1", now=NOW)
    assert limit.wait(login="new", address="192.0.2.1", now=NOW) == failure_limit.WINDOW
    assert limit.wait(login="new", address="192.0.2.2", now=NOW) == timedelta(0)


def test_old_failures_are_forgotten_one_by_one() -> None:
    limit = FailureLimit()
    for number in range(FAILURES_OF_A_LOGIN):
        limit.failed(login="anna", address="a", now=NOW + timedelta(minutes=number))
    later = NOW + timedelta(minutes=FAILURES_OF_A_LOGIN)
    assert limit.wait(login="anna", address="a", now=later) == NOW + failure_limit.WINDOW - later
    assert limit.wait(login="anna", address="a", now=NOW + failure_limit.WINDOW) == timedelta(0)


def test_signing_in_forgives_the_login_and_not_the_address() -> None:
    limit = FailureLimit()
    for _ in range(FAILURES_OF_A_LOGIN - 1):
        limit.failed(login="anna", address="192.0.2.1", now=NOW)
    for number in range(FAILURES_OF_AN_ADDRESS - FAILURES_OF_A_LOGIN):
        limit.failed(login=f"user{number}", address="192.0.2.1", now=NOW)
    limit.failed(login="anna", address="192.0.2.1", now=NOW)
    limit.succeeded(login="anna", address="192.0.2.1")
    assert limit.wait(login="anna", address="192.0.2.1", now=NOW) == timedelta(0)
    limit.failed(login="anna", address="192.0.2.1", now=NOW)
    assert limit.wait(login="anna", address="192.0.2.1", now=NOW) > timedelta(0), "the address has had its share"


def test_a_flood_of_names_does_not_fill_the_memory() -> None:
    limit = FailureLimit()
    for number in range(failure_limit.MOST_NAMES + 500):
        limit.failed(login=f"made-up-{number}", address=f"a{number}", now=NOW)
    assert len(limit._failures) <= failure_limit.MOST_NAMES


def test_who_goes_on_guessing_is_not_forgotten_among_made_up_names() -> None:
    """Names are let go in the order of their last failure, so who fails again and again stays."""
    limit = FailureLimit()
    for number in range(failure_limit.MOST_NAMES):
        if number % (failure_limit.MOST_NAMES // FAILURES_OF_A_LOGIN) == 0:
            limit.failed(login="maria", address="192.0.2.66", now=NOW)
        limit.failed(login=f"made-up-{number}", address="192.0.2.67", now=NOW)
    assert limit.wait(login="maria", address="192.0.2.66", now=NOW) == failure_limit.WINDOW


def test_a_stranger_does_not_keep_the_owner_out() -> None:
    limit = FailureLimit()
    for _ in range(FAILURES_OF_A_LOGIN):
        limit.failed(login="maria", address="192.0.2.66", now=NOW)
    assert limit.wait(login="maria", address="192.0.2.66", now=NOW) == failure_limit.WINDOW
    assert limit.wait(login="maria", address="192.0.2.1", now=NOW) == timedelta(0)


def test_guesses_from_everywhere_are_braked_in_the_end() -> None:
    limit = FailureLimit()
    for number in range(failure_limit.FAILURES_FROM_ANYWHERE):
        limit.failed(login="maria", address=f"192.0.2.{number}", now=NOW)
    assert limit.wait(login="maria", address="198.51.100.1", now=NOW) == failure_limit.WINDOW
