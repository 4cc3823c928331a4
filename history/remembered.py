"""What was asked for in vain, so that it is not asked for again each day: files that are not there, holes."""

import json
import os
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any

from history.holes import Hole
from history.periods import Period

NAME = "asked.json"
# Binance has filled holes of its archive after months: then it is worth another look.
AGAIN_AFTER_DAYS = 30


@dataclass
class Remembered:
    """Of one symbol and kind, in its folder. For one process at a time."""

    path: Path
    today: date
    absent: dict[str, str] = field(default_factory=dict)  # the name of a period: the day on which it was asked for
    holes: dict[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, folder: Path, today: date) -> "Remembered":
        """What is remembered; nothing where the file is missing or cannot be read."""
        path = folder / NAME
        try:
            told: Any = json.loads(path.read_text())
            absent, holes = dict(told["absent"]), dict(told["holes"])
        except (OSError, ValueError, KeyError, TypeError):
            absent, holes = {}, {}
        return cls(path, today, absent, holes)

    def absent_names(self) -> set[str]:
        """The periods that need not be asked for now."""
        return {name for name, asked in self.absent.items() if self._is_fresh(asked)}

    def was_asked(self, hole: Hole) -> bool:
        """Whether nobody had all of a hole's trades a short while ago."""
        return self._is_fresh(self.holes.get(_name(hole), ""))

    def remember(self, absent: list[Period], holes: list[Hole]) -> None:
        """Adds to what is known. Raises OSError."""
        if not absent and not holes:
            return
        self.absent |= {period.name: self.today.isoformat() for period in absent}
        self.holes |= {_name(hole): self.today.isoformat() for hole in holes}
        self.path.parent.mkdir(parents=True, exist_ok=True)
        draft = self.path.with_name(f".{NAME}.{os.getpid()}")
        draft.write_text(json.dumps({"absent": self.absent, "holes": self.holes}, indent=1) + "\n")
        draft.replace(self.path)

    def _is_fresh(self, asked: str) -> bool:
        try:
            return (self.today - date.fromisoformat(asked)).days < AGAIN_AFTER_DAYS
        except (TypeError, ValueError):
            return False


def _name(hole: Hole) -> str:
    return f"{hole.first}-{hole.last}"
