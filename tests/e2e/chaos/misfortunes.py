"""The faults of one step: set, set again when the exchange was killed, and counted across its lives."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from tests.support.stack import Stack


class Misfortunes:
    """A restarted exchange is well again and remembers no fault: `keep` makes up for that. Call it often."""

    def __init__(self, stack: Stack, wanted: Sequence[Mapping[str, Any]]) -> None:
        self._stack, self._wanted = stack, wanted
        self._life: float | None = None  # when the exchange that has our faults was started
        self._lives = 0
        self._ids: set[int] = set()  # in this life of the exchange
        self._before: Counter[str] = Counter()
        self._in_this_life: Counter[str] = Counter()

    @property
    def struck(self) -> Counter[str]:
        """How often each kind has struck."""
        return self._before + self._in_this_life

    @property
    def times_set(self) -> int:
        return self._lives * len(self._wanted)

    @property
    def idle(self) -> list[str]:
        """The kinds that have not struck yet."""
        struck = self.struck
        return sorted(
            {str(each["kind"]) for each in self._wanted} - {kind for kind, count in struck.items() if count}
        )

    def keep(self) -> None:
        """Sets the faults where they are not set, and counts. Does nothing while the exchange is away."""
        life = self._stack.started_at["mock_exchange"]
        try:
            if life != self._life:
                self._before, self._in_this_life = self.struck, Counter()
                self._stack.mock.clear_faults()
                # Another life of the exchange has other luck: the same would strike the same requests again.
                self._ids = {
                    self._stack.mock.fault(**{**fault, "seed": fault["seed"] + 1_000 * self._lives})["id"]
                    for fault in self._wanted
                }
                self._life = life
                self._lives += 1
            ours = [fault for fault in self._stack.mock.faults() if fault["id"] in self._ids]
            self._in_this_life = Counter({fault["kind"]: fault["struck"] for fault in ours})
        except OSError:
            return

    def end(self) -> bool:
        """The exchange is well again. False while it is away: then it is well once it is back."""
        self.keep()
        try:
            self._stack.mock.clear_faults()
        except OSError:
            return False
        return True
