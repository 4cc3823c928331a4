"""`manage.py standby`: the process that exits positions while Redis is full or down."""

import logging
import signal
import time
from types import FrameType
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand
from django.db import DatabaseError, close_old_connections, connection

from hedgehog_project import redis
from hedgehog_project.heartbeats import Heart
from hedgehog_project.hurry import REDIS_WAIT_S
from hedgehog_project.progress import running
from hedgehog_project.watchdog import Watchdog
from trading.exchange.client import exchange_at
from trading.standby import EVERY_S, THREADS, Standby

log = logging.getLogger("trading.standby")

# The loop's own part, which the watchdog knows by this name.
STEP, STEP_TAKES_S = "standby.step", 30.0


class Command(BaseCommand):
    help = (
        "Idle while Redis works. While Redis is full, read-only or down, it requests prices from the exchange, lets "
        "traders exit their positions, queries unconfirmed orders and cancels. Also writes a halt into the database "
        "that was requested while the database was locked. Runs until stopped."
    )

    def handle(self, *args: Any, **options: Any) -> None:
        self.running = True
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._stop)
        # What traders copy to Redis must not hold up the next of them.
        redis.hurry(REDIS_WAIT_S)
        standby = Standby(redis.new_client(), exchange_at)
        heart = Heart(redis.new_client(), "standby")
        watchdog = Watchdog("standby", settings.HEDGEHOG_HOME, THREADS, {STEP: 1})
        watchdog.start()
        trouble = ""
        while self.running:
            began = time.monotonic()
            close_old_connections()
            try:
                with running.task(STEP, STEP_TAKES_S):
                    standby.step()
                trouble = ""
            except DatabaseError as error:
                if trouble != str(error):
                    log.error("database error, retrying: %s", error)
                trouble = str(error)
                connection.close()
            heart.beat(acts="yes" if standby.is_acting else "no", **watchdog.facts())
            time.sleep(max(0.0, began + EVERY_S - time.monotonic()))
        heart.stop()
        watchdog.stop()
        standby.stop()

    def _stop(self, number: int, frame: FrameType | None) -> None:
        self.running = False
