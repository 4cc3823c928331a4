"""`manage.py identity`: this installation, others on its keys, and which of two copies continues."""

from argparse import ArgumentParser
from typing import Any

from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError

from trading.exchange.client import exchange_at
from trading.identity import copies, others
from trading.models import Installation
from trading.reconciliation import living_on
from trading.reconciliation.reconcile import reconcile, venues_in_use

BY = "manage.py identity"


class Command(BaseCommand):
    help = (
        "Shows this installation's identity, which is part of each client order id, and other installations whose "
        "orders were seen on its keys. If a copy of it is running, keep or new decides which one continues. keep: "
        "this one; the copy was stopped, and its orders are taken over. new: this one gets a new identity; its "
        "traders are abandoned and their orders stay with the copy. take-over: another installation is gone for "
        "good; `manage.py orphans` then lists its orders, to adopt or cancel."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("what", nargs="?", choices=["keep", "new", "take-over"], help="default: show it")
        parser.add_argument("identity", nargs="?", help="identity to take over")
        parser.add_argument("--dry-run", action="store_true", help="show what would be done, change nothing")
        parser.add_argument("--yes", action="store_true", help="do not ask for confirmation")

    def handle(self, *args: Any, **options: Any) -> None:
        what, identity = options["what"], options["identity"] or ""
        if (what == "take-over") != bool(identity):
            raise CommandError("Only take-over needs an identity: the one that is gone.")
        match what:
            case None:
                self._show()
            case "keep":
                self._keep(options)
            case "new":
                self._become_new(options)
            case "take-over":
                self._take_over(identity, options)

    def _show(self) -> None:
        row = Installation.own()
        self.stdout.write(f"Identity {row.identity}, since {others.moment(row.made_at)}.")
        told = [*copies.told(), *(others.sentence(other) for other in others.strangers())]
        for sentence in told or ["No other installation was seen on its keys."]:
            self.stdout.write(sentence)

    def _keep(self, options: dict[str, Any]) -> None:
        told = copies.told()
        if not told:
            raise CommandError("No running copy of this installation is known: nothing to decide.")
        for sentence in told:
            self.stdout.write(sentence)
        self.stdout.write(
            "This installation keeps the identity. Stop the copy first, or run `manage.py identity new` there: if it "
            "still trades, both sell the same coins. Its orders go to their traders here; the others become orphans: "
            "see `manage.py orphans`."
        )
        if not self._is_confirmed("Has the copy been stopped for good?", options):
            return
        count = living_on.keep(BY)
        self.stdout.write(f"Identity kept. Traders checking again: {count}")
        for venue in venues_in_use():
            found = reconcile(venue, exchange_at, is_thorough=True)
            self.stdout.write(f"{found}")
            for line in found.text.splitlines():
                self.stdout.write(f"  {line}")

    def _become_new(self, options: dict[str, Any]) -> None:
        old = Installation.own().identity
        plan = living_on.plan()
        self.stdout.write(
            f"This installation gets a new identity. All orders placed as {old} belong to the copy that keeps it: "
            "nothing is cancelled. These traders are abandoned here with their positions, and these orders are let "
            "go; run `manage.py identity keep` at the copy, which then takes them over. "
            f"Traders: {len(plan.traders)}, orders: {len(plan.orders)}, orphans: {len(plan.orphans)}"
        )
        for each in (*plan.traders, *plan.orders):
            self.stdout.write(f"  {each}")
        self.stdout.write(
            "Symbols that are on continue with new traders, on the balance that both share. To avoid that, turn them "
            "off first or use another key."
        )
        if self._is_confirmed("Give this installation a new identity?", options):
            self.stdout.write(f"New identity: {living_on.become_new(BY).identity}.")

    def _take_over(self, identity: str, options: dict[str, Any]) -> None:
        self.stdout.write(
            f"The orders that {identity} has placed so far become orphans here, to adopt or cancel one by one; none "
            "is touched automatically. If it still trades, both would act on the same orders."
        )
        if not self._is_confirmed(f"Is the installation {identity} gone for good?", options):
            return
        try:
            living_on.take_over(identity, BY)
        except ValidationError as error:
            raise CommandError(" ".join(error.messages)) from None
        self.stdout.write(
            "Identity taken over. Run `manage.py reconcile` to find its orders, then `manage.py orphans`."
        )

    def _is_confirmed(self, question: str, options: dict[str, Any]) -> bool:
        if options["dry_run"]:
            self.stdout.write("Dry run: nothing was changed.")
            return False
        if options["yes"]:
            return True
        try:
            answer = input(f"{question} [y/N] ")
        except EOFError:
            raise CommandError("No input: add --yes to confirm.") from None
        if answer.strip().lower() not in ("y", "yes"):
            raise CommandError("Nothing was changed.")
        return True
