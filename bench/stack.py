"""The real processes for a measurement, and a market that moves when it is told to."""

import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import requests
from django.core.management import call_command
from django.db import connection

from hedgehog_project.heartbeats import alive
from hedgehog_project.redis import connect
from hedgehog_project.venues import Venue, endpoints
from tests.support.machine.processes import Processes
from tests.support.machine.stack import command_of

# Far from what a measurement may reach: the mock's limit is not what is measured.
NO_LIMIT = 1_000_000
MONEY = "USDT:10000000"
WORKERS = {"worker", "worker_exits"}


@dataclass
class Stack:
    """What runs, and how to move its market."""

    processes: Processes
    session: requests.Session

    def trade(self, symbol: str, price: str, quantity: str = "1") -> None:
        """One public trade on the mock exchange."""
        self.control("POST", "trade", symbol=symbol, price=price, quantity=quantity)

    def cpu_s(self) -> dict[str, float]:
        """CPU seconds so far of each process that was started, of Redis and of PostgreSQL."""
        own = dict[str, float]()
        for process in self.processes.started:
            if process.is_running:
                own[process.name] = own.get(process.name, 0.0) + cpu_s(process.pid)
        redis: Any = connect().info("cpu")
        own["redis"] = redis["used_cpu_sys"] + redis["used_cpu_user"]
        if connection.vendor == "postgresql":
            own["postgresql"] = cpu_of_postgresql()
        return own

    def control(self, method: str, path: str, **body: object) -> None:
        """A request to the mock exchange's own controls: docs/mock-exchange.md."""
        where = endpoints(Venue.MOCK)
        headers = {"X-MBX-APIKEY": where.api_key}
        address = f"{where.rest_url}/mock/{path}"
        self.session.request(method, address, json=body, headers=headers, timeout=10).raise_for_status()


@contextmanager
def running(with_streamer: bool = True, workers: int = 1) -> Iterator[Stack]:
    """Starts everything but beat; the database must be migrated and hold what the measurement needs.

    `workers`: so many of each kind.
    """
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
            for name in sorted(WORKERS) * workers:
                words = command_of(name)
                options = words[words.index("worker") :]
                command = (sys.executable, "-m", "celery", "-A", "hedgehog_project", *options)
                processes.start(*command, "-I", "bench.noop", "--loglevel=WARNING", name=name)
            processes.wait_for(lambda: alive(connect()) >= WORKERS, 30, "the workers")
            yield Stack(processes, session)
        finally:
            processes.stop_all()


def cpu_s(pid: int, *, with_ended: bool = False) -> float:
    """CPU seconds of a process; with those of its children that have ended."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return sum(map(int, fields[11 : 15 if with_ended else 13])) / os.sysconf("SC_CLK_TCK")


def cpu_of_postgresql() -> float:
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_backend_pid()")
        (backend,) = cursor.fetchone()
    server = int(Path(f"/proc/{backend}/stat").read_text().rpartition(")")[2].split()[1])
    children = Path(f"/proc/{server}/task/{server}/children").read_text().split()
    return cpu_s(server, with_ended=True) + sum(cpu_s(int(child)) for child in children)


def answers(session: requests.Session) -> bool:
    try:
        return session.get(f"{endpoints(Venue.MOCK).rest_url}/api/v3/ping", timeout=1).ok
    except requests.RequestException:
        return False


def migrate() -> None:
    call_command("migrate", verbosity=0)
