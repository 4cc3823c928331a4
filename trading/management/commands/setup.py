"""`manage.py setup`: prepares the first start. Run again, it changes nothing."""

import secrets
from argparse import ArgumentParser
from typing import Any

from django.conf import settings
from django.contrib.auth import get_user_model
from django.core.management.base import BaseCommand
from django.db import transaction

from hedgehog_project import halt_request
from hedgehog_project.home import write_secret
from trading.identity import runs
from trading.models import Installation, Switch, Symbol
from trading.schedule import make_schedule
from trading.symbols.listings import named
from trading.symbols.turning import set_trading


class Command(BaseCommand):
    help = (
        "Prepares an empty database: its identity, the schedule, the mock exchange as venue, trading on for "
        "HEDGEHOG_SYMBOLS, and an admin user with a random password. Existing data is not changed."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--no-admin", action="store_true", help="do not create an admin user")

    @transaction.atomic
    def handle(self, *args: Any, **options: Any) -> None:
        # With room on the disk while there is some.
        halt_request.prepare(settings.HEDGEHOG_HOME)
        make_schedule()
        Switch.objects.get_or_create(pk=1)
        Installation.own()
        # What runs from now on may run on a restored backup: it is another run.
        runs.end()
        if not Symbol.objects.exists():
            for name in settings.HEDGEHOG_SYMBOLS:
                set_trading(named(name), True)
            self.stdout.write(
                f"Trading begins with {', '.join(settings.HEDGEHOG_SYMBOLS)}, as far as the exchange lists them"
            )
        users = get_user_model()
        if not options["no_admin"] and not users.objects.filter(is_superuser=True).exists():
            password = secrets.token_urlsafe(12)
            users.objects.create_superuser("admin", "", password)
            # For the banner of `make run`, which shows it once and removes the file.
            path = settings.HEDGEHOG_HOME / "first_password"
            write_secret(path, password + "\n")
            self.stdout.write(f"User admin created; password in {path} until `make run` has shown it")
