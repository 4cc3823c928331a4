"""`manage.py worker`: a Celery worker that restarts automatically, for machines without a supervisor."""

import argparse
import sys
from argparse import ArgumentParser
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand

from hedgehog_project import halt_request
from hedgehog_project.keeper import Keeper

# Those of both workers in supervisord.conf, in one for all queues.
WORKER = [
    *("-m", "hedgehog_project.celery_command", "worker", "-n", "worker-{pid}@%h"),
    *("-c", str(settings.WORKER_THREADS + settings.EXIT_THREADS), "-E"),
    *("--loglevel=INFO", "--without-gossip", "--without-mingle"),
]


class Command(BaseCommand):
    help = (
        "Runs a Celery worker and restarts it when it exits: after one second, with a growing delay while it does "
        "not stay up. For machines without `make run`. Options are passed to Celery: "
        "`manage.py worker -n second@%h -c 16`."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("options", nargs=argparse.REMAINDER, metavar="OPTION", help="option of `celery worker`")

    def run_from_argv(self, argv: list[str]) -> None:
        # The options are Celery's: argparse would take -n and --loglevel for its own.
        if argv[2:3] and argv[2] not in ("-h", "--help", "--"):
            argv = [*argv[:2], "--", *argv[2:]]
        super().run_from_argv(argv)

    def handle(self, *args: Any, **options: Any) -> None:
        # A machine of its own has a home of its own: its orders can be halted there too.
        halt_request.prepare(settings.HEDGEHOG_HOME)
        more = [option for option in options["options"] if option != "--"]
        command = [sys.executable, *WORKER, *more]
        raise SystemExit(Keeper(command, lambda text: self.stderr.write(f"worker: {text}")).run())
