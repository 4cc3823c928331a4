"""Flower's configuration file (`celery flower --conf=…`): where it listens, what it keeps, who may look."""

import os
import time
from typing import Any

from flower.views import BaseHandler
from flower.views.monitor import Healthcheck, Metrics
from tornado.web import HTTPError, authenticated

# The names below are Flower's options, read from this file's namespace.
from hedgehog_project import tries
from hedgehog_project.env import env, home
from hedgehog_project.home import FLOWER_PASSWORD, FLOWER_USER, secret

address = "127.0.0.1"
port = env.int("FLOWER_PORT", default=5555)
basic_auth = [f"{FLOWER_USER}:{secret(home(), FLOWER_PASSWORD)}"]
# One password for everybody: with it one looks, and runs, revokes and stops nothing.
read_only = True
# The last minutes: it is for a look at what runs now. Tasks stay visible over a restart, and are saved at its end
# alone: while it saves it answers nobody. A kill -9 loses them.
persistent = True
db = str(home() / "flower")
state_save_interval = 0
max_tasks = 2_000
# A worker that is started anew has another name: its process id is in it.
purge_offline_workers = 3600
tasks_columns = "name,args,state,received,runtime,worker"

# Flower leaves these two open to anyone even when it asks for a login elsewhere.
Metrics.get = authenticated(Metrics.get)
Healthcheck.get = authenticated(Healthcheck.get)

os.environ.pop("FLOWER_UNAUTHENTICATED_API", None)

# Wrong passwords in a row, and when the last one came, by address.
_wrong: dict[str, tuple[int, float]] = {}
_MAX_ADDRESSES = 1_000
_current_user = BaseHandler.get_current_user


def _throttled(handler: Any) -> Any:
    """As Flower's own; but a password is not even looked at while its address has to wait."""
    if "Authorization" not in handler.request.headers:
        return _current_user(handler)  # As a browser's first request, which is then asked for it.
    who = str(handler.request.remote_ip)
    failures, last = _wrong.get(who, (0, 0.0))
    if wait_s := tries.wait_s(failures, time.monotonic() - last):
        raise HTTPError(429, tries.in_words(wait_s))
    try:
        user = _current_user(handler)
    except HTTPError:
        if len(_wrong) >= _MAX_ADDRESSES:
            _wrong.clear()
        _wrong[who] = (failures + 1, time.monotonic())
        raise
    _wrong.pop(who, None)
    return user


BaseHandler.get_current_user = _throttled
