"""The settings of a simulated world: the project's own, a database in memory, and no Redis at all."""

import atexit
import os
import shutil
import tempfile

from tests.support.environment import setting_names

for name in setting_names():
    os.environ.pop(name, None)
    os.environ.pop(f"{name}_FILE", None)
_home = tempfile.mkdtemp(prefix="hedgehog-simulation-")
_made_by = os.getpid()


def _remove_home() -> None:
    # A forked worker runs this too, and the home is its parent's.
    if os.getpid() == _made_by:
        shutil.rmtree(_home, ignore_errors=True)


atexit.register(_remove_home)
# Nothing listens at port 1: whoever looks for Redis in here gets an error, and not the developer's.
os.environ.update(HEDGEHOG_ENV_FILE=os.devnull, HEDGEHOG_HOME=_home, REDIS_URL="redis://127.0.0.1:1/0")

from hedgehog_project.settings import *  # noqa: E402, F403

DATABASES = {
    "default": {
        "ENGINE": "django.db.backends.sqlite3",
        "NAME": ":memory:",
        "OPTIONS": {"transaction_mode": "IMMEDIATE"},
    }
}
LOGGING_CONFIG = None
