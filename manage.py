#!/usr/bin/env python
"""Django's command line for Hedgehog: `manage.py help` lists the commands."""

import os
import sys

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "hedgehog_project.settings")

try:
    from hedgehog_project.cli import main
except ModuleNotFoundError as error:
    # Another Python than that of the environment, or there is none yet. What is ours is never missing.
    if (error.name or "").split(".")[0] in (
        "hedgehog_project",
        "trading",
        "console",
        "streamer",
        "history",
        "candles",
        "binance_mock",
    ):
        raise
    sys.exit(
        f"hedgehog: this Python ({sys.executable}) lacks {error.name}. Run `make run` first, and use "
        ".venv/bin/python manage.py"
    )

if __name__ == "__main__":
    main()
