"""What must not show, wherever a text goes: the passwords and keys that this process's settings hold."""

import logging
import re
from collections.abc import Iterator
from functools import cache
from urllib.parse import unquote, urlsplit

from django.conf import settings

from hedgehog_project.venues import Venue, key_settings

# What is shorter would hide half of the words in a log.
SHORTEST = 4
HIDDEN = "<secret>"


def known_secrets() -> list[str]:
    """All of them as texts, the longest first: none is a piece of one that comes later."""
    return sorted({secret for secret in _secrets() if len(secret) >= SHORTEST}, key=len, reverse=True)


def _secrets() -> Iterator[str]:
    for venue in Venue:
        given = key_settings(venue)
        # A plain str: a Secret would hide itself from who compares.
        yield from map(str, (given.api_key, given.secret, given.private_key, given.password))
    yield str(settings.SECRET_KEY)
    for entry in settings.DATABASES.values():
        yield str(entry.get("PASSWORD") or "")
        yield from (str(value) for name, value in entry.get("OPTIONS", {}).items() if "password" in name.lower())
    password = urlsplit(settings.REDIS_URL).password or ""
    yield from (password, unquote(password))


@cache
def _pattern() -> re.Pattern[str]:
    secrets = "|".join(map(re.escape, known_secrets()))
    users = "|".join(re.escape(user) for entry in settings.DATABASES.values() if (user := entry.get("USER")))
    # PostgreSQL names the user that it turned away.
    named = rf'|(?<=user )"(?:{users})"|(?<=role )"(?:{users})"' if users else ""
    return re.compile(rf"(?<!\w)(?:{secrets})(?!\w){named}" if secrets else rf"(?!){named}")


def hidden(text: str) -> str:
    """The text without any of them, and without the database's user."""
    return _pattern().sub(HIDDEN, text)


class Lines(logging.Formatter):
    """Log lines, and the tracebacks under them, in which no secret shows."""

    def format(self, record: logging.LogRecord) -> str:
        return hidden(super().format(record))
