"""The trades of one market: its symbols spread over as many connections as they need."""

import logging
import time
from collections.abc import Iterable, Mapping
from urllib.parse import quote

import msgspec

from hedgehog_project.venues import Endpoints, Market
from streamer.connection import Connection, ConnectionLost, Timeouts
from streamer.exchange_clock import ExchangeClock
from streamer.frame_socket import FrameSocket
from streamer.frames import Oddities, Reply, Shutdown, Unknown, decode_all
from streamer.gaps import FETCHERS, GapFiller
from streamer.publisher import Publisher
from streamer.thread_group import ThreadGroup
from streamer.trade_buffer import TradeBuffer

log = logging.getLogger(__name__)

# Binance: 1,024 streams a connection (web-socket-streams.md).
STREAMS_MAX = 1024
# Streams named in the address, and in one SUBSCRIBE: a request line has a limit of 8 KiB with most servers.
CHUNK = 200
# A SUBSCRIBE that is not answered within this time was not heard.
ANSWER_S = 10.0


class TradeConnection(Connection):
    """One combined connection. `want` may be called from any thread."""

    def __init__(
        self,
        name: str,
        market: Market,
        stream_url: str,
        buffer: TradeBuffer,
        timeouts: Timeouts,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(name, timeouts, headers)
        self.frames_seen = 0
        self.oddities = Oddities(name)
        self.last_frame_at: float | None = None  # time.monotonic()
        self._market = market
        self._stream_url = stream_url
        self._inbox = buffer
        self._wanted: frozenset[str] = frozenset()
        self._subscribed: set[str] = set()
        self._message_id = 0
        self._unanswered: dict[int | str | None, float] = {}

    def want(self, symbols: Iterable[str]) -> None:
        """From now on these are the symbols of this connection."""
        wanted = frozenset(symbols)
        if wanted != self._wanted:
            self._wanted = wanted
            self.wake()

    def url(self) -> str | None:
        self._subscribed = set(sorted(self._wanted)[:CHUNK])
        if not self._subscribed:
            return None
        return f"{self._stream_url}/stream?streams={'/'.join(quote(_stream(s), safe='@') for s in self._subscribed)}"

    def opened(self, ws: FrameSocket) -> None:
        self._unanswered.clear()
        log.info("connected connection=%s symbols=%d", self.name, len(self._wanted))

    def received(self, ws: FrameSocket, payloads: list[bytes]) -> None:
        trades, others = decode_all(payloads)
        self.frames_seen += len(payloads)
        self.last_frame_at = time.monotonic()
        if trades:
            self._inbox.put(self._market, trades)
        for payload, frame in others:
            match frame:
                case Shutdown():
                    raise ConnectionLost("the exchange announced a shutdown", wait_s=0.0)
                case Reply(id, error):
                    self._unanswered.pop(id, None)
                    if error is not None:
                        raise ConnectionLost(f"the exchange rejected a subscription: {error}")
                case Unknown(kind):
                    self.oddities.note(kind, payload)

    def tend(self, ws: FrameSocket) -> float:
        """Brings what is subscribed in line with what is wanted, no faster than the exchange allows."""
        if self._wanted != self._subscribed:
            wait_s = ws.may_send_in_s()
            if wait_s > 0:
                return wait_s
            if gone := sorted(self._subscribed - self._wanted)[:CHUNK]:
                self._send(ws, "UNSUBSCRIBE", gone)
                self._subscribed.difference_update(gone)
            else:
                new = sorted(self._wanted - self._subscribed)[:CHUNK]
                self._send(ws, "SUBSCRIBE", new)
                self._subscribed.update(new)
            return 0.0
        if not self._unanswered:
            return 3600.0
        left_s = min(self._unanswered.values()) + ANSWER_S - time.monotonic()
        if left_s <= 0:
            raise ConnectionLost(f"a subscription was not answered within {ANSWER_S:g} s")
        return left_s

    def is_quiet_odd(self) -> bool:
        return bool(self._wanted)

    def _send(self, ws: FrameSocket, method: str, symbols: list[str]) -> None:
        self._message_id += 1
        message = {"method": method, "params": [_stream(symbol) for symbol in symbols], "id": self._message_id}
        ws.send(msgspec.json.encode(message))
        self._unanswered[self._message_id] = time.monotonic()
        log.info("%s connection=%s symbols=%s", method.lower(), self.name, ",".join(symbols))


class MarketFeed:
    """All wanted symbols of one market. `follow` is called by one thread only."""

    def __init__(
        self,
        market: Market,
        endpoints: Endpoints,
        publisher: Publisher,
        threads: ThreadGroup,
        timeouts: Timeouts | None = None,
    ) -> None:
        self.market = market
        self.connections: list[TradeConnection] = []
        self._shares: list[set[str]] = []
        self._endpoints = endpoints
        self._publisher = publisher
        self._threads = threads
        self._timeouts = timeouts or Timeouts()
        self._clock = ExchangeClock(endpoints.rest_url)
        threads.start(f"clock-{market}", self._clock.run)
        self._filler = GapFiller(market, endpoints.rest_url, endpoints.api_key, publisher.buffer.deliver)
        for number in range(FETCHERS):
            threads.start(f"gaps-{market}-{number}", self._filler.run)

    def follow(self, symbols: set[str]) -> None:
        """From now on these are the symbols of the market. Those that stay keep their connection."""
        self._publisher.follow(self.market, symbols, self._filler.ask, self._clock)
        for share in self._shares:
            share &= symbols
        new = sorted(symbols.difference(*self._shares))
        for share in self._shares:
            room = STREAMS_MAX - len(share)
            share.update(new[:room])
            del new[:room]
        while new:
            self._shares.append(set(new[:STREAMS_MAX]))
            del new[:STREAMS_MAX]
            self._open_connection()
        for connection, share in zip(self.connections, self._shares, strict=True):
            connection.want(share)

    def stop(self) -> None:
        for connection in self.connections:
            connection.stop()
        self._filler.stop()
        self._clock.stop()

    def _open_connection(self) -> None:
        name = f"trades-{self.market}-{len(self.connections)}"
        at = self._endpoints
        connection = TradeConnection(
            name, self.market, at.stream_url, self._publisher.buffer, self._timeouts, at.headers
        )
        self.connections.append(connection)
        self._threads.start(name, connection.run)


def _stream(symbol: str) -> str:
    return f"{symbol.lower()}@trade"
