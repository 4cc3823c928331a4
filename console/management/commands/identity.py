"""`manage.py identity`: who this installation is, who else trades on its keys, and which of two copies lives on."""

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
        "Shows this installation's identity, which is in the name of each of its orders, and the other installations "
        "whose orders were seen on its keys. Where a copy of it is alive, keep or new say which one lives on. keep: "
        "this one does, the copy was stopped; what the copy has placed is taken in. new: this one becomes another "
        "installation; its traders end, and their orders are left to the copy. take-over: another installation is "
        "gone for good; `manage.py orphans` then shows its orders, to adopt or to cancel."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("what", nargs="?", choices=["keep", "new", "take-over"], help="default: shows it")
        parser.add_argument("identity", nargs="?", help="of take-over: whose orders become yours")
        parser.add_argument("--dry-run", action="store_true", help="says what it would do and changes nothing")
        parser.add_argument("--yes", action="store_true", help="does not ask")

    def handle(self, *args: Any, **options: Any) -> None:
        what, identity = options["what"], options["identity"] or ""
        if (what == "take-over") != bool(identity):
            raise CommandError("take-over, and nothing else, takes an identity: that of the one that is gone")
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
        self.stdout.write(f"This installation has the identity {row.identity}, since {others.moment(row.made_at)}.")
        told = [*copies.told(), *(others.sentence(other) for other in others.strangers())]
        for sentence in told or ["No other installation was seen on its keys."]:
            self.stdout.write(sentence)

    def _keep(self, options: dict[str, Any]) -> None:
        told = copies.told()
        if not told:
            raise CommandError("No copy of this installation is known to be alive: there is nothing to decide.")
        for sentence in told:
            self.stdout.write(sentence)
        self.stdout.write(
            "This one lives on. Stop the copy first, or run `manage.py identity new` there: if it still trades, both "
            "sell the same coins. What it has placed goes to its trader here where that can claim it, else "
            "`manage.py orphans` shows it."
        )
        if not self._is_confirmed("Has the copy been stopped for good?", options):
            return
        enqueued = living_on.keep(BY)
        self.stdout.write(f"This installation lives on. Traders that waited and go on: {enqueued}")
        for venue in venues_in_use():
            found = reconcile(venue, exchange_at, is_thorough=True)
            self.stdout.write(f"{found}")
            for line in found.text.splitlines():
                self.stdout.write(f"  {line}")

    def _become_new(self, options: dict[str, Any]) -> None:
        old = Installation.own().identity
        plan = living_on.plan()
        self.stdout.write(
            f"This installation gets another identity. All that it has placed as {old} belongs to the copy that "
            "keeps it: nothing is cancelled. These traders end here, with what they hold, and these orders are let "
            "go of; run `manage.py identity keep` at the copy, which then takes them in. "
            f"Traders: {len(plan.traders)}, orders: {len(plan.orders)}, orphans: {len(plan.orphans)}"
        )
        for each in (*plan.traders, *plan.orders):
            self.stdout.write(f"  {each}")
        self.stdout.write(
            "Symbols that are on trade on, with new traders, on the balance that both share: turn them off first, or "
            "use another key, where that is not wanted."
        )
        if self._is_confirmed("Shall this installation become another one?", options):
            self.stdout.write(f"This installation has the identity {living_on.become_new(BY).identity} now.")

    def _take_over(self, identity: str, options: dict[str, Any]) -> None:
        self.stdout.write(
            f"What {identity} has placed until now becomes yours to adopt or to cancel, one by one; nothing of it is "
            "touched by itself. If it still trades, it and you would act on the same orders."
        )
        if not self._is_confirmed(f"Is the installation {identity} gone for good?", options):
            return
        try:
            living_on.take_over(identity, BY)
        except ValidationError as error:
            raise CommandError(" ".join(error.messages)) from None
        self.stdout.write("Done. `manage.py reconcile` looks for its orders, and `manage.py orphans` shows them.")

    def _is_confirmed(self, question: str, options: dict[str, Any]) -> bool:
        if options["dry_run"]:
            self.stdout.write("Nothing was changed.")
            return False
        if options["yes"]:
            return True
        try:
            answer = input(f"{question} [y/N] ")
        except EOFError:
            raise CommandError("nobody answers: run it with --yes where you are sure") from None
        if answer.strip().lower() not in ("y", "yes"):
            raise CommandError("nothing was changed")
        return True
