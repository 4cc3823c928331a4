"""What must not show, wherever a text goes: the passwords and keys that this process's settings hold."""

import logging
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cache
from typing import Any
from urllib.parse import unquote, urlsplit

from django.conf import settings

from hedgehog_project.venues import Venue, key_settings

# What is shorter would hide half of the words in a log.
SHORTEST = 4
HIDDEN = "<secret>"


def known_secrets() -> list[str]:
    """All of them as texts, the longest first: none is a piece of one that comes later."""
    return _long_ones(_secrets())


def _long_ones(secrets: Iterable[str]) -> list[str]:
    return sorted({secret for secret in secrets if len(secret) >= SHORTEST}, key=len, reverse=True)


def _secrets() -> Iterator[str]:
    for venue in Venue:
        given = key_settings(venue)
        # A plain str: a Secret would hide itself from who compares.
        yield from map(str, (given.api_key, given.secret, given.private_key, given.password))
    yield str(settings.SECRET_KEY)
    for entry in settings.DATABASES.values():
        yield from _passwords(entry)
    password = urlsplit(settings.REDIS_URL).password or ""
    yield from (password, unquote(password))


def _passwords(entry: Mapping[str, Any]) -> Iterator[str]:
    yield str(entry.get("PASSWORD") or "")
    yield from (str(value) for name, value in entry.get("OPTIONS", {}).items() if "password" in name.lower())


@cache
def _known() -> re.Pattern[str]:
    return _pattern(known_secrets(), settings.DATABASES.values())


def _pattern(secrets: Sequence[str], databases: Iterable[Mapping[str, Any]]) -> re.Pattern[str]:
    parts = [rf"(?<!\w)(?:{'|'.join(map(re.escape, secrets))})(?!\w)"] if secrets else []
    for entry in databases:
        if user := entry.get("USER"):  # PostgreSQL names the one that it turned away.
            parts += [rf'(?<=user )"{re.escape(user)}"', rf'(?<=role )"{re.escape(user)}"']
    return re.compile("|".join(parts) or "(?!)")


def hidden(text: str, database: Mapping[str, Any] | None = None) -> str:
    """The text without any of them, and without the database's user. `database`: another one beside that in use."""
    text = _known().sub(HIDDEN, text)
    return _pattern(_long_ones(_passwords(database)), [database]).sub(HIDDEN, text) if database else text


class Lines(logging.Formatter):
    """Log lines, and the tracebacks under them, in which no secret shows."""

    def format(self, record: logging.LogRecord) -> str:
        return hidden(super().format(record))
