"""Working days: a country's holidays and moved days, and the days that a campaign decides otherwise."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, datetime, timedelta
from functools import lru_cache
from typing import Final

from holidays import HolidayBase, country_holidays, list_supported_countries
from sqlalchemy import CheckConstraint, ForeignKey, Text
from sqlalchemy.orm import Mapped, mapped_column

from crm.errors import Refused
from crm.mapping import Base, UtcDateTime

NO_COUNTRY: Final = ""
"""In place of a country: Monday to Friday, without holidays."""
_LANGUAGES: Final = {"ru": "ru", "en": "en_US"}


class CalendarDay(Base):
    """A day on which the campaign works, or does not, whatever the country does; `reason` in words."""

    __tablename__ = "calendar_days"
    __table_args__ = (CheckConstraint("length(trim(reason)) > 0", name="reason"),)

    campaign_id: Mapped[int] = mapped_column(ForeignKey("campaigns.id"), primary_key=True)
    day: Mapped[date] = mapped_column(primary_key=True)
    works: Mapped[bool]
    reason: Mapped[str] = mapped_column(Text)
    set_at: Mapped[datetime] = mapped_column(UtcDateTime)


def assert_known(country: str) -> None:
    """Raises `Refused` unless `country` is an ISO 3166-1 code whose holidays are known, or `NO_COUNTRY`."""
    if country != NO_COUNTRY and country not in list_supported_countries():
        raise Refused("calendar.unknown_country", country=country)


@lru_cache(maxsize=4096)
def is_working_day(country: str, day: date) -> bool:
    """By the calendar of the country, with the weekends that it has made working days and the days off in their
    place."""
    if country == NO_COUNTRY:
        return day.weekday() < 5
    return _calendar(country).is_working_day(day)


def holiday_name(country: str, day: date, language: str) -> str:
    """What is celebrated, in `language` ("ru", "en") where it is known in it, else in one that it is known in; "" on
    any other day."""
    if country == NO_COUNTRY:
        return ""
    known = _calendar(country).supported_languages
    spoken = next((each for each in (_LANGUAGES[language], _LANGUAGES["en"]) if each in known), None)
    return _calendar(country, spoken).get(day) or ""


def days_between(first: date, last: date) -> Iterator[date]:
    """Both included; none when `last` comes before `first`."""
    return (first + timedelta(days=number) for number in range((last - first).days + 1))


@lru_cache(maxsize=16)
def _calendar(country: str, language: str | None = None) -> HolidayBase:
    return country_holidays(country, language=language)
