"""The faults that are on, and those that ended: which one is injected now, counted."""

import difflib
import random
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from binance_mock.faults.kinds import ANY, KINDS, REQUESTS, Hook, Kind

MAX_FOR_S = 7 * 86_400
ENDED_KEPT = 100
# Where no seed is given, one that can be read aloud is drawn.
_SEEDS = 1_000_000


class BadFault(ValueError):
    """What was asked for is no fault; the message is one line for people."""


@dataclass(frozen=True)
class Occasion:
    """What passes a hook. Empty where it has none: a request without a symbol, a frame without a side."""

    symbol: str = ""
    side: str = ""
    endpoint: str = ""  # "POST order": the method, and the path under /api/v3/.


@dataclass
class Fault:
    """Put together by `Faults.turn_on`. `count` and `until_ms` are None where nothing but `turn_off` ends it."""

    id: int
    kind: Kind
    seed: int
    started_ms: int
    probability: float = 1.0
    count: int | None = None
    for_s: float | None = None
    symbol: str = ""
    side: str = ""
    endpoint: str = ""
    options: dict[str, int] = field(default_factory=dict)
    injected: int = 0
    last_ms: int | None = None
    ended_ms: int | None = None
    # Its own: the same seed and the same occasions give the same injections, whatever else is on.
    chance: random.Random = field(init=False, repr=False)

    def __post_init__(self) -> None:
        # The kind as well: two kinds with one seed would else be injected at the same occasions.
        self.chance = random.Random(f"{self.kind.name} {self.seed}")

    @property
    def until_ms(self) -> int | None:
        return None if self.for_s is None else self.started_ms + round(self.for_s * 1000)

    def concerns(self, occasion: Occasion) -> bool:
        if self.symbol not in ("", occasion.symbol) or self.side not in ("", occasion.side):
            return False
        if self.kind.hook not in REQUESTS or self.endpoint == ANY:
            return True
        if self.endpoint:
            return self.endpoint in (occasion.endpoint, occasion.endpoint.partition(" ")[2])
        return self.kind.endpoints is None or occasion.endpoint in self.kind.endpoints

    def shown(self, now_ms: int) -> dict[str, Any]:
        """As GET /mock/faults says it."""
        left_ms = None if self.until_ms is None or self.ended_ms is not None else max(0, self.until_ms - now_ms)
        return {
            "id": self.id,
            "kind": self.kind.name,
            "is_on": self.ended_ms is None,
            "probability": self.probability,
            "count": self.count,
            "for_s": self.for_s,
            "seed": self.seed,
            "symbol": self.symbol or None,
            "side": self.side or None,
            "endpoint": self.endpoint or None,
            **self.options,
            "injected": self.injected,
            "struck": self.injected,  # The old name, for one release.
            "left": None if self.count is None else self.count - self.injected,
            "left_s": None if left_ms is None else left_ms / 1000,
            "started_ms": self.started_ms,
            "last_ms": self.last_ms,
            "ended_ms": self.ended_ms,
        }


