"""gunicorn's configuration file (`gunicorn console.asgi --config=…`): one process serves.

gunicorn's own parent process would only restart it, as supervisor does already, and takes 25 MB for it.
"""

import faulthandler
import os
from typing import Any

from gunicorn.asgi.protocol import ASGIProtocol
from gunicorn.workers import gasgi

# The names below are gunicorn's settings, read from this file's namespace.
graceful_timeout = 2
control_socket_disable = True
asgi_lifespan = "off"
# Browsers keep a connection between two looks of a page that refreshes itself.
keepalive = 15
# The event loop has not gone round for so long: it never will. gunicorn's parent has the same patience.
FROZEN_S = 30


class Protocol(ASGIProtocol):
    """gunicorn's own; who answers may see how much its reader has not taken yet, for send() never waits."""

    def _build_http_scope(self, *args: Any) -> Any:
        return {**super()._build_http_scope(*args), "transport": self.transport}


class Worker(gasgi.ASGIWorker):
    """gunicorn's own, which ends itself when it is frozen: nobody else looks at it."""

    def notify(self) -> None:
        """Called each second by the event loop."""
        faulthandler.dump_traceback_later(FROZEN_S, exit=True)

    async def _shutdown(self) -> None:
        # Streams have no end of their own: nobody needs to wait for it.
        for end in self.asgi.at_shutdown:
            end()
        await super()._shutdown()


worker_class = Worker
gasgi.ASGIProtocol = Protocol


def when_ready(arbiter: Any) -> None:
    """The address is taken: from here on gunicorn would start its workers. This process becomes the only one."""
    worker = Worker(1, os.getppid(), arbiter.LISTENERS, arbiter.app, arbiter.timeout, arbiter.cfg, arbiter.log)
    worker.pid = os.getpid()
    worker.init_process()
    raise SystemExit(0)
