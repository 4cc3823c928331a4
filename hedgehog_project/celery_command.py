"""`python -m hedgehog_project.celery_command worker …`, `beat …`, `flower …`: the command, and nothing beside it.

`celery` itself imports all of its commands with what they need of the terminal, and the command of every package that
offers it one, such as Flower: 14 MB and a sixth of a second for each process.
"""

import sys
from importlib import import_module

import click
from celery.bin.base import CLIContext

# Each with the module that has it, and that of the app it runs for.
COMMANDS = {
    "worker": ("celery.bin.worker", "hedgehog_project.celery"),
    "beat": ("celery.bin.beat", "hedgehog_project.celery"),
    "flower": ("flower.command", "hedgehog_project.flower_app"),
}


def main(arguments: list[str]) -> None:
    """Ends with the command's exit code."""
    name = arguments[0] if arguments else ""
    if name not in COMMANDS:
        sys.exit(f"celery_command: {name!r} is none of {', '.join(COMMANDS)}")
    module, of_app = COMMANDS[name]
    app, command = import_module(of_app).app, getattr(import_module(module), name)
    quiet = CLIContext(app=app, no_color=True, workdir=None, quiet=True)
    click.Group("celery", commands={name: command}).main(arguments, prog_name="celery", obj=quiet)


if __name__ == "__main__":
    main(sys.argv[1:])
