"""Months and days, as Binance's archive cuts its files: UTC, each named as in its file's name."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

_NAME = re.compile(r"(\d{4})-(\d{2})(?:-(\d{2}))?", re.ASCII)
_DAY = timedelta(days=1)


@dataclass(frozen=True, order=True)
class Period:
    """A whole month or one day."""

    first: date
    last: date  # included

    @property
    def is_month(self) -> bool:
        return self.first != self.last

    @property
    def name(self) -> str:
        """2024-01, or 2024-01-15."""
        return f"{self.first:%Y-%m}" if self.is_month else self.first.isoformat()

    @property
    def month(self) -> str:
        return f"{self.first:%Y-%m}"

    @property
    def begins_us(self) -> int:
        return _us(self.first)

    @property
    def ends_us(self) -> int:
        """The first microsecond that is no longer in it."""
        return _us(self.last + _DAY)

    def days(self) -> Iterator["Period"]:
        day = self.first
        while day <= self.last:
            yield day_of(day)
            day += _DAY


def month_of(day: date) -> Period:
    """The whole month that a day is in."""
    first = day.replace(day=1)
    return Period(first, (first + 31 * _DAY).replace(day=1) - _DAY)


def day_of(day: date) -> Period:
    return Period(day, day)


def time_at(time_us: int) -> datetime:
    """In UTC, to the second."""
    return datetime.fromtimestamp(time_us // 1_000_000, UTC)


def day_at(time_us: int) -> date:
    """The day in UTC of a time in microseconds."""
    return time_at(time_us).date()


def parse(text: str) -> Period:
    """The period of a name. Raises ValueError: what it should look like."""
    found = _NAME.fullmatch(text)
    try:
        if found is None:
            raise ValueError
        year, month, day = found.groups()
        first = date(int(year), int(month), int(day or 1))
    except ValueError:
        raise ValueError(f"must be a month such as 2024-01 or a day such as 2024-01-15, not {text!r}") from None
    return day_of(first) if day else month_of(first)


def between(first: date, last: date) -> Iterator[Period]:
    """The months from one day to another, the first and the last of them cut to what is wanted.

    A month that is wanted in part comes as its days.
    """
    day = first
    while day <= last:
        month = month_of(day)
        if month.first >= first and month.last <= last:
            yield month
        else:
            yield from Period(day, min(month.last, last)).days()
        day = month.last + _DAY


def _us(day: date) -> int:
    return int(datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp()) * 1_000_000
