"""What several commands ask for: a venue, a date, a time zone, seconds, a file."""

import math
from argparse import ArgumentParser, ArgumentTypeError
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, tzinfo
from pathlib import Path
from typing import TextIO
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from django.core.management.base import CommandError, OutputWrapper

from hedgehog_project.venues import Venue, why_it_rests

VENUES = "live, testnet, demo, mock, mock/paper or mock/replay:NAME"


def add_venue(parser: ArgumentParser) -> None:
    parser.add_argument("--venue", type=venue, metavar="VENUE", help=f"{VENUES}; default: the venue of new traders")


def add_venue_or_all(parser: ArgumentParser, default: str) -> None:
    """`default`: which venues those are that are meant where none is named."""
    parser.add_argument("venue", nargs="?", type=venue, help=f"{VENUES}; default: {default}")


def venue(name: str) -> Venue:
    """As commands take and show it: live, mock/paper, mock/replay:NAME."""
    try:
        return Venue(name)
    except ValueError:
        raise ArgumentTypeError(f"a venue ({VENUES}), not {name}") from None


def runs(venue: Venue) -> Venue:
    """The same. Raises CommandError for one of the mock's worlds that rests: nobody can be asked about it."""
    if why := why_it_rests(venue):
        raise CommandError(why)
    return venue


def date(text: str) -> datetime:
    """2026-11-22 as its beginning in UTC."""
    try:
        return datetime.strptime(text, "%Y-%m-%d").replace(tzinfo=UTC)
    except ValueError:
        raise ArgumentTypeError(f"a date such as 2026-11-22, not {text}") from None


def timezone(name: str) -> tzinfo:
    try:
        return UTC if name == "UTC" else ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise ArgumentTypeError(f"a time zone such as UTC or Europe/Berlin, not {name}") from None


def seconds(text: str) -> float:
    """How long to wait: an end that comes."""
    try:
        wait_s = float(text)
    except ValueError:
        wait_s = math.nan
    if not 0 <= wait_s < math.inf:
        raise ArgumentTypeError(f"a number of seconds such as 60, not {text}")
    return wait_s


@contextmanager
def opened(name: str, instead: OutputWrapper) -> Iterator[TextIO]:
    """The named file, to be written anew as CSV is; "-" is what the command writes to. Raises CommandError."""
    if name == "-":
        yield instead  # type: ignore[misc]  # It writes as a file does.
        return
    try:
        with Path(name).open("w", encoding="utf-8", newline="") as file:
            yield file
    except OSError as error:  # Also a disk that fills up meanwhile.
        raise CommandError(
            f"{name or 'A file without a name'} cannot be written: {error.strerror or error}"
        ) from None
