"""What several commands ask for: a venue, a date, a time zone, a file."""

from argparse import ArgumentParser, ArgumentTypeError
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime, tzinfo
from pathlib import Path
from typing import TextIO
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from django.core.management.base import CommandError, OutputWrapper

from hedgehog_project.venues import Venue


def add_venue(parser: ArgumentParser) -> None:
    parser.add_argument(
        "--venue", choices=[venue.value for venue in Venue], help="default: where new traders trade now"
    )


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


@contextmanager
def opened(name: str, instead: OutputWrapper) -> Iterator[TextIO]:
    """The named file, to be written anew as CSV is; "-" is what the command writes to. Raises CommandError."""
    if name == "-":
        yield instead  # type: ignore[misc]  # It writes as a file does.
        return
    with ExitStack() as stack:
        try:
            file = stack.enter_context(Path(name).open("w", encoding="utf-8", newline=""))
        except OSError as error:
            raise CommandError(f"{name} can't be written: {error.strerror}") from None
        yield file
