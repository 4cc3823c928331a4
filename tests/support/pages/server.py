"""gunicorn's server of pages and streams in a thread of the test's own process, as web_config.py has it."""

import asyncio
import os
import threading
from typing import Any, Self

from gunicorn.config import Config
from gunicorn.glogging import Logger

from hedgehog_project import web_config
from hedgehog_project.ports import HOST
from hedgehog_project.web.serving import Application


class PageServer:
    """`url` answers while it is entered."""

    def __init__(self, application: Application) -> None:
        self._application = application
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._is_up = threading.Event()
        self.url = ""

    def __enter__(self) -> Self:
        self._thread.start()
        assert self._is_up.wait(5)
        return self

    def __exit__(self, *_: object) -> None:
        for end in self._application.at_shutdown:
            self._loop.call_soon_threadsafe(end)
        self._loop.call_soon_threadsafe(self._server.close)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(5)
        assert not self._thread.is_alive()

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        config = Config()
        worker: Any = web_config.Worker(1, os.getppid(), [], None, 30, config, Logger(config))
        worker.tmp.close()
        worker.asgi, worker.loop = self._application, self._loop
        starting = self._loop.create_server(lambda: web_config.Protocol(worker), HOST, 0)
        self._server = self._loop.run_until_complete(starting)
        self.url = f"http://{HOST}:{self._server.sockets[0].getsockname()[1]}"
        self._is_up.set()
        self._loop.run_forever()
        for task in asyncio.all_tasks(self._loop):
            task.cancel()
        self._loop.run_until_complete(asyncio.sleep(0.05))
        self._loop.close()
