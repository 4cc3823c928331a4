"""Worlds: where a trader's orders go, each with books of its own, which are never added up with another's.

An exchange of Binance's is one. Of the mock exchange every market is: the simulated one, each file that is replayed,
and paper, which fills against Binance's real trades. It runs one of them at a time (MARKET); the others rest: nobody
asks about them, for the exchange that runs would answer for another account.
"""

import hashlib
import re
from enum import StrEnum
from functools import lru_cache
from pathlib import Path
from typing import Any

from django.conf import settings

from hedgehog_project.env import BASE_DIR

PAPER = "mock/paper"
REPLAY = "mock/replay:"
_OF_MOCK = re.compile(r"mock/(paper|replay:[\w.+-]{1,48})", re.ASCII)
# What of a replayed file's name is kept, and of how much of its content.
NAME_LENGTH, END_BYTES, HEX_DIGITS = 40, 1 << 16, 6
# In the place of the digits, of a file that cannot be read.
UNREAD = "unread"
# Room for the longest.
MAX_LENGTH = 64


class Venue(StrEnum):
    """Where a trader's orders go, and, as a market, where trade events come from.

    Iterating gives the exchanges; `Venue("mock/paper")` and `Venue("mock/replay:NAME")` are further worlds of the
    mock.
    """

    LIVE = "live"
    TESTNET = "testnet"
    DEMO = "demo"
    MOCK = "mock"  # on its own simulated market, or the one that is moved by hand

    @classmethod
    def _missing_(cls, value: object) -> "Venue | None":
        if value == "mock/simulated":
            return cls.MOCK
        if not isinstance(value, str) or not _OF_MOCK.fullmatch(value):
            return None
        world = str.__new__(cls, value)
        world._name_ = world._value_ = value
        # Kept, as the others are.
        cls._value2member_map_[value] = world
        return world

    def __reduce_ex__(self, protocol: Any) -> Any:
        # By its value: Python 3.11 would look for a name in the class.
        return type(self), (self.value,)

    @property
    def is_mock(self) -> bool:
        return self == Venue.MOCK or self.startswith("mock/")

    @property
    def exchange(self) -> "Venue":
        """The exchange that it is a world of: whose address and whose key it has."""
        return Venue.MOCK if self.is_mock else self

    @property
    def shown(self) -> str:
        """As commands and logs name it, and take it."""
        return "mock/simulated" if self == Venue.MOCK else self.value

    @property
    def label(self) -> str:
        """As pages name it."""
        if self.startswith(REPLAY):
            return f"Replay of {self.removeprefix(REPLAY)}"
        return {"mock": "Mock, simulated", PAPER: "Paper"}.get(self.value, self.value.capitalize())

    @property
    def market_setting(self) -> str:
        """What MARKET says where the mock runs this world; of a replay as much of its file as is known."""
        if self.startswith(REPLAY):
            return f"replay:{self.removeprefix(REPLAY).rpartition('-')[0]}…"
        return "live" if self == PAPER else "simulated"


# The same names: paper trading is the market live with the venue mock/paper.
Market = Venue


def mock_world() -> Venue:
    """The world that the mock exchange runs, by the setting MARKET: no process asks anybody for it."""
    return world_of(settings.MARKET)


def world_of(market: str) -> Venue:
    """The mock's world with this MARKET."""
    if market == "live":
        return Venue(PAPER)
    kind, _, file = market.partition(":")
    return _of_replay(file) if kind == "replay" and file else Venue.MOCK


def running() -> list[Venue]:
    """All that can be asked now: Binance's exchanges, and of the mock's worlds the one that runs."""
    return [Venue.LIVE, Venue.TESTNET, Venue.DEMO, mock_world()]


def rests(venue: Venue | str) -> bool:
    """Whether it is a world of the mock's that does not run now."""
    venue = Venue(venue)
    return venue.is_mock and venue != mock_world()


def why_it_rests(venue: Venue | str) -> str:
    """A sentence; empty for a world that runs."""
    venue = Venue(venue)
    if not rests(venue):
        return ""
    return f"{venue.shown} rests until MARKET={venue.market_setting} is back: the mock runs {mock_world().shown}."


def file_of_replay(spec: str) -> Path:
    """The file of FILE[@SPEED]; a relative one is looked for in this folder, then in the project's."""
    names = [spec, spec.rpartition("@")[0]] if "@" in spec else [spec]
    found = [path for name in names for path in (Path(name), BASE_DIR / name) if path.is_file()]
    return found[0] if found else Path(names[-1])


@lru_cache(maxsize=8)  # Decided once in each process, whatever becomes of the file.
def _of_replay(spec: str) -> Venue:
    """The same file at another speed is the same world; a file of the same name with other trades is another."""
    path = file_of_replay(spec)
    name = re.sub(r"[^\w.+-]+", "-", path.name.split(".")[0], flags=re.ASCII)[:NAME_LENGTH] or "file"
    return Venue(f"{REPLAY}{name}-{_digest(path)}")


def _digest(path: Path) -> str:
    """A few digits of a file's size, beginning and end: large files are told apart without being read."""
    try:
        with path.open("rb") as file:
            size = path.stat().st_size
            told = hashlib.sha256(b"%d" % size + file.read(END_BYTES))
            file.seek(max(size - END_BYTES, 0))
            told.update(file.read(END_BYTES))
    except OSError:
        return UNREAD  # The mock does not start either.
    return told.hexdigest()[:HEX_DIGITS]
