"""The faults of one step: set, set again when the exchange was killed, and counted across its lives."""

from collections import Counter, deque
from collections.abc import Mapping, Sequence
from typing import Any

from tests.support.machine.stack import Stack


class Misfortunes:
    """A restarted exchange is well again and remembers no fault: `keep` makes up for that. Call it often."""

    def __init__(self, stack: Stack, lanes: Sequence[Sequence[Mapping[str, Any]]]) -> None:
        """In each lane one fault is on at a time: until it was injected, if another waits behind it."""
        self._stack = stack
        self._lanes = [deque(lane) for lane in lanes]
        self._kinds = [str(fault["kind"]) for lane in lanes for fault in lane]
        self._life: float | None = None  # when the exchange that has our faults was started
        self._on: dict[str, int] = {}  # the ids of the faults that are on there, by their kind
        self._ids: dict[int, str] = {}  # the kinds of all that we set there
        self._before: Counter[str] = Counter()
        self._in_this_life: Counter[str] = Counter()
        self.times_set = 0

    @property
    def injected(self) -> Counter[str]:
        """How often each kind was injected."""
        return self._before + self._in_this_life

    @property
    def idle(self) -> list[str]:
        """The kinds that were not injected yet."""
        injected = self.injected
        return [kind for kind in self._kinds if not injected[kind]]

    @property
    def on(self) -> set[str]:
        """The kinds that are on, or would be if the exchange were there."""
        return {str(lane[0]["kind"]) for lane in self._lanes if lane}

    def keep(self) -> None:
        """Sets the faults where they are not set, and counts. Does nothing while the exchange is away."""
        try:
            if self._life != self._stack.started_at["mock_exchange"]:
                self._begin_life(self._stack.started_at["mock_exchange"])
            self._count()
            injected = self.injected
            for lane in self._lanes:
                while len(lane) > 1 and injected[str(lane[0]["kind"])]:
                    done = lane.popleft()
                    number = self._on.pop(str(done["kind"]))
                    if "count" not in done:  # It would last.
                        self._stack.mock.clear_fault(number)
                if lane and str(lane[0]["kind"]) not in self._on and not self._is_spent(lane[0]):
                    self._set(lane[0])
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

    def _begin_life(self, started_at: float) -> None:
        self._before, self._in_this_life = self.injected, Counter()
        self._on, self._ids = {}, {}
        self._stack.mock.clear_faults()
        self._life = started_at

    def _is_spent(self, fault: Mapping[str, Any]) -> bool:
        return "count" in fault and self.injected[str(fault["kind"])] >= fault["count"]

    def _set(self, fault: Mapping[str, Any]) -> None:
        # Set again, it has other luck: the same would meet the same requests as before.
        kind, seed = str(fault["kind"]), fault["seed"] + 1_000 * self.times_set
        self._on[kind] = self._stack.mock.fault(**{**fault, "seed": seed})["id"]
        self._ids[self._on[kind]] = kind
        self.times_set += 1

    def _count(self) -> None:
        found: Counter[str] = Counter()
        for fault in self._stack.mock.faults():
            if fault["id"] in self._ids:
                found[fault["kind"]] += fault["injected"]
                if not fault["is_on"] and not fault["injected"] and self._on.get(fault["kind"]) == fault["id"]:
                    del self._on[fault["kind"]]  # Its time passed while there was nothing to apply to: once more.
        # Of the ended ones the exchange remembers the last hundred only.
        self._in_this_life |= found
