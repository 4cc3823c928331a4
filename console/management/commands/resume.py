"""`manage.py resume`: resumes trading after a halt."""

from argparse import ArgumentParser
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.db import DatabaseError

from hedgehog_project import emergency, run_lock
from hedgehog_project.hurry import hurry
from hedgehog_project.outside import sentence
from trading.models import Switch
from trading.risk import kill_switch
from trading.risk.kill_switch import in_a_line


class Command(BaseCommand):
    # Whatever else is set wrongly, this works.
    requires_system_checks: list[str] = []
    help = "Resumes trading after `manage.py halt`. Waiting traders check again within seconds."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--by", default="", metavar="NAME", help="name to record; default: the current system user"
        )

    def run_from_argv(self, argv: list[str]) -> None:
        hurry()
        super().run_from_argv(argv)

    def handle(self, *args: Any, **options: Any) -> None:
        row = Switch.row()
        if row.is_active:
            self.stdout.write("Trading is already active.")
            return
        try:
            count = kill_switch.resume(options["by"] or emergency.user(), is_logged=False)
        except DatabaseError as error:
            if not kill_switch.resume_here():
                raise CommandError(f"Trading stays {row.mode}: {sentence(in_a_line(error))} Try again.") from None
            self.stdout.write("Trading resumed. The halt had not reached the database.")
            return
        except OSError as error:
            raise CommandError(f"Trading stays {row.mode}: {error.strerror}: {error.filename}") from None
        if stopped := run_lock.told(settings.HEDGEHOG_HOME):
            self.stdout.write(f"Trading resumed; before: {row.mode_text}. {stopped}")
            return
        self.stdout.write(f"Trading resumed; before: {row.mode_text}. Traders checking again: {count}")
