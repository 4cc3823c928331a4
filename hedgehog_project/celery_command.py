"""`python -m hedgehog_project.celery_command worker …` or `beat …`: Celery's own commands, without its plug-ins.

`celery` itself imports the command of every package that offers it one, and with Flower's all of Flower: 14 MB and a
sixth of a second for each process.
"""

import sys

from celery.bin.base import CLIContext
from celery.bin.beat import beat
from celery.bin.worker import worker

from hedgehog_project.celery import app

COMMANDS = {"worker": worker, "beat": beat}


def main(arguments: list[str]) -> None:
    """Ends with the command's exit code."""
    name = arguments[0] if arguments else ""
    if name not in COMMANDS:
        sys.exit(f"celery_command: {name!r} is none of {', '.join(COMMANDS)}")
    quiet = CLIContext(app=app, no_color=True, workdir=None, quiet=True)
    COMMANDS[name].main(arguments[1:], prog_name=f"celery {name}", obj=quiet)


if __name__ == "__main__":
    main(sys.argv[1:])
