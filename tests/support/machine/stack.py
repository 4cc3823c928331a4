"""The processes of `make run` in a home of their own: started, killed, started again, and looked into.

Their commands are those of supervisord.conf. Whoever waits with `wait_for` supervises meanwhile: what was killed
comes back, not more often than every two seconds, as it does there.
"""

import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from configparser import RawConfigParser
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar
from unittest import mock

import redis
from django.conf import settings as configured
from django.db import connections
from django.db.utils import ConnectionHandler

from hedgehog_project.env import database
from hedgehog_project.exec_with_parent import NAME, PACE_S
from hedgehog_project.heartbeats import alive
from hedgehog_project.ports import free_port
from streamer.topics import trade_topic
from tests.support.environment import ROOT, start_redis
from tests.support.exchanges.market import KEY, SECRET, MockExchange
from tests.support.machine import migrated
from tests.support.machine.processes import Process, Processes

T = TypeVar("T")

SERVICES = ("mock_exchange", "streamer", "dispatcher", "worker", "worker_exits", "beat", "standby")
HEARTS = frozenset(SERVICES) - {"mock_exchange"}


def command_of(name: str) -> list[str]:
    """A program's command in supervisord.conf, without the exec_with_parent: `Processes` has its own."""
    config = RawConfigParser(inline_comment_prefixes=(";",))
    config.read(ROOT / "supervisord.conf")
    words = shlex.split(config[f"program:{name}"]["command"].replace("%%", "%"))
    assert words[0].startswith("%(ENV_EXEC_WITH_PARENT)s")
    return [re.sub(r"%\(ENV_(\w+)\)s", lambda found: str(getattr(configured, found[1])), word) for word in words[1:]]


class Stack:
    """A mock exchange, a streamer, a dispatcher, a worker, beat and a Redis, all real; no web pages."""

    def __init__(self, folder: Path, database_url: str = "", **environment: object) -> None:
        """With SQLite where there is no `database_url`. `environment` holds further settings, such as MARKET.

        A REDIS_URL among them is the Redis of somebody else, which is neither supervised nor stopped.
        """
        self.home = folder / "home"
        self._redis_folder = folder / "redis"
        self._redis_port = free_port()
        self._redis: subprocess.Popen[bytes] | None = None
        self.redis_url = str(environment.get("REDIS_URL", ""))
        if not self.redis_url:
            self._redis, self.redis_url = start_redis(self._redis_folder, self._redis_port)
        self.mock = MockExchange(free_port())
        self.processes = Processes(
            folder,
            **{
                "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
                "HEDGEHOG_HOME": self.home,
                "DATABASE_URL": database_url,
                "REDIS_URL": self.redis_url,
                "MOCK_PORT": self.mock.port,
                "MOCK_API_KEY": KEY,
                "MOCK_API_SECRET": SECRET,
                **environment,
            },
        )
        self._own_settings: dict[str, dict[str, object]] = {}
        self.services: dict[str, Process] = {}
        # When each was last started, by time.time(): to be compared with the times in rows.
        self.started_at: dict[str, float] = {}
        # Who ended though nobody killed it, with its exit code.
        self.fell: list[tuple[str, int | None]] = []
        self._killed: set[str] = set()
        with mock.patch.dict(os.environ, {"DATABASE_URL": database_url}):
            self._database = database(self.home)

    def prepare(self) -> None:
        """The database as the first start makes it, without an admin user."""
        migrated.prepare(self.processes, self.home)

    def start(self, *names: str, **environment: object) -> None:
        """Starts these, or all; with settings of their own, which they keep when they come back."""
        for name in names or SERVICES:
            settings = self._own_settings.setdefault(name, environment)
            # As exec_with_parent.py does: it loads what it loads there.
            named = {NAME: name, **settings}
            self.services[name] = self.processes.start(*command_of(name), name=name, **named)
            self.started_at[name] = time.time()

    def start_again(self) -> None:
        """Starts whoever has ended, at once, and asks nobody why."""
        for name, service in self.services.items():
            if not service.is_running:
                self._killed.discard(name)
                self.start(name)

    def run_again(self, **environment: object) -> None:
        """Stops all as Ctrl-C does, and starts them with further settings, as the next `make run` does."""
        names = list(self.services)
        for service in self.services.values():
            service.signal(signal.SIGTERM)
        codes = {name: service.wait(30) for name, service in self.services.items()}
        assert codes == dict.fromkeys(names, 0)
        self.services.clear()
        self._own_settings.clear()
        self.start(*names, **environment)

    def wait_until_up(self) -> None:
        """Until each of the services says that it is alive."""
        client = redis.Redis.from_url(self.redis_url)
        wanted = HEARTS & self.services.keys()
        self.wait_for(lambda: wanted <= alive(client), 40, "a heartbeat of everybody")
        if "mock_exchange" in self.services:
            self.wait_for(self.mock.is_up, 20, "the mock exchange")

    def wait_until_heard(self, *symbols: str) -> None:
        """Until a trade of each of these goes all the way: earlier ones concern nobody, and are not read later."""
        client = redis.Redis.from_url(self.redis_url)

        def is_heard(symbol: str) -> bool:
            topic = trade_topic("mock", symbol)
            return bool(client.exists(topic) and client.xinfo_groups(topic))

        self.wait_for(lambda: all(map(is_heard, symbols)), 20, f"dispatch to read the trades of {symbols}")
        self.wait_for(lambda: "connected connection=trades-" in self.services["streamer"].output, 20, "the streamer")

    def kill(self, name: str) -> None:
        """kill -9. It comes back while somebody waits."""
        self._killed.add(name)
        if name != "redis":
            self.services[name].kill()
        elif self._redis is not None:
            self._redis.kill()
            self._redis.wait()

    def supervise(self) -> None:
        """Starts whoever has ended, once two seconds have passed since its last start. Redis comes back empty."""
        if self._redis is not None and self._redis.poll() is not None:
            shutil.rmtree(self._redis_folder)
            self.started_at["redis"] = time.time()
            self._redis, _ = start_redis(self._redis_folder, self._redis_port)
            self._note_end("redis", None)
        for name, service in self.services.items():
            if not service.is_running and time.time() >= self.started_at[name] + PACE_S:
                self._note_end(name, service.exit_code)
                self.start(name)

    def _note_end(self, name: str, exit_code: int | None) -> None:
        if name not in self._killed:
            self.fell.append((name, exit_code))
        self._killed.discard(name)

    def wait_for(self, condition: Callable[[], T], timeout_s: float, what: str) -> T:
        """What `condition` gives once it is true; supervises meanwhile. Fails the test with all logs' ends."""

        def look() -> T:
            self.supervise()
            return condition()

        return self.processes.wait_for(look, timeout_s, what)

    @contextmanager
    def looked_into(self) -> Iterator[None]:
        """Within it, our models mean the rows of the stack's database. Not with pytest-django's own."""
        before = connections["default"]
        connections["default"] = ConnectionHandler({"default": self._database})["default"]
        try:
            yield
        finally:
            connections["default"].close()
            connections["default"] = before

    def stop(self) -> dict[str, int]:
        """SIGTERM to all, as Ctrl-C does: the exit codes. Redis is the last to go."""
        for service in self.services.values():
            if service.is_running:
                service.signal(signal.SIGTERM)
        try:
            return {name: service.wait(30) for name, service in self.services.items()}
        finally:
            self.processes.stop_all()
            self.kill("redis")
