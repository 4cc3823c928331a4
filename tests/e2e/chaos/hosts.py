"""Two hosts on one database and one Redis: one dies, freezes, or loses its link, in the middle of its transactions.

The other one goes on: no gap in the fills, the books agree in the end, and people are told which host is gone. The
second host is a network and a host name of its own on this machine; the first one has PostgreSQL, Redis and the mock
exchange beside its own processes.
"""

import json
import signal
import sys
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack, suppress
from itertools import pairwise
from pathlib import Path
from typing import Any, Self

import psycopg
import redis
from django.db import DatabaseError

from hedgehog_project.heartbeats import SILENT_S, beats
from hedgehog_project.models import Lease
from hedgehog_project.ports import HOST, free_port
from tests.e2e.books import BALANCES, describe, left_in_the_end, set_up, turn_off, turn_on
from tests.e2e.chaos.engine import (
    MAX_SLOTS,
    RULES,
    SETTLES_WITHIN_S,
    STARTS,
    cycles_between,
    live,
    orders_between,
    under_way,
)
from tests.e2e.chaos.logs import Logs
from tests.e2e.chaos.results import Result
from tests.e2e.chaos.steps import Step
from tests.support.environment import start_redis
from tests.support.exchanges.market import Swings
from tests.support.machine import postgres
from tests.support.machine.idle_in_transaction import HELD
from tests.support.machine.network import OtherHost, other_host
from tests.support.machine.processes import Process
from tests.support.machine.stack import HEARTS, Stack
from tests.support.settings import give
from trading.exchange.errors import ExchangeError
from trading.models import TradingSettings
from trading.models.switch import TradingMode
from trading.risk.kill_switch import halt

NAME = "garage"
# The promise: whatever becomes of a host, the others' fills never pause for longer.
GAP_S = 15.0
# Within which time another beat leads, and a host that is back is not told of any more. (The machine may be busy.)
LEADS_WITHIN_S, TOLD_WITHIN_S = 8.0, 30.0
# How long a trial goes on once the host is gone: past every time-out of its sessions.
TRIAL_S = 45.0
FROZEN_S = 25.0
UP_WITHIN_S = 60.0


