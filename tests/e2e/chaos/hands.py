"""A person who acts by hand meanwhile, by the commands: sells and buys now, cancels, moves a stop, pauses."""

import random
import threading
import time
from collections import Counter
from collections.abc import Mapping
from decimal import Decimal
from typing import Self

from tests.support.machine.stack import Stack


class ByHand:
    """Does one thing after the other while it is entered. What could not be done is said, and no failure here."""

    PAUSE_S = 1.0
    # A command waits for what comes of it, and no longer: whoever was killed goes on by itself.
    WAITS = ("--timeout", "5")
    RESUMES_WITHIN_S = 60.0
    # Prefixes of what a command says that is broken; anything else is a reason why not.
    BROKEN = ("Traceback", "AssertionError")

    def __init__(self, stack: Stack, starts: Mapping[str, Decimal], max_slots: int, seed: int) -> None:
        self._stack, self._starts, self._max_slots = stack, starts, max_slots
        self._random = random.Random(f"{seed}: by hand")
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._act, daemon=True)
        self.did: Counter[str] = Counter()
        self.problems: list[str] = []

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def stop(self) -> None:
        self._over.set()
        self._thread.join(90)
        assert not self._thread.is_alive(), "a command by hand does not end"

    def _act(self) -> None:
        while not self._over.wait(self.PAUSE_S):
            symbol = self._random.choice(sorted(self._starts))
            # Some have a trader just now, and some of those what can be sold or cancelled.
            trader = f"{symbol}#{self._random.randint(1, self._max_slots)}"
            # The market swings around the price that it began with.
            stop = f"{self._starts[symbol] * 998 / 1000:.2f}"
            match self._random.choice(["sell", "sell", "buy", "cancel", "move", "pause"]):
                case "sell":
                    self._run("sell", trader, "--at-any-price", *self.WAITS)
                case "buy":
                    self._run("buy", symbol, *self.WAITS)
                case "cancel":
                    self._run("cancel", trader, "--and-go-on", *self.WAITS)
                case "move":
                    self._run("move", trader, "--stop", stop)
                case "pause":
                    self._run("pause", symbol)
                    self._resume(symbol)

    def _resume(self, symbol: str) -> None:
        """Nobody stays paused, whatever is away just now."""
        give_up = time.monotonic() + self.RESUMES_WITHIN_S
        while not self._run("resume", symbol) and time.monotonic() < give_up:
            time.sleep(self.PAUSE_S)

    def _run(self, *command: str) -> bool:
        ran = self._stack.processes.run(*command, "--by", "the test")
        said = ran.stderr.strip().splitlines()
        # Databases may be locked and Redis away: that is what we are here for.
        if any(line.startswith(self.BROKEN) for line in said) and "OperationalError" not in ran.stderr:
            self.problems.append(f"{' '.join(command)}: {said[-1]}")
        self.did[command[0] if ran.returncode == 0 else f"{command[0]} (said why not)"] += 1
        return ran.returncode == 0
