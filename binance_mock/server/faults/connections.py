"""Connections on a bad day: closed, cut, half-open, or told that the server shuts down."""

import asyncio
from collections.abc import Callable, Coroutine, Iterable
from typing import Any

from aiohttp import WSCloseCode

from binance_mock.faults.faults import Fault, Occasion
from binance_mock.faults.kinds import Hook
from binance_mock.server.connection import Connection
from binance_mock.state.context import Context

# Connections by the hook that looks at them.
Lines = Callable[[], Iterable[Connection]]


class FaultyLines:
    def __init__(self, context: Context, lines: dict[Hook, Lines]) -> None:
        self._context = context
        self._lines = lines
        # A task is kept until it is done: nobody else does.
        self._tasks: set[asyncio.Task[None]] = set()

    def look(self) -> None:
        """Every connection that is well is an occasion for a fault; called once a second."""
        now_ms = self._context.now_ms()
        for hook, lines in self._lines.items():
            if not self._context.faults.watches(hook):
                continue
            for line in [each for each in lines() if not each.is_doomed]:
                if fault := self._context.faults.inject(hook, Occasion(), now_ms):
                    self._inject(line, fault)

    def _inject(self, line: Connection, fault: Fault) -> None:
        match fault.kind.name.partition("_")[2]:
            case "closed_1006":
                line.cut()
            case "closed_1001":
                self._start(line.close(WSCloseCode.GOING_AWAY))
            case "closed_1008":
                self._start(line.close(WSCloseCode.POLICY_VIOLATION, "Too many requests"))
            case "half_open":
                line.freeze()
            case "server_shutdown":
                self._start(self._shut_down(line, fault.options["delay_ms"] / 1000))
            case "terminated":
                line.end_subscription(self._context.now_ms())

    async def _shut_down(self, line: Connection, delay_s: float) -> None:
        line.is_doomed = True
        line.announce_shutdown(self._context.now_ms())
        await asyncio.sleep(delay_s)
        await line.close()

    def _start(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
