"""`manage.py dispatch`: the process that turns events into tasks."""

import contextlib
import logging
import os
import signal
import socket
import time
from types import FrameType
from typing import Any

import redis
from django.core.management.base import BaseCommand
from django.db import DatabaseError, close_old_connections
from kombu.exceptions import OperationalError

from hedgehog_project.heartbeats import Heart
from hedgehog_project.redis import new_client
from hedgehog_project.venues import markets, running
from streamer.models import StreamedSymbol
from trading.dispatch import Dispatcher
from trading.identity import others
from trading.identity.names import Names

log = logging.getLogger("trading.dispatch")

# How often it looks whether other symbols stream now, and for what a dead dispatcher left.
LOOK_EVERY_S = 1.0
# How often it writes down which other installations it has seen.
KEEP_EVERY_S = 10.0
# A wait after Redis did not answer.
PAUSE_S = 0.5


class Command(BaseCommand):
    help = (
        "Reads trade events and execution reports from Redis and queues a Celery task for each trader affected. Runs "
        "until stopped; several may run in parallel, on any machine."
    )

    def handle(self, *args: Any, **options: Any) -> None:
        self.running, self.keep_at = True, 0.0
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._stop)
        client = new_client()
        dispatcher = Dispatcher(client, f"{socket.gethostname()}:{os.getpid()}")
        heart = Heart(new_client(), "dispatcher")
        look_at, trouble = 0.0, ""
        while self.running:
            try:
                if time.monotonic() >= look_at:
                    self._follow_the_database(dispatcher)
                    dispatcher.take_over()
                    look_at = time.monotonic() + LOOK_EVERY_S
                dispatcher.step()
                if trouble:
                    log.warning("Redis is back")
                trouble = ""
            except (redis.RedisError, OperationalError) as error:
                if trouble != str(error):
                    log.error("Redis error, retrying: %s", error)
                trouble = str(error)
                time.sleep(PAUSE_S)
                look_at = 0.0
            counts = dispatcher.counts
            heart.beat(trades=counts.trades, woken=counts.woken, reports=counts.reports)
        self._finish(dispatcher)
        heart.stop()

    def _stop(self, number: int, frame: FrameType | None) -> None:
        self.running = False

    def _follow_the_database(self, dispatcher: Dispatcher) -> None:
        close_old_connections()
        try:
            streamed: dict[str, list[str]] = {}
            rows = StreamedSymbol.objects.filter(is_on=True, market__in=markets())
            for market, symbol in rows.values_list("market", "symbol"):
                streamed.setdefault(market, []).append(symbol)
            dispatcher.names = Names.now()
            self._keep_strangers(dispatcher)
        except DatabaseError as error:
            log.error("database unavailable, continuing with the known symbols: %s", error)
            return
        # The topics of all venues: one that has no key is empty and costs nothing. Those of worlds that rest keep
        # what nobody has booked.
        venues = [venue.value for venue in running()]
        if streamed != dispatcher.markets or not dispatcher.venues:
            dispatcher.listen_to(streamed, venues)

    def _keep_strangers(self, dispatcher: Dispatcher) -> None:
        if time.monotonic() < self.keep_at:
            return
        self.keep_at = time.monotonic() + KEEP_EVERY_S
        seen, dispatcher.strangers = dispatcher.strangers, {}
        for (venue, _), order in seen.items():
            others.note(venue, [order])

    def _finish(self, dispatcher: Dispatcher) -> None:
        # What is not acknowledged is handed on twice, which does no harm.
        with contextlib.suppress(redis.RedisError):
            dispatcher.flush()
        log.info("stopped: trades=%s woken=%s", dispatcher.counts.trades, dispatcher.counts.woken)
