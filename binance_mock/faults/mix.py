"""A random bad day: several faults at once, each now and then. The same seed gives the same day."""

import random
from typing import Any

from binance_mock.faults.kinds import ANY, KINDS, Hook, Kind

FOR_S = 60.0
MIN, MAX = 5, 8
# How likely a fault is injected at each occasion: from, to. Frames pass often, seconds less, requests rarely.
_LIKELY = {
    Hook.BEFORE: (0.05, 0.25),
    Hook.CANCEL: (0.2, 0.6),
    Hook.AFTER: (0.05, 0.25),
    Hook.REPORT: (0.1, 0.5),
    Hook.FRAME: (0.01, 0.2),
    Hook.USER_LINE: (0.02, 0.15),
    Hook.MARKET_LINE: (0.02, 0.15),
}
# What stops everything goes on only for this part of the day.
_LASTING_SHARE = (0.1, 0.3)
_MAX_RETRY_AFTER_S = 3
_MAX_DELAY_MS = 3000
_SEEDS = 1_000_000


def random_mix(seed: int, for_s: float = FOR_S) -> list[dict[str, Any]]:
    """What to turn on, as POST /mock/faults takes it. None of them stops traders for good."""
    chance = random.Random(seed)
    kinds = chance.sample([kind for kind in KINDS.values() if kind.in_mix], chance.randint(MIN, MAX))
    return [_set(kind, chance, for_s) for kind in kinds]


def _set(kind: Kind, chance: random.Random, for_s: float) -> dict[str, Any]:
    wanted: dict[str, Any] = {"kind": kind.name, "seed": chance.randrange(_SEEDS), "for_s": for_s}
    if kind.for_s is not None:
        wanted["for_s"] = round(for_s * chance.uniform(*_LASTING_SHARE), 1)
    else:
        wanted["probability"] = round(chance.uniform(*_LIKELY[kind.hook]), 2)
    if kind.hook is Hook.BEFORE and kind.endpoints and kind.name.endswith("_before") and chance.random() < 0.3:
        # Such a day spares no question either.
        wanted["endpoint"] = ANY
    if "retry_after_s" in kind.options:
        wanted |= {"retry_after_s": chance.randint(1, _MAX_RETRY_AFTER_S), "count": 2}
    if kind.options.get("delay_ms"):
        wanted["delay_ms"] = chance.randint(100, _MAX_DELAY_MS)
    return wanted
