"""Times as operators type them."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crm.errors import Refused
from crm.plan.callbacks import parse_when
from crm.time_zones import instant

PERM = "Asia/Yekaterinburg"
MONDAY_NOON = datetime(2026, 11, 23, 7, 0, tzinfo=UTC)  # 12:00 in Perm

UNDERSTOOD = {
    # days by name
    "завтра в 11": "2026-11-24 11:00",
    "Завтра в 11:30": "2026-11-24 11:30",
    "завтра 1130": "2026-11-24 11:30",
    "завтра в 11.10": "2026-11-24 11:10",
    "завтра в 9 утра": "2026-11-24 09:00",
    "завтра в 3": "2026-11-24 15:00",
    "завтра в 3 дня": "2026-11-24 15:00",
    "завтра в 6 вечера": "2026-11-24 18:00",
    "завтра в 03:00": "2026-11-24 03:00",
    "завтра утром": "2026-11-24 10:00",
    "завтра после обеда": "2026-11-24 14:00",
    "послезавтра в 10 часов": "2026-11-25 10:00",
    "послезавтра 10ч30": "2026-11-25 10:30",
    "сегодня в 17": "2026-11-23 17:00",
    "сегодня в час дня": "2026-11-23 13:00",
    "tomorrow 11": "2026-11-24 11:00",
    "tomorrow at 3pm": "2026-11-24 15:00",
    "tomorrow at 3:30 p.m.": "2026-11-24 15:30",
    "the day after tomorrow at noon": "2026-11-25 12:00",
    "today at 5": "2026-11-23 17:00",
    "tomorrow morning": "2026-11-24 10:00",
    # a part of the day with an hour
    "завтра утром в 10": "2026-11-24 10:00",
    "завтра утром в 7": "2026-11-24 07:00",
    "завтра вечером в 7": "2026-11-24 19:00",
    "завтра в 7 вечером": "2026-11-24 19:00",
    "завтра вечером в 19:30": "2026-11-24 19:30",
    "завтра с утра": "2026-11-24 10:00",
    "завтра с утра в 9": "2026-11-24 09:00",
    "завтра днём в 2": "2026-11-24 14:00",
    "завтра в 11 дня": "2026-11-24 11:00",
    "завтра после обеда в 3": "2026-11-24 15:00",
    "завтра в 11 ночи": "2026-11-24 23:00",
    "tomorrow morning at 9": "2026-11-24 09:00",
    "tomorrow at 7 in the evening": "2026-11-24 19:00",
    # half hours
    "завтра в половине третьего": "2026-11-24 14:30",
    "завтра в полтретьего": "2026-11-24 14:30",
    "в пол-третьего": "2026-11-23 14:30",
    "завтра в половине первого": "2026-11-24 12:30",
    "завтра в половине десятого утра": "2026-11-24 09:30",
    "завтра утром в половине восьмого": "2026-11-24 07:30",
    "half past three": "2026-11-23 15:30",
    "tomorrow at half past 10": "2026-11-24 10:30",
    # a hyphen before what can be no hour
    "завтра 9-30": "2026-11-24 09:30",
    "завтра в 10-00": "2026-11-24 10:00",
    "завтра в 11-05": "2026-11-24 11:05",
    # numbers in words
    "завтра в десять": "2026-11-24 10:00",
    "tomorrow at eleven": "2026-11-24 11:00",
    # weekdays: the next one
    "в эту пятницу 15:30": "2026-11-27 15:30",
    "this friday 15:30": "2026-11-27 15:30",
    "в этот четверг в 15:30": "2026-11-26 15:30",
    "в ближайшую среду в 10": "2026-11-25 10:00",
    "чт 15:30": "2026-11-26 15:30",
    "чт 1530": "2026-11-26 15:30",
    "чт. 15.30": "2026-11-26 15:30",
    "в четверг в 15-30": "2026-11-26 15:30",
    "во вторник, 10:00": "2026-11-24 10:00",
    "в среду 9:15": "2026-11-25 09:15",
    "пт 930": "2026-11-27 09:30",
    "в пятницу утром": "2026-11-27 10:00",
    "сб 12": "2026-11-28 12:00",
    "в воскресенье в 12": "2026-11-29 12:00",
    "пн 15:00": "2026-11-23 15:00",
    "пн 11:00": "2026-11-30 11:00",
    "thu 15:30": "2026-11-26 15:30",
    "Thursday at 3.30 pm": "2026-11-26 15:30",
    "mon 11am": "2026-11-30 11:00",
    "следующий вторник 14:00": "2026-12-01 14:00",
    "на следующей неделе в пн 10": "2026-11-30 10:00",
    "next friday 16:00": "2026-12-04 16:00",
    # dates
    "15.12 14:00": "2026-12-15 14:00",
    "15.12 в 14.00": "2026-12-15 14:00",
    "15.05 14:00": "2027-05-15 14:00",
    "15.05.2027 14:00": "2027-05-15 14:00",
    "15.05.27 14:00": "2027-05-15 14:00",
    "1/12 10:00": "2026-12-01 10:00",
    "2026-12-01 10:00": "2026-12-01 10:00",
    "15 мая в 14": "2027-05-15 14:00",
    "15 мая 2028 в 14:00": "2028-05-15 14:00",
    "1 декабря 10:00": "2026-12-01 10:00",
    "3 марта, 11:20": "2027-03-03 11:20",
    "15-го мая в 10": "2027-05-15 10:00",
    "30 числа в 12": "2026-11-30 12:00",
    "5-го в 12": "2026-12-05 12:00",
    "dec 1 10:00": "2026-12-01 10:00",
    "1st of December at 10am": "2026-12-01 10:00",
    "May 15th, 2pm": "2027-05-15 14:00",
    "10:00 1.12": "2026-12-01 10:00",
    # a time alone is today
    "15:30": "2026-11-23 15:30",
    "в 16": "2026-11-23 16:00",
    "1530": "2026-11-23 15:30",
    "15.30": "2026-11-23 15:30",
    "at 4 pm": "2026-11-23 16:00",
    # spans
    "через 2 часа": "2026-11-23 14:00",
    "через час": "2026-11-23 13:00",
    "через полчаса": "2026-11-23 12:30",
    "через полтора часа": "2026-11-23 13:30",
    "через 1,5 часа": "2026-11-23 13:30",
    "через 20 минут": "2026-11-23 12:20",
    "через 20 мин": "2026-11-23 12:20",
    "через 1 час 30 минут": "2026-11-23 13:30",
    "через 3 дня в 11": "2026-11-26 11:00",
    "через день в 11": "2026-11-25 11:00",
    "через 1 день в 11": "2026-11-24 11:00",
    "через два дня в 10": "2026-11-25 10:00",
    "через неделю в 10": "2026-11-30 10:00",
    "через два часа": "2026-11-23 14:00",
    "через три часа": "2026-11-23 15:00",
    "через двадцать пять минут": "2026-11-23 12:25",
    "через 1 час 30": "2026-11-23 13:30",
    "через час с половиной": "2026-11-23 13:30",
    "in three hours": "2026-11-23 15:00",
    "in an hour and a half": "2026-11-23 13:30",
    "in a couple of hours": "2026-11-23 14:00",
    "через 2 недели 10:30": "2026-12-07 10:30",
    "in 2 hours": "2026-11-23 14:00",
    "in an hour": "2026-11-23 13:00",
    "in half an hour": "2026-11-23 12:30",
    "in 45 min": "2026-11-23 12:45",
    "in 3 days at 11": "2026-11-26 11:00",
    "in a week at 10": "2026-11-30 10:00",
}

REFUSED = {
    "": "callback.words",
    "   ": "callback.words",
    "когда-нибудь": "callback.words",
    "завтра в 11 или позже": "callback.words",
    "потом в 11": "callback.words",
    "soon": "callback.words",
    "завтра": "callback.words_no_time",
    "чт": "callback.words_no_time",
    "15.05": "callback.words_no_time",
    "через неделю": "callback.words_no_time",
    "31.02 10:00": "callback.words_no_such_date",
    "32 мая в 10": "callback.words_no_such_date",
    "завтра в 25": "callback.words_no_such_date",
    "завтра в 11:75": "callback.words_no_such_date",
    "завтра 11-12": "callback.words_range",
    "завтра 14-16": "callback.words_range",
    "понедельник 10-18": "callback.words_range",
    "завтра с 11 до 12": "callback.words_range",
    "завтра 11:00-12:00": "callback.words_range",
    "завтра 11 – 12": "callback.words_range",
    "завтра между 11 и 12": "callback.words_range",
    "tomorrow from 10 to 12": "callback.words_range",
    "через 2-3 часа": "callback.words_range",
    "завтра утром в 15": "callback.words_no_such_date",
    "завтра вечером в 07:00": "callback.words_no_such_date",
    "завтра утром в 7 вечера": "callback.words_no_such_date",
    "завтра утром вечером": "callback.words",
    "через полтора дня в 11": "callback.words",
    "через 5 минут 10 минут": "callback.words",
    "в этот понедельник в 11": "callback.in_the_past",
    "сегодня в 11": "callback.in_the_past",
    "11:00": "callback.in_the_past",
    "12:00": "callback.in_the_past",
    "20.11 14:00": "callback.in_the_past",
    "15.05.2020 14:00": "callback.in_the_past",
    "через 0 минут": "callback.in_the_past",
    "31.12.9999 23:59": "callback.words_no_such_date",
    "2030-01-15 11:00": "callback.words_no_such_date",
    "через 9999999999 дней в 11": "callback.words_no_such_date",
    "через 99999999999999 часов": "callback.words_no_such_date",
}


@pytest.mark.parametrize(("typed", "meant"), UNDERSTOOD.items())
def test_understood(typed: str, meant: str) -> None:
    assert parse_when(typed, now=MONDAY_NOON, zone=PERM).isoformat(" ", "minutes") == meant


@pytest.mark.parametrize(("typed", "code"), REFUSED.items())
def test_refused_in_words(typed: str, code: str) -> None:
    with pytest.raises(Refused) as refused:
        parse_when(typed, now=MONDAY_NOON, zone=PERM)
    assert refused.value.code == code


def test_the_day_is_the_clients() -> None:
    late = datetime(2026, 11, 23, 20, 0, tzinfo=UTC)  # Tuesday 01:00 in Perm
    assert parse_when("завтра в 11", now=late, zone=PERM).isoformat() == "2026-11-25T11:00:00"
    assert parse_when("завтра в 11", now=late, zone="Europe/Moscow").isoformat() == "2026-11-24T11:00:00"


def test_a_span_is_time_that_passes_not_the_clock() -> None:
    before_the_change = datetime(2027, 3, 28, 0, 30, tzinfo=UTC)  # 01:30 in Berlin, whose clock skips 02:00-03:00
    assert parse_when("через час", now=before_the_change, zone="Europe/Berlin").isoformat() == "2027-03-28T03:30:00"


@given(st.text(st.sampled_from("0123456789.:-/ завтрчспнбуем inthuatpm'"), max_size=24))
def test_anything_typed_is_a_future_time_or_refused(typed: str) -> None:
    try:
        found = parse_when(typed, now=MONDAY_NOON, zone=PERM)
    except Refused:
        return
    assert found.tzinfo is None
    assert instant(found, PERM) > MONDAY_NOON


HOURS = st.integers(1, 12)
WRITTEN = ("один", "два", "три", "четыре", "пять", "шесть", "семь", "восемь", "девять", "десять", "одиннадцать")
SPOKEN = ("one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven")
HALF_BEFORE = (
    "первого", "второго", "третьего", "четвертого", "пятого", "шестого", "седьмого", "восьмого", "девятого",
    "десятого", "одиннадцатого", "двенадцатого",
)  # fmt: skip
SAME_PARTS = {"утром": "утра", "вечером": "вечера", "днём": "дня", "morning": "am", "evening": "pm"}


def read(typed: str) -> datetime | str:
    """What it means, or the code of the refusal."""
    try:
        return parse_when(typed, now=MONDAY_NOON, zone=PERM)
    except Refused as refused:
        return refused.code


@given(HOURS, st.sampled_from(sorted(SAME_PARTS)))
def test_a_part_of_the_day_means_what_its_word_after_the_hour_means(hour: int, part: str) -> None:
    readings = {read(f"завтра {part} в {hour}"), read(f"{part} завтра в {hour}"), read(f"завтра в {hour} {part}")}
    assert len(readings) == 1
    assert readings <= {read(f"завтра в {hour} {SAME_PARTS[part]}"), "callback.words_no_such_date"}


@given(HOURS, st.sampled_from(("", " утра", " вечера", " дня", " ночи")))
def test_half_an_hour_before_is_half_an_hour_after(hour: int, half: str) -> None:
    before = HALF_BEFORE[hour % 12]
    meant = read(f"завтра в {hour}:30{half}")
    assert read(f"завтра в половине {before}{half}") == meant
    assert read(f"завтра в пол{before}{half}") == meant
    assert read(f"завтра half past {hour}{half}") == meant


@given(st.integers(1, 11), st.sampled_from(("завтра в {}", "через {} часа", "через {} дня в 10", "завтра в {} вечера")))
def test_a_number_in_words_is_the_number(number: int, saying: str) -> None:
    meant = read(saying.format(number))
    assert read(saying.format(WRITTEN[number - 1])) == read(saying.format(SPOKEN[number - 1])) == meant


@given(st.integers(0, 23), st.integers(0, 59))
def test_a_hyphen_is_a_colon_or_refused(hour: int, minute: int) -> None:
    exact = read(f"завтра {hour}:{minute:02}")
    assert read(f"завтра {hour:02}:{minute:02}") == datetime(2026, 11, 24, hour, minute)  # noqa: DTZ001 - on a clock
    assert read(f"завтра {hour}-{minute:02}") == ("callback.words_range" if 10 <= minute <= 24 else exact)
