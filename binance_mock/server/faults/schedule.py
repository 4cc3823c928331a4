"""All that can go wrong with an exchange, put together; its clock ends what has a time."""

import asyncio

from binance_mock.faults.kinds import Hook
from binance_mock.server.faults.connections import FaultyLines, Lines
from binance_mock.server.faults.exchange import FaultyExchange
from binance_mock.server.faults.frames import FaultyFrames
from binance_mock.server.faults.requests import FaultyRequests
from binance_mock.state.context import Context

_TICK_S = 0.2
_TICKS_PER_LOOK = 5


class Faults:
    def __init__(self, context: Context) -> None:
        self.requests = FaultyRequests(context)
        self.frames = FaultyFrames(context)
        self._exchange = FaultyExchange(context)
        self._lines: dict[Hook, Lines] = {}
        self._faulty_lines = FaultyLines(context, self._lines)

    def watch(self, hook: Hook, lines: Lines) -> None:
        """Connections that a fault of that hook applies to."""
        self._lines[hook] = lines

    def changed(self) -> None:
        """A fault was turned on or off: what can be injected at once is."""
        self._exchange.look()
        self._faulty_lines.look()

    async def tick(self) -> None:
        """Until cancelled."""
        while True:
            for _ in range(_TICKS_PER_LOOK):
                await asyncio.sleep(_TICK_S)
                self._exchange.look()
            self._faulty_lines.look()
