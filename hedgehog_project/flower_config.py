"""Flower's configuration file (`celery flower --conf=…`): where it listens, what it keeps, who may look."""

import os

from flower.views.monitor import Healthcheck, Metrics
from tornado.web import authenticated

# The names below are Flower's options, read from this file's namespace.
from hedgehog_project.env import env, home
from hedgehog_project.home import FLOWER_PASSWORD, FLOWER_USER, secret

address = "127.0.0.1"
port = env.int("FLOWER_PORT", default=5555)
basic_auth = [f"{FLOWER_USER}:{secret(home(), FLOWER_PASSWORD)}"]
# Tasks stay visible over a restart; saved every ten seconds, for a kill -9 saves nothing.
persistent = True
db = str(home() / "flower")
state_save_interval = 10_000
max_tasks = 20_000
# A worker that is started anew has another name: its process id is in it.
purge_offline_workers = 3600
tasks_columns = "name,args,state,received,runtime,worker"

# Flower leaves these two open to anyone even when it asks for a login elsewhere.
Metrics.get = authenticated(Metrics.get)
Healthcheck.get = authenticated(Healthcheck.get)

os.environ.pop("FLOWER_UNAUTHENTICATED_API", None)
