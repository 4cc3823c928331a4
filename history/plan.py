"""What of the archive is to be downloaded: months where they are over and whole, else days."""

from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from datetime import date, timedelta
from itertools import groupby

from history.archive import Archive, Kind, RemoteFile, Unavailable
from history.periods import Period, between

# A month of more bytes comes by its days: 15 million trades take 2 GB of memory while they are sorted.
MAX_MONTH_BYTES = 200_000_000
# A file that is missing for so long will not come any more. Before, it may only be late.
LATE_DAYS = 7


@dataclass
class Plan:
    """The files to download, in the order of time, and the periods of which there is no file."""

    files: list[RemoteFile] = field(default_factory=list)
    absent: list[Period] = field(default_factory=list)

    @property
    def size(self) -> int:
        """In bytes, as far as it is known."""
        return sum(file.size or 0 for file in self.files)

    @property
    def days(self) -> int:
        return sum(len(list(file.period.days())) for file in self.files)


def wanted(first: date, last: date, today: date, here: Collection[str]) -> list[Period]:
    """The months and days from one day to another that are over and not here, in the order of time.

    `here`: the names of months and days. Of a month of which some days are here, the others are wanted.
    """
    found: list[Period] = []
    for period in between(first, min(last, today - timedelta(days=1))):
        days = list(period.days())
        has_days = any(day.name in here for day in days)
        if period.month in here:
            continue
        found += [day for day in days if day.name not in here] if has_days else [period]
    return found


def make(archive: Archive, symbol: str, kind: Kind, periods: Iterable[Period], known_absent: Collection[str]) -> Plan:
    """Looks up which files the archive has for these periods. Raises Unavailable.

    `known_absent`: the names of periods of which there was no file when it was asked before.
    """
    periods = [period for period in periods if period.name not in known_absent]
    months = _files(archive, symbol, kind, [period for period in periods if period.is_month])
    large = {month for month, size in months.items() if size > MAX_MONTH_BYTES}
    days = [day for period in periods if period not in months or period in large for day in period.days()]
    daily = _files(archive, symbol, kind, [day for day in days if day.name not in known_absent])
    plan = Plan()
    for period in periods:
        found = [(day, daily[day]) for day in period.days() if day in daily]
        missing = [day for day in period.days() if day not in daily and day.name not in known_absent]
        if period in months and (period not in large or missing):
            found, missing = [(period, months[period])], []
        elif not found:
            missing = [period]
        plan.absent += missing
        plan.files += [RemoteFile(symbol, kind, each, size) for each, size in found]
    return plan


def days_instead(archive: Archive, file: RemoteFile) -> Plan:
    """The days of a month whose own file is missing or cannot be read. Raises Unavailable."""
    return make(archive, file.symbol, file.kind, file.period.days(), ())


def is_final(absent: Period, today: date) -> bool:
    """Whether a file that is missing now will not come any more."""
    return (today - absent.last).days > LATE_DAYS


def _files(archive: Archive, symbol: str, kind: Kind, periods: list[Period]) -> dict[Period, int]:
    """The bytes of each file there is of these periods, which are all months or all days."""
    if not periods:
        return {}
    try:
        sizes: dict[str, int] = {}
        for group in _near(periods):
            sizes |= archive.sizes(symbol, kind, group[0], group[-1])
        files = {period: RemoteFile(symbol, kind, period).key for period in periods}
        return {period: sizes[key] for period, key in files.items() if key in sizes}
    except Unavailable:
        # Where the list cannot be reached the archive itself may be: each file is asked for.
        asked = {period: archive.size(RemoteFile(symbol, kind, period)) for period in periods}
        return {period: size for period, size in asked.items() if size is not None}


def _near(periods: list[Period]) -> list[list[Period]]:
    """By year: a page of the list has a year of days and their checksums."""
    return [list(group) for _, group in groupby(periods, key=lambda period: period.first.year)]
