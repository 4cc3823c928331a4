"""gunicorn's configuration file (`gunicorn hedgehog_project.wsgi --config=…`): one process serves.

gunicorn's own parent process would only restart it, as supervisor does already, and takes 25 MB for it.
"""

import faulthandler
import os
from typing import Any

from gunicorn.workers.gthread import ThreadWorker

# The names below are gunicorn's settings, read from this file's namespace.
threads = 8
graceful_timeout = 2
control_socket_disable = True
# Whoever accepts connections has not gone round for so long: it never will. gunicorn's parent has the same patience.
FROZEN_S = 30


class Worker(ThreadWorker):
    """gunicorn's own, which ends itself when it is frozen: nobody else looks at it."""

    def notify(self) -> None:
        """Called each second by the thread that accepts connections."""
        faulthandler.dump_traceback_later(FROZEN_S, exit=True)


worker_class = Worker


def when_ready(arbiter: Any) -> None:
    """The address is taken: from here on gunicorn would start its workers. This process becomes the only one."""
    worker = Worker(1, os.getppid(), arbiter.LISTENERS, arbiter.app, arbiter.timeout, arbiter.cfg, arbiter.log)
    worker.pid = os.getpid()
    worker.init_process()
    raise SystemExit(0)
