"""The steps of the suite: which faults each sets and whom it kills, all of it from its name and the seed."""

import random
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from binance_mock.faults.kinds import KINDS, Hook, Kind
from tests.support.machine.stack import SERVICES

EVERYBODY = (*SERVICES, "redis")
KILLS = "kills"
# Two hosts on one PostgreSQL: see hosts.py.
HOSTS, HOSTS_SECONDS = "hosts", 180.0
MIXES = 10
MIX_SECONDS = 30.0
MIN_MIXED, MAX_MIXED = 2, 5
KILLS_IN_A_MIX = 3
# How often a fault is injected by itself. A part of all still trades: what it meets is as mixed as on a real day.
ALONE = 0.3
# Several at once; a second of a connection is an occasion of its own.
MIXED = 0.12

# Bans hold everybody for a while: few and short ones, or nothing would trade that they could hit.
_BANS: Mapping[str, Mapping[str, Any]] = {
    "throttled_429": {"count": 2, "retry_after_s": 2},
    "banned_418": {"count": 1, "retry_after_s": 3},
    "too_many_requests_1003": {"count": 1},
    "too_many_orders_1015": {"retry_after_s": 1},
}
# After it everybody stays away for two minutes: nothing else of a mix would happen.
_LONG = frozenset({"firewall_403"})
# Traders wait, sockets are silent, everybody stays away: the longer the later.
_QUIETING = ("key_2015", "too_many_orders_1015", "user_half_open", "market_half_open", "too_many_requests_1003",
             "firewall_403")  # fmt: skip
# What the kinds of one lane apply to is out of reach of the others'.
_LANES: Mapping[Hook, str] = {
    **dict.fromkeys((Hook.CANCEL, Hook.BEFORE, Hook.AFTER), "requests"),
    **dict.fromkeys((Hook.USER_EVENT, Hook.REPORT, Hook.USER_LINE), "user stream"),
    **dict.fromkeys((Hook.FRAME, Hook.MARKET_LINE), "market streams"),
    Hook.STATE: "exchange",
}


@dataclass(frozen=True)
class Step:
    """`victims` die one after the other; `lanes` are faults as POST /mock/faults takes them.

    The faults of a lane take turns, each until it was injected; the last of each stays on until the step's end.
    """

    name: str
    seed: int
    seconds: float
    lanes: tuple[tuple[Mapping[str, Any], ...], ...] = ()
    victims: tuple[str, ...] = ()
    # Whether the last deed is to kill everybody at once.
    kills_all: bool = False

    @property
    def has_hands(self) -> bool:
        """Whether a person acts by hand meanwhile: in every other mix."""
        return self.name.startswith("mix-") and int(self.name[4:]) % 2 == 0

    @property
    def kinds(self) -> tuple[str, ...]:
        return tuple(str(fault["kind"]) for lane in self.lanes for fault in lane)

    @property
    def needs_a_person(self) -> bool:
        """Whether traders wait for a person afterwards: nothing is tried again by itself for a minute."""
        return "key_2015" in self.kinds


def alone(kind: str, seed: int, seconds: float) -> Step:
    """One kind by itself."""
    return Step(kind, seed, seconds, ((_setting(KINDS[kind], seed, ALONE),),))


def needs_cancels(kinds: Iterable[str]) -> bool:
    """Whether somebody must cancel orders, for a fault to have something to apply to."""
    return any(KINDS[kind].hook is Hook.CANCEL for kind in kinds)


def parade(seed: int) -> Step:
    """Every kind there is, as quickly as each was injected; then kill -9 of everybody at once."""
    lanes: dict[str, list[Mapping[str, Any]]] = {}
    for kind in sorted(KINDS.values(), key=_turn):
        setting = _setting(kind, seed, 1.0)
        if kind.hook is not Hook.STATE:
            setting = {**setting, "count": 1}
            setting |= {"retry_after_s": 1} if "retry_after_s" in kind.options else {}
        lane = "requests" if kind.name in _QUIETING else _LANES[kind.hook]
        lanes.setdefault(lane, []).append(setting)
    return Step("parade", seed, 0.0, tuple(map(tuple, lanes.values())), kills_all=True)


def _turn(kind: Kind) -> int:
    """Cancels first, as they need orders that rest. Last whatever is followed by a while in which little happens."""
    if kind.hook is Hook.CANCEL:
        return 0
    return 2 + _QUIETING.index(kind.name) if kind.name in _QUIETING else 1


def killing(seed: int, seconds: float = 0.0) -> Step:
    """kill -9 of each process in turn, then of all at once, on an exchange that behaves."""
    victims = tuple(random.Random(f"{seed}:{KILLS}").sample(EVERYBODY, len(EVERYBODY)))
    return Step(KILLS, seed, seconds, victims=victims, kills_all=True)


def mix(number: int, seed: int, seconds: float = MIX_SECONDS, victims: int = KILLS_IN_A_MIX) -> Step:
    """Several kinds at once, and processes that die meanwhile.

    Mixes that follow each other kill everybody in the end: the victims are dealt like cards.
    """
    name = f"mix-{number}"
    chance = random.Random(f"{seed}:{name}")
    kinds = chance.sample(
        [kind for kind in KINDS.values() if kind.in_mix and kind.name not in _LONG],
        chance.randint(MIN_MIXED, MAX_MIXED),
    )
    lanes = tuple((_mixed(kind, seed + number, seconds),) for kind in kinds)
    rounds = [random.Random(f"{seed}:victims:{n}").sample(EVERYBODY, len(EVERYBODY)) for n in range(number)]
    deck = [victim for each in rounds for victim in each]
    first = (number - 1) * victims
    return Step(name, seed, seconds, lanes, tuple(deck[first : first + victims]))


def all_steps(seed: int, seconds: float) -> list[Step]:
    """The long form."""
    alone_steps = [alone(kind, seed, seconds) for kind in KINDS]
    mixes = [mix(number, seed) for number in range(1, MIXES + 1)]
    return [killing(seed), parade(seed), *alone_steps, *mixes, Step(HOSTS, seed, HOSTS_SECONDS)]


def chosen(steps: Sequence[Step], names: str) -> list[Step]:
    """Those of these names, separated by commas; all where there are none. Raises ValueError for an unknown one."""
    wanted = [name.strip() for name in names.split(",") if name.strip()]
    unknown = sorted(set(wanted) - {step.name for step in steps})
    if unknown:
        raise ValueError(
            f"There is no step {', '.join(unknown)}; there are {', '.join(step.name for step in steps)}."
        )
    return [step for step in steps if step.name in wanted or not wanted]


def _mixed(kind: Kind, seed: int, seconds: float) -> dict[str, Any]:
    """What stops everything lasts for a part of the time: the others of its mix have to be injected as well."""
    setting = _setting(kind, seed, MIXED)
    return {**setting, "for_s": seconds / 3} if kind.for_s is not None else setting


def _setting(kind: Kind, seed: int, probability: float) -> dict[str, Any]:
    """How a kind is turned on. One that nobody has thought of here follows from where it applies."""
    setting: dict[str, Any] = {"kind": kind.name, "seed": seed}
    if kind.hook is Hook.CANCEL or kind.for_s is not None:
        # Ended by us; after a minute at most, should we be away.
        return {**setting, "for_s": 60}
    if kind.name.endswith("half_open"):
        # The first one silences the only connection there is; a second has nothing left to do.
        return {**setting, "count": 1}
    return {**setting, "probability": probability, **_BANS.get(kind.name, {})}
