"""Turns trades into entries of their topics: each once, in order, gaps filled first; waits out a missing Redis."""

import logging
import threading
from collections import deque
from collections.abc import Callable, Iterable
from typing import TypeVar

import redis

from streamer.exchange_clock import ExchangeClock
from streamer.gaps import Filled
from streamer.redis_writer import RedisRefuses, RedisWriter, TopicPacker
from streamer.sequence import Gap, Sequence, Verdict
from streamer.topics import TradeEvent, last_trade, last_trades
from streamer.trade_buffer import Item, TradeBuffer

log = logging.getLogger(__name__)

T = TypeVar("T")

RETRY_S = 0.25
# A Redis that stays away is mentioned again so often.
REMIND_EVERY = 240
AskGap = Callable[[str, Gap], None]


class Topic:
    """One symbol of one market on its way to Redis."""

    def __init__(self, market: str, symbol: str, ask_gap: AskGap) -> None:
        self.market = market
        self.symbol = symbol
        self.sequence = Sequence()
        self.packer = TopicPacker(market, symbol)
        self.ask_gap = ask_gap
        self.asked: Gap | None = None

    def add(self, trades: Iterable[TradeEvent], shift_ms: int) -> list[str]:
        """The commands that publish these trades."""
        return [self.packer.add(trade, shift_ms) for trade in trades]


class Publisher:
    """One thread (`run`) writes to Redis; the threads that read hand over through `buffer`."""

    def __init__(self, client: "redis.Redis", buffer: TradeBuffer | None = None) -> None:
        self.buffer = buffer or TradeBuffer()
        self.published = 0  # commands that Redis has answered
        self.dropped = 0
        self._client = client
        self._writer = RedisWriter(client)
        self._topics: dict[str, dict[str, Topic]] = {}
        self._clocks: dict[str, ExchangeClock] = {}
        self._new: deque[Topic] = deque()  # whose place in Redis is not known yet
        self._stopping = threading.Event()
        self._complained: set[str] = set()

    # --- for other threads ----------------------------------------------------------------------
    def follow(self, market: str, symbols: Iterable[str], ask_gap: AskGap, clock: ExchangeClock) -> None:
        """From now on these are the symbols of a market; trades of others are skipped."""
        known = self._topics.get(market, {})
        topics = {symbol: known.get(symbol) or Topic(market, symbol, ask_gap) for symbol in symbols}
        self._new.extend(topic for symbol, topic in topics.items() if symbol not in known)
        self._clocks[market] = clock
        self._topics = {**self._topics, market: topics}

    def last_trades(self) -> list[TradeEvent]:
        """The newest trade of each symbol that has one."""
        topics = [topic for of_market in self._topics.values() for topic in of_market.values()]
        return [last for topic in topics if (last := topic.sequence.last) is not None]

    def stop(self) -> None:
        """Lets `run` publish what has been handed over, and end. A Redis that is away is not waited for."""
        self._stopping.set()
        self.buffer.close()

    # --- the thread -----------------------------------------------------------------------------
    def run(self) -> None:
        """Publishes until `stop`."""
        try:
            while (items := self.buffer.take()) is not None:
                if self._new:
                    self._resume()
                commands = self._commands(items)
                if commands:
                    self._patiently(lambda: self._send(commands))  # noqa: B023 - called at once
        except _Stopped:
            log.warning(
                "stopped while Redis was down: the last trades were not published and will be backfilled by REST"
            )
        finally:
            self._writer.close()

    def _resume(self) -> None:
        """Finds out where each new topic stands: another streamer, or this one before, has left it there."""
        new = [self._new.popleft() for _ in range(len(self._new))]
        for market in {topic.market for topic in new}:
            topics = [topic for topic in new if topic.market == market]
            symbols = [topic.symbol for topic in topics]
            found = self._patiently(lambda: last_trades(self._client, market, symbols))  # noqa: B023
            for topic in topics:
                if topic.symbol in found and topic.sequence.last is None:
                    topic.sequence.resume(found[topic.symbol])

    def _commands(self, items: list[Item]) -> list[str]:
        commands: list[str] = []
        for item in items:
            commands += self._filled(item) if isinstance(item, Filled) else self._traded(*item)
        return commands

    def _filled(self, filled: Filled) -> list[str]:
        topic = self._topics.get(filled.market, {}).get(filled.symbol)
        if topic is None:
            return []
        shift_ms = self._clocks[filled.market].shift_ms()
        return topic.add(topic.sequence.close(filled.gap, filled.trades), shift_ms) + self._see_to_gap(topic)

    def _traded(self, market: str, trades: list[TradeEvent]) -> list[str]:
        topics = self._topics.get(market, {})
        if not topics:
            return []
        clock = self._clocks[market]
        clock.look_at(trades[-1].event_ms)
        shift_ms = clock.shift_ms()
        commands: list[str] = []
        for trade in trades:
            topic = topics.get(trade.symbol)
            if topic is None:
                continue  # Turned off a moment ago.
            verdict = topic.sequence.offer(trade)
            if verdict is Verdict.PUBLISH:
                commands.append(topic.packer.add(trade, shift_ms))
            elif verdict is Verdict.HELD:
                commands += topic.add(topic.sequence.run(), shift_ms)
                commands += self._see_to_gap(topic)
            elif verdict is Verdict.ANEW:
                if self._is_ours_to_empty(topic, trade):
                    commands.append(topic.packer.delete)
                commands.append(topic.packer.add(trade, shift_ms))
                commands += self._see_to_gap(topic)
        return commands

    def _see_to_gap(self, topic: Topic) -> list[str]:
        """Asks for a gap that has opened; the command that tells Redis of it, or that it has closed."""
        gap = topic.sequence.gap
        if gap is topic.asked:
            return []
        topic.asked = gap
        if gap is not None:
            topic.ask_gap(topic.symbol, gap)
        return [topic.packer.gap(gap)]

    def _is_ours_to_empty(self, topic: Topic, trade: TradeEvent) -> bool:
        """Another streamer may have begun the topic anew already: then its entries are as new as this trade."""
        newest = self._patiently(lambda: last_trade(self._client, topic.market, topic.symbol))
        log.warning("ids_anew market=%s symbol=%s first=%d", topic.market, topic.symbol, trade.trade_id)
        if newest is None:
            return False
        return newest.trade_ms < trade.trade_ms or newest.event_ms < trade.event_ms

    def _send(self, commands: list[str]) -> None:
        for problem in self._writer.send(commands):
            if problem not in self._complained:
                self._complained.add(problem)
                log.error("redis_refuses one of the topics: %s", problem)
        self.published += len(commands)

    def _patiently(self, ask: Callable[[], T]) -> T:
        """The answer of Redis, however long that takes; the buffer keeps the newest trades meanwhile."""
        tries = 0
        while True:
            try:
                answer = ask()
            except redis.RedisError as error:
                if tries % REMIND_EVERY == 0:
                    what = "redis_refuses" if isinstance(error, RedisRefuses) else "redis_away"
                    log.error("%s reason=%r: recent trades are buffered in memory", what, str(error))
                tries += 1
                self.buffer.set_flowing(False)
                if self._stopping.wait(RETRY_S):
                    raise _Stopped from error
                continue
            dropped = self.buffer.take_dropped()
            self.dropped += dropped
            if tries:
                self.buffer.set_flowing(True)
                log.warning("redis_back tries=%d dropped=%d", tries, dropped)
            elif dropped:
                log.warning("redis_too_slow dropped=%d", dropped)
            return answer


class _Stopped(Exception):
    """`stop` was called while Redis was away."""
