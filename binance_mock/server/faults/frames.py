"""Frames on a bad day, of market streams and of the account alike: which are sent, when, how often, how broken."""

import asyncio
import json
import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from binance_mock.faults.faults import Fault, Occasion
from binance_mock.faults.kinds import Hook
from binance_mock.state.context import Context

# A frame that waits for one to overtake it goes after this long in any case.
HELD_S = 0.5
_WRONG_VALUES: tuple[Any, ...] = (None, [], {}, "rubbish", 1.5, -1)

Send = Callable[[list[bytes]], None]


@dataclass(frozen=True, slots=True)
class Passing:
    """A frame's payload, and the hooks that it passes, the first one first."""

    payload: bytes
    occasion: Occasion
    hooks: tuple[Hook, ...]


class FaultyFrames:
    """Every payload goes through `passed`, which calls `send` now or later, or never."""

    def __init__(self, context: Context) -> None:
        self._context = context
        # By lane: what lets others overtake it.
        self._held: dict[str, list[bytes]] = {}

    def is_quiet(self, *hooks: Hook) -> bool:
        """Whether frames may go by without a look: no fault is on there and nothing is delayed."""
        return not self._held and not any(self._context.faults.watches(hook) for hook in hooks)

    def passed(self, stream: str, passing: list[Passing], send: Send) -> None:
        out: list[bytes] = []
        for each in passing:
            fault = self._inject(each)
            # A report is overtaken by the next report, whatever else the account is told in between.
            lane = f"{stream} {each.hooks[-1]}"
            if fault is None:
                out += [each.payload, *self._overtaken(lane)]
                continue
            match fault.kind.name.partition("_")[2]:
                case "doubled":
                    out += [each.payload, each.payload]
                case "delayed":
                    self._later(fault.options["delay_ms"] / 1000, send, [each.payload])
                case "shuffled":
                    self._held.setdefault(lane, []).append(each.payload)
                    asyncio.get_running_loop().call_later(HELD_S, self._release, lane, send)
                case "broken":
                    out.append(broken(each.payload, fault.chance))
                case "dropped" | "silent":
                    pass
        if out:
            send(out)

    def _inject(self, passing: Passing) -> Fault | None:
        now_ms = self._context.now_ms()
        for hook in passing.hooks:
            if fault := self._context.faults.inject(hook, passing.occasion, now_ms):
                return fault
        return None

    def _overtaken(self, lane: str) -> list[bytes]:
        """What was delayed, the latest first, so that several change places among themselves too."""
        return self._held.pop(lane, [])[::-1]

    def _release(self, lane: str, send: Send) -> None:
        if held := self._overtaken(lane):
            send(held)

    @staticmethod
    def _later(delay_s: float, send: Send, payloads: list[bytes]) -> None:
        asyncio.get_running_loop().call_later(delay_s, send, payloads)


class Broken(bytes):
    """A payload that nobody on its way may try to read."""


def broken(payload: bytes, chance: random.Random) -> Broken:
    """The payload cut off, bytes that are no text, or the payload with a value of a wrong type."""
    match chance.randrange(3):
        case 0:
            return Broken(payload[: chance.randrange(1, len(payload))])
        case 1:
            return Broken(b"\xff" + chance.randbytes(40))
    fields = json.loads(payload)
    if isinstance(fields, list):
        # Streams of all symbols are lists.
        return Broken(json.dumps({"rubbish": len(fields)}).encode())
    name = chance.choice(list(fields))
    fields[name] = chance.choice([value for value in _WRONG_VALUES if type(value) is not type(fields[name])])
    return Broken(json.dumps(fields, separators=(",", ":")).encode())
