"""The real processes for a measurement, and a market that moves when it is told to."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import requests
from django.core.management import call_command

from hedgehog_project.heartbeats import alive
from hedgehog_project.redis import connect
from hedgehog_project.venues import Venue, place
from tests.support.processes import Process, Processes

# Far from what a measurement may reach: the mock's limit is not what is measured.
NO_LIMIT = 1_000_000
MONEY = "USDT:10000000"


@dataclass
class Stack:
    """What runs, and how to move its market."""

    processes: Processes
    session: requests.Session
    worker: Process

    def trade(self, symbol: str, price: str, quantity: str = "1") -> None:
        """One public trade on the mock exchange."""
        answer = self.session.post(
            f"{place(Venue.MOCK).rest_url}/mock/trade",
            json={"symbol": symbol, "price": price, "quantity": quantity},
            headers={"X-MBX-APIKEY": place(Venue.MOCK).api_key},
            timeout=10,
        )
        answer.raise_for_status()


@contextmanager
def running(with_streamer: bool = True) -> Iterator[Stack]:
    """Starts everything but beat; the database must be migrated and hold what the measurement needs."""
    connect().flushall()
    with tempfile.TemporaryDirectory(prefix="hedgehog-bench-") as folder:
        processes = Processes(Path(folder), MARKET="manual", MOCK_ORDERS_PER_10S=NO_LIMIT, MOCK_BALANCES=MONEY)
        try:
            mock = processes.manage("mock_exchange")
            session = requests.Session()
            processes.wait_for(lambda: answers(session) or not mock.is_running, 30, "the mock exchange")
            if with_streamer:
                processes.manage("stream")
            processes.manage("dispatch")
            worker = processes.celery(
                "worker", "-c", "8", "-E", "-I", "bench.noop", "--loglevel=WARNING",
                "--without-gossip", "--without-mingle",
            )  # fmt: skip
            processes.wait_for(lambda: "worker" in alive(connect()), 30, "the worker")
            yield Stack(processes, session, worker)
        finally:
            processes.stop_all()


def answers(session: requests.Session) -> bool:
    try:
        return session.get(f"{place(Venue.MOCK).rest_url}/api/v3/ping", timeout=1).ok
    except requests.RequestException:
        return False


def migrate() -> None:
    call_command("migrate", verbosity=0)