@dataclass
class Faults:
    """All faults of one exchange."""

    # What a fault may be narrowed down to; empty lets any name pass.
    symbols: frozenset[str] = frozenset()
    endpoints: frozenset[str] = frozenset()
    _on: list[Fault] = field(default_factory=list)
    _ended: deque[Fault] = field(default_factory=lambda: deque(maxlen=ENDED_KEPT))
    _last_id: int = 0
    _hooks: frozenset[Hook] = frozenset()

    def watches(self, hook: Hook) -> bool:
        """Whether any fault applies there. Cheap: asked for every frame."""
        return hook in self._hooks

    def on(self, now_ms: int, hook: Hook | None = None) -> list[Fault]:
        """The faults that are on, the oldest first."""
        self._end_overdue(now_ms)
        return [fault for fault in self._on if hook is None or fault.kind.hook is hook]

    def all(self, now_ms: int) -> list[Fault]:
        """Those that are on, then those that ended, each the newest first."""
        self._end_overdue(now_ms)
        return [*reversed(self._on), *reversed(self._ended)]

    def turn_on(self, wanted: Mapping[str, Any], now_ms: int, drawn_seed: int | None = None) -> Fault:
        """A new fault from what a request says: `kind`, and any of its settings. Raises BadFault.

        With neither probability, count nor time it is injected once; what lasts does so for its usual time.
        `drawn_seed` is taken where none is asked for.
        """
        self._end_overdue(now_ms)
        kind = kind_named(wanted.get("kind"))
        unknown = wanted.keys() - {"kind", "probability", "count", "for_s", "seed"} - kind.takes - kind.options.keys()
        for name in sorted(unknown):
            if wanted[name] not in (None, ""):
                takes = ", ".join(["probability", "count", "for_s", "seed", *sorted(kind.takes), *kind.options])
                raise BadFault(f"{kind.name} has no setting {name!r}; it accepts {takes}.")
        probability = _number(wanted, "probability", 1)
        count = _whole(wanted, "count", 1, 10**9)
        for_s = _number(wanted, "for_s", MAX_FOR_S)
        seed = _whole(wanted, "seed", -(2**63), 2**63 - 1)
        if kind.hook is Hook.STATE and (count is not None or probability not in (None, 1.0)):
            raise BadFault(f"{kind.name} lasts for a time: set a duration, not a probability or count.")
        if probability is None and count is None and for_s is None:
            count, for_s = (1, None) if kind.for_s is None else (None, kind.for_s)
        fault = Fault(
            id=self._last_id + 1,
            kind=kind,
            seed=(drawn_seed if drawn_seed is not None else random.randrange(_SEEDS)) if seed is None else seed,
            started_ms=now_ms,
            probability=1.0 if probability is None else probability,
            count=count,
            for_s=for_s,
            symbol=_name(wanted, "symbol", self.symbols),
            side=_name(wanted, "side", frozenset({"BUY", "SELL"})),
            endpoint=self._endpoint(wanted),
            options={
                name: default if (given := _whole(wanted, name, 0, 600_000)) is None else given
                for name, default in kind.options.items()
            },
        )
        self._last_id = fault.id
        self._on.append(fault)
        self._look()
        return fault

    def turn_off(self, which: str, now_ms: int) -> list[Fault]:
        """Ends the fault of that id, those of that kind, or all. Raises BadFault where that is none."""
        on = self.on(now_ms)
        if which != "all":
            on = [fault for fault in on if which in (str(fault.id), fault.kind.name)]
            if not on:
                if not which.isdigit():
                    kind_named(which)
                raise BadFault(f"No fault {which} is on.")
        for fault in on:
            self._end(fault, now_ms)
        return on

    def inject(self, hook: Hook, occasion: Occasion, now_ms: int) -> Fault | None:
        """The fault to inject here, counted; None where there is none.

        Every fault that the occasion concerns tries its luck, so that none depends on another. The oldest that hits
        is injected; the others are not counted.
        """
        if hook not in self._hooks:
            return None
        hits = [
            fault
            for fault in self.on(now_ms, hook)
            if fault.concerns(occasion) and fault.chance.random() < fault.probability
        ]
        if not hits:
            return None
        self.count(hits[0], now_ms)
        return hits[0]

    def count(self, fault: Fault, now_ms: int) -> None:
        """It was injected once more."""
        fault.injected += 1
        fault.last_ms = now_ms
        if fault.count is not None and fault.injected >= fault.count:
            self._end(fault, now_ms)

    def _endpoint(self, wanted: Mapping[str, Any]) -> str:
        given = str(wanted.get("endpoint") or "").strip()
        if given == ANY:
            return given
        method, space, path = given.partition(" ")
        given = f"{method.upper()} {path}" if space else given
        if given and self.endpoints and given not in self.endpoints:
            raise BadFault(f"Invalid endpoint {given!r}: use {ANY}, or for example 'POST order', 'GET openOrders'.")
        return given

    def _end_overdue(self, now_ms: int) -> None:
        for fault in list(self._on):
            if fault.until_ms is not None and fault.until_ms <= now_ms:
                self._end(fault, fault.until_ms)

    def _end(self, fault: Fault, now_ms: int) -> None:
        fault.ended_ms = now_ms
        self._on.remove(fault)
        self._ended.append(fault)
        self._look()

    def _look(self) -> None:
        self._hooks = frozenset(fault.kind.hook for fault in self._on)


def kind_named(name: Any) -> Kind:
    """Raises BadFault, which names the nearest ones."""
    if not name:
        raise BadFault("Name a kind of fault. See `manage.py faults list`.")
    kind = KINDS.get(str(name))
    if kind is None:
        near = difflib.get_close_matches(str(name), KINDS, n=3) or [each for each in KINDS if str(name) in each][:5]
        hint = f"Did you mean {', '.join(near)}?" if near else "See `manage.py faults list`."
        raise BadFault(f"Unknown fault {str(name)[:50]!r}. {hint}")
    return kind


def _number(wanted: Mapping[str, Any], name: str, maximum: float) -> float | None:
    """A number above 0."""
    value = wanted.get(name)
    if value is None or value == "":
        return None
    try:
        number = float(value)
    except (TypeError, ValueError):
        number = float("nan")
    if isinstance(value, bool) or not 0 < number <= maximum:
        raise BadFault(f"{name} must be a number above 0, max {maximum:g}.")
    return number


def _whole(wanted: Mapping[str, Any], name: str, minimum: int, maximum: int) -> int | None:
    value = wanted.get(name)
    if value is None or value == "":
        return None
    try:
        number = int(str(value))
    except ValueError:
        number = minimum - 1
    if not minimum <= number <= maximum:
        raise BadFault(f"{name} must be a whole number from {minimum} to {maximum}.")
    return number


def _name(wanted: Mapping[str, Any], name: str, known: frozenset[str]) -> str:
    value = str(wanted.get(name) or "").strip().upper()
    if value and known and value not in known:
        raise BadFault(f"Unknown {name} {value[:30]!r}.")
    return value
