"""`manage.py faults`: injects faults into the mock exchange, from the terminal."""

import math
import random
import time
from argparse import ArgumentParser
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from binance_mock import client
from binance_mock.faults import words
from binance_mock.faults.faults import BadFault, kind_named
from binance_mock.faults.kinds import GROUPS, KINDS
from binance_mock.faults.mix import FOR_S, random_mix
from hedgehog_project import run_lock

_ENDED_SHOWN = 10
_SETTINGS = ("probability", "count", "for_s", "seed", "symbol", "side", "endpoint", "delay_ms", "retry_after_s")


class Command(BaseCommand):
    help = (
        "Injects faults into the running mock exchange. A fault stays on for a time, for a number of injections, or "
        "until turned off; restarting the mock exchange clears all. Kinds: " + ", ".join(KINDS) + "."
    )
    # It needs neither Django's database nor Redis.
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        actions = parser.add_subparsers(dest="action", required=True, metavar="list | on | off | show | mix")
        actions.add_parser("list", help="list all kinds of faults")
        actions.add_parser("show", help="show active faults and their counts")
        on = actions.add_parser("on", help="turn a fault on; by default it is injected once, or for 30 s")
        on.add_argument("kind", metavar="KIND")
        on.add_argument("--probability", metavar="P", help="probability per occasion, above 0, max 1")
        on.add_argument("--count", metavar="N", help="max number of injections")
        on.add_argument("--for", dest="for_s", metavar="SECONDS", help="duration")
        on.add_argument("--seed", metavar="N", help="same seed and requests give the same faults")
        on.add_argument("--symbol", metavar="S", help="only this symbol, such as ETHUSDT")
        on.add_argument("--side", metavar="BUY|SELL", help="only this side")
        on.add_argument("--endpoint", metavar="E", help="only this request: any, 'POST order', 'GET order' …")
        on.add_argument("--delay-ms", metavar="MS", help="delay of late messages")
        on.add_argument("--retry-after-s", metavar="SECONDS", help="Retry-After of throttled requests")
        off = actions.add_parser("off", help="turn off one fault, all of a kind, or all")
        off.add_argument("which", metavar="KIND|ID|all", nargs="?", default="all")
        mix = actions.add_parser("mix", help="turn on a random mix")
        mix.add_argument("--seed", type=int, metavar="N", help="the same seed gives the same mix")
        mix.add_argument(
            "--for", dest="for_s", type=float, default=FOR_S, metavar="SECONDS", help="default: %(default)s"
        )

    def handle(self, *args: Any, action: str, **options: Any) -> None:
        try:
            match action:
                case "list":
                    self._list()
                case "show":
                    self._show()
                case "on":
                    self._turn_on({"kind": options["kind"]} | {name: options[name] for name in _SETTINGS})
                case "off":
                    self._turn_off(options["which"])
                case "mix":
                    self._mix(options["seed"], options["for_s"])
        except client.Unreachable as error:
            raise CommandError(run_lock.told(settings.HEDGEHOG_HOME) or str(error)) from None
        except (client.Refused, BadFault) as error:
            raise CommandError(_by_option(str(error))) from None

    def _list(self) -> None:
        for group in GROUPS:
            self.stdout.write(self.style.MIGRATE_HEADING(group))
            for kind in KINDS.values():
                if kind.group == group:
                    self.stdout.write(f"  {kind.name:<24}{kind.text} Applies to {kind.applies_to}.")

    def _turn_on(self, wanted: dict[str, Any]) -> None:
        # Known without the exchange, so that a slip of the pen is named even where none runs.
        kind_named(wanted["kind"])
        fault = client.turn_fault_on({name: value for name, value in wanted.items() if value is not None})
        self.stdout.write(f"{fault['id']}: {fault['kind']} is on, {words.settings(fault)}")

    def _turn_off(self, which: str) -> None:
        ended = client.turn_faults_off(which)
        for fault in reversed(ended):
            self.stdout.write(f"{fault['id']}: {fault['kind']} is off, injected {_times(fault['injected'])}")
        if not ended:
            self.stdout.write("No fault was on.")

    def _show(self) -> None:
        now_ms = time.time_ns() // 1_000_000
        faults = client.faults()
        on = [fault for fault in faults if fault["is_on"]]
        for fault in on:
            self.stdout.write(_line(fault, now_ms))
        if not on:
            self.stdout.write("No fault is on.")
        ended = [fault for fault in faults if not fault["is_on"]]
        if ended:
            self.stdout.write("Ended:")
        for fault in ended[:_ENDED_SHOWN]:
            self.stdout.write(_line(fault, now_ms))

    def _mix(self, seed: int | None, for_s: float) -> None:
        if math.isnan(for_s):
            raise CommandError("--for takes a number of seconds")
        seed = random.randrange(1_000_000) if seed is None else seed
        for wanted in random_mix(seed, for_s):
            self._turn_on(wanted)
        self.stdout.write(f"This was mix --seed {seed}.")


def _by_option(problem: str) -> str:
    """With the option that was typed, for the setting that the mock exchange names."""
    name, _, rest = problem.partition(" ")
    option = "--for" if name == "for_s" else f"--{name.replace('_', '-')}"
    return f"{option} {rest}" if name in _SETTINGS else problem


def _line(fault: dict[str, Any], now_ms: int) -> str:
    left = words.left(fault)
    last = f", last {words.last_injected(fault, now_ms)}" if fault["injected"] else ""
    return (
        f"{fault['id']:>4}  {fault['kind']:<24}injected {_times(fault['injected'])}{last}"
        f"{f', remaining: {left}' if left else ''}  ({words.settings(fault)})"
    )


def _times(number: int) -> str:
    return "once" if number == 1 else f"{number} times"
