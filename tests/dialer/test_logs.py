"""What a log line looks like, and what never stands in one."""

from __future__ import annotations

import errno
import io
import json
import logging
from collections.abc import Iterator
from typing import Any

import pytest
import structlog

from dialer.logs import configure_logging, masked_text


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture(autouse=True)
def _logging_as_before() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    structlog.reset_defaults()


@pytest.fixture
def stream() -> io.StringIO:
    stream = io.StringIO()
    configure_logging("info", "auto", stream)
    return stream


def lines(stream: io.StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def test_a_transition_is_one_json_line_when_the_stream_is_no_terminal(stream: io.StringIO) -> None:
    structlog.get_logger("dialer.calls").info("call", call="ab12", was="ringing", on="answered", now="talking")
    (line,) = lines(stream)
    assert {key: line[key] for key in ("event", "call", "was", "on", "now", "level", "logger")} == {
        "event": "call",
        "call": "ab12",
        "was": "ringing",
        "on": "answered",
        "now": "talking",
        "level": "info",
        "logger": "dialer.calls",
    }
    assert line["timestamp"].endswith("Z")


def test_a_terminal_gets_words_instead_of_json() -> None:
    stream = Terminal()
    configure_logging("info", "auto", stream)
    structlog.get_logger("dialer.calls").info("call", was="ringing", now="talking")
    assert "ringing" in stream.getvalue()
    assert not stream.getvalue().lstrip().startswith("{")


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("+73420001234", "+*********34"),
        ("sip:+73420001234@192.0.2.1:5060", "sip:+*********34@192.0.2.1:5060"),
        ("tel 83420001234.", "tel *********34."),
        ("+7 342 000-12-34", "+* *** ***-**-34"),
        ("8 (342) 000-12-34", "* (***) ***-**-34"),
        ("7 342 000-12-34", "* *** ***-**-34"),
        ("7-342-000-12-34", "*-***-***-**-34"),
        ("(342) 000-12-34", "(***) ***-**-34"),
        ("+7.342.000.12.34", "+*.***.***.**.34"),
        ("2026-11-26 12:00:55.123 127.0.0.1:5060 (1.5) 7 of 8", "2026-11-26 12:00:55.123 127.0.0.1:5060 (1.5) 7 of 8"),
        ("call to <sip:73420001234@host>;tag=1", "call to <sip:*********34@host>;tag=1"),
    ],
)
def test_only_the_last_two_digits_of_a_number_are_shown(text: str, shown: str) -> None:
    assert masked_text(text) == shown


@pytest.mark.parametrize(
    "text",
    [
        "0f8fad5bd9cb469fa16570867728950e",
        "123456781234abcd1234567812345678",
        "2026-11-23T13:29:48.123456Z",
        "2026/11/23/k3v9.wav",
        "127.0.0.1:16000",
        "486 Busy Here",
        "took 0.12345678 s",
    ],
)
def test_what_is_no_number_stays_readable(text: str) -> None:
    assert masked_text(text) == text


@pytest.mark.parametrize("key", ["password", "trunk_password", "secret", "Authorization", "token", "headset_ha1_md5"])
def test_a_secret_is_masked_by_its_key(stream: io.StringIO, key: str) -> None:
    structlog.get_logger().info("x", **{key: "s3same"})
    assert "s3same" not in stream.getvalue()
    assert lines(stream)[0][key] == "***"


def test_secrets_and_numbers_inside_structures_are_masked(stream: io.StringIO) -> None:
    structlog.get_logger().info(
        "x", details={"to": ["+73420001234"], "trunk": {"password": "s3same"}}, number=73420001234
    )
    assert "s3same" not in stream.getvalue()
    assert "0001234" not in stream.getvalue()
    assert lines(stream)[0]["number"] == "*********34"


@pytest.mark.parametrize(
    "text",
    [
        'Authorization: Digest username="anna", response="s3same"',
        "password=s3same",
        "pwd=s3same",
        "DIALER__TRUNK__PASSWORD=s3same",
        "postgresql+asyncpg://anna:s3same@127.0.0.1/dialer",
        'Proxy-Authorization: Digest nonce="a", response="s3same"\r\nTo: x',
    ],
)
def test_secrets_inside_text_are_masked(text: str) -> None:
    assert "s3same" not in masked_text(text)


def test_the_standard_library_s_loggers_come_out_masked_in_the_same_form(stream: io.StringIO) -> None:
    logging.getLogger("elsewhere").warning("calling %s", "+73420001234")
    (line,) = lines(stream)
    assert (line["event"], line["level"], line["logger"]) == ("calling +*********34", "warning", "elsewhere")


def test_an_exception_is_logged_without_the_number_in_it(stream: io.StringIO) -> None:
    try:
        raise ValueError("bad number +73420001234")
    except ValueError:
        structlog.get_logger("dialer").exception("trouble")
    (line,) = lines(stream)
    assert "ValueError" in line["exception"]
    assert "0001234" not in line["exception"]


def test_lines_below_the_level_are_not_written() -> None:
    stream = io.StringIO()
    configure_logging("warning", "json", stream)
    structlog.get_logger("dialer").info("not this")
    structlog.get_logger("dialer").warning("this")
    assert [line["event"] for line in lines(stream)] == ["this"]


def test_a_log_that_cannot_be_written_is_told_once(capsys: pytest.CaptureFixture[str]) -> None:
    """The log is a file on the disk that is full; a traceback for each line would flood the terminal."""

    class Full(io.StringIO):
        def write(self, _text: str) -> int:
            raise OSError(errno.ENOSPC, "No space left on device")

    configure_logging("info", "auto", Full())
    for _ in range(3):
        structlog.get_logger("dialer").info("call")
    assert capsys.readouterr().err == "The log cannot be written: No space left on device.\n"


def test_configuring_again_does_not_double_the_lines(stream: io.StringIO) -> None:
    configure_logging("info", "json", stream)
    structlog.get_logger("dialer").info("once")
    assert len(lines(stream)) == 1


@pytest.mark.parametrize("level", ["info", "warning"])
@pytest.mark.parametrize(
    "poison", ["\x1b]0;title\x07", "\x1b[2J", "\x9b31m", "good\rbad", "\u202egnp.exe", "\u2028x", "\x00"]
)
def test_a_stranger_s_name_cannot_steer_the_terminal(poison: str, level: str) -> None:
    """Nor in the standard library's loggers, whose message it may be part of."""
    terminal = io.StringIO()
    configure_logging("info", "console", terminal)  # without colours of its own
    getattr(structlog.get_logger("dialer.sip"), level)("headset refused", headset=poison)
    getattr(logging.getLogger("library"), level)("bad name %s", poison)
    assert all(sign.isprintable() or sign == "\n" for sign in terminal.getvalue())
    assert len(terminal.getvalue().splitlines()) == 2


def test_a_name_made_to_keep_the_mask_busy_does_not() -> None:
    """Sixty thousand bytes of this took ten seconds of the event loop once, for anybody who sent them."""
    assert masked_text("a-" * 30_000) == "a-" * 30_000
    assert masked_text("a-postgresql://anna:secret@host/x") == "a-postgresql://anna:***@host/x"
