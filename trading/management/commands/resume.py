"""`manage.py resume`: trading goes on after a halt."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand

from trading import halting
from trading.management.commands.halt import user
from trading.models import Switch


class Command(BaseCommand):
    # Whatever else is set wrongly, this works.
    requires_system_checks: list[str] = []
    help = "Lets trading go on after `manage.py halt`. Traders that wait are rung within seconds."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--by", default="", metavar="NAME", help="default: the user of this terminal")

    def handle(self, *args: Any, **options: Any) -> None:
        row = Switch.row()
        if row.is_active:
            self.stdout.write("Trading is active already.")
            return
        count = halting.resume(options["by"] or user())
        self.stdout.write(f"Trading is active again. Until now: {row.mode_text}. Traders that are rung: {count}")
