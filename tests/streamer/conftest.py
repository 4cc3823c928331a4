"""A scripted exchange, and a feed that streams from it into the run's Redis."""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest
import redis

from hedgehog_project.venues import Market, Venue
from streamer.connection import Timeouts
from streamer.feeds import MarketFeed
from streamer.publisher import Publisher
from streamer.thread_group import ThreadGroup
from streamer.topics import trade_topic
from streamer.trade_buffer import TradeBuffer
from streamer.user_feed import UserFeed
from tests.streamer.exchange import Exchange

# Of no use in life: so that a test of a time-out takes a moment only.
HURRIED = Timeouts(connect_s=0.5, silence_s=30, quiet_s=30, backoff_first_s=0.05, backoff_max_s=0.2, proven_s=0.3)


def until(condition: Callable[[], object], within_s: float = 8.0) -> None:
    """Waits for a condition. Fails where it stays false."""
    give_up = time.monotonic() + within_s
    while not condition():
        assert time.monotonic() < give_up, "it did not come true in time"
        time.sleep(0.005)


@pytest.fixture
def exchange() -> Iterator[Exchange]:
    started = Exchange()
    yield started
    started.stop()


@dataclass
class Stage:
    """Everything of a streamer but its command."""

    exchange: Exchange
    client: "redis.Redis"
    threads: ThreadGroup = field(default_factory=ThreadGroup)
    feeds: list[MarketFeed | UserFeed] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.publisher = Publisher(self.client, TradeBuffer(capacity=1000))
        self.threads.start("publisher", self.publisher.run)

    def stream(self, *symbols: str, timeouts: Timeouts = HURRIED, connected: bool = True) -> MarketFeed:
        """A feed of these symbols, connected to the exchange."""
        feed = MarketFeed(Market.MOCK, self.exchange.endpoints, self.publisher, self.threads, timeouts)
        self.feeds.append(feed)
        feed.follow(set(symbols))
        if connected:
            until(lambda: self.exchange.connections() == 1)
        return feed

    def user_stream(self, timeouts: Timeouts = HURRIED) -> UserFeed:
        feed = UserFeed(Venue.MOCK, self.exchange.endpoints, self.client, timeouts)
        self.feeds.append(feed)
        self.threads.start(feed.name, feed.run)
        return feed

    def ids(self, symbol: str = "ETHUSDT") -> list[int]:
        """The trade ids in a topic."""
        entries: Any = self.client.xrange(trade_topic("mock", symbol))
        return [int(entry_id.split(b"-")[0]) for entry_id, _ in entries]

    def stop(self) -> None:
        for feed in self.feeds:
            feed.stop()
        self.publisher.stop()
        busy = self.threads.join(3)
        assert self.threads.failure is None
        assert busy == []


@pytest.fixture
def stage(exchange: Exchange, redis_client: "redis.Redis") -> Iterator[Stage]:
    built = Stage(exchange, redis_client)
    yield built
    built.stop()
