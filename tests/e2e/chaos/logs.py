"""What the processes' logs complain about, step by step."""

import re
from collections import Counter
from pathlib import Path

# Celery's line for a task whose exception was not caught (redis-py calls its own "network:…"), and the last line of
# any other traceback.
_TASK = re.compile(r"Task (\S+?)\[[^]]*] raised unexpected: (?:\w+:)?(\w+)")
_TRACEBACK = "Traceback (most recent call last):"
_LAST_LINE = re.compile(r"^([A-Za-z_][\w.]*)(?::|$)")


class Logs:
    """Reads on where it stopped the last time."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._read: dict[Path, int] = {}

    def new_failures(self) -> Counter[str]:
        """Exceptions since the last look, such as "worker: trading.tasks.wake OutcomeUnknown"."""
        found: Counter[str] = Counter()
        for path in sorted(self._folder.glob("*.log")):
            with path.open(errors="replace") as file:
                file.seek(self._read.get(path, 0))
                text = file.read()
                self._read[path] = file.tell()
            found.update(_failures(path.stem.rpartition("-")[0], text))
        return found


def _failures(name: str, text: str) -> Counter[str]:
    found: Counter[str] = Counter()
    in_task = False
    lines = iter(text.splitlines())
    for line in lines:
        if match := _TASK.search(line):
            found[f"{name}: {match[1]} {match[2]}"] += 1
            in_task = True
        elif line == _TRACEBACK:
            end = next((_LAST_LINE.match(after) for after in lines if not after.startswith(" ")), None)
            # A task's own traceback follows its line, one for each exception in its chain.
            if not in_task:
                found[f"{name}: {end[1] if end else 'a traceback'}"] += 1
        elif not line.startswith(" ") and re.match(r"\[?\d{4}-\d\d-\d\d ", line):
            in_task = False
    return found
