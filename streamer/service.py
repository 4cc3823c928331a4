"""The streamer as a whole: feeds for what is wanted, followed while it runs; sees to it that nothing dies unseen."""

import logging
import time
from collections.abc import Callable, Mapping

import redis
from django.db import Error as DatabaseError
from django.db import connection as database

from hedgehog_project.heartbeats import Heart
from hedgehog_project.venues import Endpoints, Market, Venue, endpoints, market_of, markets, running
from streamer import rest, symbols
from streamer.feeds import MarketFeed
from streamer.models import StreamedSymbol
from streamer.progress import Facts, Progress, Rate
from streamer.publisher import Publisher
from streamer.thread_group import ThreadGroup
from streamer.user_feed import UserFeed

log = logging.getLogger(__name__)

TICK_S = 0.25
ROWS_EVERY_S = 1.0
ASK_EXCHANGE_EVERY_S = 15.0
# At the end: for connections to close, and then for what they have handed over to reach Redis.
READERS_S = 0.3
FLUSH_S = 1.0

Wanted = Mapping[Market, set[str]]


class StreamerFailed(Exception):
    """The streamer cannot go on; the text says why, in one line."""


class Rows:
    """What the admin wants streamed. Where the database does not answer, what it said last."""

    def __init__(self) -> None:
        self._last: dict[Market, set[str]] = {}
        self._complained = False

    def wanted(self) -> Wanted:
        try:
            rows = list(StreamedSymbol.objects.filter(is_on=True).values_list("market", "symbol"))
        except DatabaseError as error:
            if not self._complained:
                log.error("database_away reason=%r: continuing with the known symbols", str(error))
            self._complained = True
            database.close()
            return self._last
        if self._complained:
            self._complained = False
            log.warning("database_back")
        self._last = {}
        now = _in_use()
        for market, symbol in rows:
            if market in now:  # Those of worlds that rest wait, and those of exchanges that nobody has a key for.
                self._last.setdefault(Market(market), set()).add(symbol)
        return self._last


def _in_use() -> set[Market]:
    """Where prices of what trades now come from: a replay needs nobody else's."""
    return {market_of(venue) for venue in running() if venue.is_mock or not endpoints(venue).why_no_key}


class KnownSymbols:
    """Sorts out symbols that an exchange does not know. What cannot be asked is taken as known."""

    def __init__(self) -> None:
        self._listed: dict[Market, set[str]] = {}
        self._asked_at: dict[Market, float] = {}
        self._complained: set[tuple[Market, str]] = set()

    def known(self, market: Market, wanted: set[str]) -> set[str]:
        now = time.monotonic()
        if not wanted <= self._listed.get(market, set()) and now >= self._asked_at.get(market, 0.0):
            self._asked_at[market] = now + ASK_EXCHANGE_EVERY_S
            try:
                self._listed[market] = symbols.listed(endpoints(market))
            except (rest.Unreachable, rest.Refused) as error:
                log.warning("symbols_unchecked market=%s reason=%r", market, str(error))
        if market not in self._listed:
            return wanted
        for symbol in sorted(wanted - self._listed[market]):
            if (market, symbol) not in self._complained:
                self._complained.add((market, symbol))
                log.error("symbol_unknown market=%s symbol=%s: skipped", market, symbol)
        return wanted & self._listed[market]


class Streamer:
    """Runs until interrupted. `wanted` is asked once a second; `user_venues` get a user data stream each."""

    def __init__(
        self,
        client: "redis.Redis",
        wanted: Callable[[], Wanted],
        user_venues: Mapping[Venue, Endpoints],
        progress: Progress | None = None,
    ) -> None:
        self._wanted = wanted
        self._user_venues = user_venues
        self._client = client
        self._threads = ThreadGroup()
        self._publisher = Publisher(client)
        self._feeds: dict[Market, MarketFeed] = {}
        self._users: list[UserFeed] = []
        self._heart = Heart(client, "streamer")
        self._progress = progress or Progress()
        self._rate = Rate()
        self._following: dict[Market, set[str]] = {}

    def run(self) -> None:
        """Returns when interrupted (KeyboardInterrupt). Raises StreamerFailed."""
        try:
            self._threads.start("publisher", self._publisher.run)
            for venue, at in self._user_venues.items():
                user = UserFeed(venue, at, self._client)
                self._users.append(user)
                self._threads.start(user.name, user.run)
            rows_due = 0.0
            while not self._threads.alarm.wait(TICK_S):
                now = time.monotonic()
                if now >= rows_due:
                    rows_due = now + ROWS_EVERY_S
                    self._follow()
                facts = self._facts()
                self._heart.beat(**facts.as_dict())
                self._progress.show(facts, self._publisher.last_trades(), time.time() * 1000)
            raise StreamerFailed(self._threads.failure or "a thread failed")
        except KeyboardInterrupt:
            log.info("stopping")
        finally:
            self._stop()

    def _follow(self) -> None:
        wanted = self._wanted()
        for market in markets():
            of_market = set(wanted.get(market, ()))
            if of_market == self._following.get(market, set()):
                continue
            if market not in self._feeds:
                self._feeds[market] = MarketFeed(market, endpoints(market), self._publisher, self._threads)
            self._feeds[market].follow(of_market)
            self._following[market] = of_market

    def _facts(self) -> Facts:
        connections = [connection for feed in self._feeds.values() for connection in feed.connections]
        seen = [at for connection in connections if (at := connection.last_frame_at) is not None]
        return Facts(
            symbols=sum(map(len, self._following.values())),
            frames_per_s=round(self._rate.update(sum(connection.frames_seen for connection in connections)), 1),
            reconnects=sum(connection.reconnects for connection in [*connections, *self._users]),
            dropped=self._publisher.dropped,
            last_frame_age_s=round(time.monotonic() - max(seen), 1) if seen else None,
            user_streams=" ".join(f"{user.venue}:{'on' if user.subscribed else 'off'}" for user in self._users),
        )

    def _stop(self) -> None:
        for feed in self._feeds.values():
            feed.stop()
        for user in self._users:
            user.stop()
        # What the readers have handed over before they end is published.
        self._threads.join(READERS_S, but="publisher")
        self._publisher.stop()
        busy = self._threads.join(FLUSH_S)
        self._progress.end()
        self._heart.stop()
        if "publisher" in busy:
            log.warning("stopped before everything was published: Redis is slow or down")