class Fills:
    """Looks ten times a second whether another fill was booked."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._booked_at: list[float] = []
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._look, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join(5)

    def longest_gap_s(self, since: float, until: float) -> float:
        """Of these moments, by time.monotonic()."""
        marks = [since, *(at for at in self._booked_at if since < at < until), until]
        return max(later - earlier for earlier, later in pairwise(marks))

    def count(self, since: float) -> int:
        return sum(at > since for at in self._booked_at)

    def _look(self) -> None:
        last = 0
        with psycopg.connect(self._url, autocommit=True) as connection:
            while not self._over.wait(0.1):
                row = connection.execute("SELECT coalesce(max(id), 0) FROM trading_fill").fetchone()
                if row is not None and row[0] != last:
                    last = row[0]
                    self._booked_at.append(time.monotonic())


class Hosts:
    """Enter it to start both hosts, then `run` the step. Meanwhile our models mean the rows of their database."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder
        self._until_the_end = ExitStack()

    def __enter__(self) -> Self:
        with ExitStack() as started:
            self._host: OtherHost = started.enter_context(other_host(NAME))
            cluster = postgres.Cluster(also_at=self._host.here)
            started.callback(cluster.stop)
            self._url = cluster.create()
            server, redis_url = start_redis(self._folder / "redis", free_port(), also_at=self._host.here)
            started.callback(server.wait)
            started.callback(server.kill)
            self._redis = redis.Redis.from_url(redis_url)
            self._here = self._stack("here", self._url, redis_url)
            started.callback(_end, self._here)
            there = f"@{self._host.here}:"
            self._there = self._stack(
                NAME,
                self._url.replace(f"@{HOST}:", there),
                redis_url.replace(f"@{HOST}:", there),
                MOCK_PORT=self._here.mock.port,
            )
            self._there.processes.prefix = self._host.prefix
            started.callback(_end, self._there)
            self._here.prepare()
            started.enter_context(self._here.looked_into())
            set_up(
                {"max_slots": MAX_SLOTS, "buy_down_interval": "0.0002", "profit_interval": "0.0002", "status": "off"}
            )
            for symbol, values in RULES.items():
                give(TradingSettings.objects.filter(symbol__name=symbol), **values)
            self._forward()
            self._here.start()
            self._here.wait_until_up()
            self._there.start(*sorted(HEARTS))
            self._wait(lambda: self._beating() == HEARTS, UP_WITHIN_S, f"{NAME} is up")
            self._logs = [Logs(self._folder / name) for name in ("here", NAME)]
            self._until_the_end = started.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._until_the_end.close()

    def run(self, step: Step) -> Result:
        """Never raises for what the step comes to: the result tells."""
        result = Result(step, "postgres")
        began = time.time()
        try:
            self._live_through(step, result)
        except (AssertionError, OSError, redis.RedisError, DatabaseError, ExchangeError) as error:
            result.problems.append(str(error) or repr(error))
        for logs in self._logs:
            result.exceptions.update(logs.new_failures())
        result.orders, result.cycles = orders_between(began, time.time()), cycles_between(began, time.time())
        result.took = time.time() - began
        return result

    def _live_through(self, step: Step, result: Result) -> None:
        with ExitStack() as meanwhile:
            market = meanwhile.enter_context(Swings(self._here.mock, STARTS, step.seed))
            fills = meanwhile.enter_context(Fills(self._url))
            turn_on()
            self._wait_until_it_works(NAME)
            self._trial(result, fills, "dies in a transaction", self._dies, TRIAL_S)
            self._has_let_go()
            self._comes_back()
            self._trial(result, fills, "stands still", self._freezes, FROZEN_S)
            self._thaws()
            self._takes_the_lead(result)
            halt("the test", mode=TradingMode.REDUCING)
            self._wait(lambda: not under_way().exists(), SETTLES_WITHIN_S, "every cycle has come to its end")
            turn_off()
            self._wait(lambda: not live().exists(), SETTLES_WITHIN_S, "every trader has ended")
            market.stop()
        result.differences += left_in_the_end(self._here)

    # --- what becomes of the host ---------------------------------------------------------------
    def _trial(self, result: Result, fills: Fills, what: str, strike: Callable[[], None], seconds: float) -> None:
        """Strikes in the middle of a transaction on purpose; others may be under way as well."""
        self._hold_a_trader()
        strike()
        began = time.monotonic()
        told = ""
        while time.monotonic() < began + seconds:
            self._here.supervise()
            time.sleep(0.1)
            if not told and time.monotonic() > began + SILENT_S:
                told = next((text for text in self._told() if NAME in text), "")
                told_after_s = time.monotonic() - began
        gap_s, count = fills.longest_gap_s(began, time.monotonic()), fills.count(began)
        result.notes.append(f"{NAME} {what}: longest gap {gap_s:.1f} s, {count} fills in {seconds:.0f} s")
        if gap_s > GAP_S:
            result.problems.append(f"{NAME} {what}: no fill for {gap_s:.1f} s")
        if told:
            result.notes.append(f"after {told_after_s:.0f} s status tells: {told}")
        else:
            result.problems.append(f"{NAME} {what}, and status does not tell")

    def _hold_a_trader(self) -> None:
        self._holder: Process = self._there.processes.start(
            sys.executable, "-m", "tests.support.machine.idle_in_transaction", name="holder"
        )
        self._wait(lambda: HELD in self._holder.output, 30, f"a session of {NAME} holds a trader")

    def _dies(self) -> None:
        """Its power is gone: what it had under way stays as it was, and nobody is told."""
        self._host.cut()
        for process in (*self._there.services.values(), self._holder, self._forwarder):
            process.kill()

    def _freezes(self) -> None:
        for process in (*self._there.services.values(), self._holder):
            process.signal(signal.SIGSTOP)

    def _thaws(self) -> None:
        for process in (*self._there.services.values(), self._holder):
            process.signal(signal.SIGCONT)
        self._holder.kill()
        self._wait_until_it_works(NAME)

    def _comes_back(self) -> None:
        self._host.mend()
        self._forward_there()
        self._there.start_again()
        self._wait(lambda: self._beating() == HEARTS, UP_WITHIN_S, f"{NAME} is up again")
        self._wait_until_it_works(NAME)
        self._wait(lambda: not self._told(), TOLD_WITHIN_S, f"{NAME} is not told of any more")

    def _has_let_go(self) -> None:
        """The database has ended every session of the dead host by itself."""
        with psycopg.connect(self._url, autocommit=True) as connection:

            def left() -> int:
                query = "SELECT count(*) FROM pg_stat_activity WHERE client_addr = %s"
                row = connection.execute(query, [self._host.there]).fetchone()
                return 0 if row is None else int(row[0])

            self._wait(lambda: left() == 0, 30, f"the database has let go of {NAME}")

    def _takes_the_lead(self, result: Result) -> None:
        """The host whose beat leads is gone: the other one's, which stood by, leads."""
        self._here.kill("beat")
        self._wait(lambda: self._holder_of_the_lease() == NAME, 20, f"the beat of {NAME} leads")
        self._wait(self._our_beat_stands_by, 30, "our beat stands by")
        time.sleep(2)  # It has seen the other one live.
        self._host.cut()
        for process in self._there.services.values():
            process.kill()
        began = time.monotonic()
        self._wait(lambda: self._holder_of_the_lease() != NAME, 30, "our beat leads")
        took_s = time.monotonic() - began
        result.notes.append(f"another beat leads after {took_s:.1f} s")
        if took_s > LEADS_WITHIN_S:
            result.problems.append(f"another beat leads after {took_s:.1f} s only")
        self._wait_until_it_works("", but=NAME)

    # --- looking --------------------------------------------------------------------------------
    def _wait_until_it_works(self, host: str, but: str = "") -> None:
        """Until its workers have done something more."""

        def done() -> int:
            return sum(
                int(beat.facts.get("done", 0))
                for beat in beats(self._redis)
                if beat.is_fresh and (beat.host == host if host else beat.host != but)
            )

        before = done()
        self._wait(lambda: done() >= before + 10, UP_WITHIN_S, f"{host or 'the first host'} works")

    def _beating(self) -> set[str]:
        """The processes of the other host that live."""
        return {beat.name for beat in beats(self._redis) if beat.is_fresh and beat.host == NAME}

    def _our_beat_stands_by(self) -> bool:
        """The new one: what the one before said is fresh for some seconds after it was killed."""
        pid = self._here.services["beat"].pid
        ours = [beat for beat in beats(self._redis) if (beat.name, beat.pid) == ("beat", pid) and beat.host != NAME]
        return any(beat.facts.get("leads") != "yes" for beat in ours)

    def _told(self) -> list[str]:
        """What `manage.py status` finds amiss with hosts."""
        told: dict[str, Any] = json.loads(self._here.processes.run("status", "--json").stdout)
        return [each["text"] for each in told["findings"] if each["about"] == "host"]

    @staticmethod
    def _holder_of_the_lease() -> str:
        return Lease.objects.get(name="beat").holder.partition(":")[0]

    def _wait(self, condition: Callable[[], object], timeout_s: float, what: str) -> None:
        give_up = time.monotonic() + timeout_s
        self._here.supervise()
        while not condition():
            words = f"not within {timeout_s:g} s: {what}\n{describe()}\n{self._there.processes.last_words[-3000:]}"
            assert time.monotonic() < give_up, words
            time.sleep(0.1)
            self._here.supervise()

    # --- the network ----------------------------------------------------------------------------
    def _stack(self, name: str, url: str, redis_url: str, **environment: object) -> Stack:
        (self._folder / name).mkdir(parents=True)
        return Stack(
            self._folder / name,
            url,
            REDIS_URL=redis_url,
            MARKET="manual",
            MOCK_BALANCES=BALANCES,
            HEDGEHOG_SYMBOLS=",".join(STARTS),
            MOCK_ORDERS_PER_10S=500,
            **environment,
        )

    def _forward(self) -> None:
        """The mock exchange listens on 127.0.0.1 alone: it is handed on to that address of the other host."""
        self._port = free_port()
        self._here.processes.start(
            sys.executable, "-m", "tests.support.machine.forwarder",
            f"{self._host.here}:{self._port}", f"{HOST}:{self._here.mock.port}", name="forwarder",
        )  # fmt: skip
        self._forward_there()

    def _forward_there(self) -> None:
        self._forwarder = self._there.processes.start(
            sys.executable, "-m", "tests.support.machine.forwarder",
            f"{HOST}:{self._here.mock.port}", f"{self._host.here}:{self._port}", name="forwarder",
        )  # fmt: skip


def _end(stack: Stack) -> None:
    """A worker that waits for a lock for ever is killed: the result tells of it."""
    with suppress(AssertionError):
        stack.stop()
