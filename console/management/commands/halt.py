"""`manage.py halt`: no new order at any venue; --cancel also cancels open buys."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db import DatabaseError

from console.management.arguments import seconds
from console.management.settling import settle
from hedgehog_project import emergency
from hedgehog_project.emergency import Emergency
from hedgehog_project.hurry import hurry
from hedgehog_project.outside import sentence
from trading.models.switch import TradingMode
from trading.risk import kill_switch
from trading.risk.kill_switch import Halted, clock, in_a_line, name_of


class Command(BaseCommand):
    # Whatever else is set wrongly, this works.
    requires_system_checks: list[str] = []
    help = (
        "Halts trading: no new order is sent at any venue. Shows within seconds how far the halt reaches and which "
        "orders are in flight. Open orders stay; --cancel cancels open buys. `manage.py resume` resumes trading."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        emergency.add_arguments(parser, seconds)

    def run_from_argv(self, argv: list[str]) -> None:
        hurry()
        kill_switch.turned.disabled = True
        super().run_from_argv(argv)

    def handle(self, *args: Any, **options: Any) -> None:
        mode = TradingMode.REDUCING if options["reduce"] else TradingMode.HALTED
        if options["dry_run"]:
            self._show_what_would_be_done(mode, options["cancel"])
            return
        watch = emergency.current()
        halted = kill_switch.halt_now(
            options["by"] or emergency.user(),
            options["reason"],
            mode,
            options["cancel"],
            filed=(watch.wanted, watch.halted_at) if watch is not None and not watch.problem else None,
        )
        for line in halted.lines():
            self.stdout.write(line)
        if not halted.holds:
            raise CommandError("Nothing was halted.")
        if watch is not None:
            watch.last_words = lambda: "Orders in flight cannot be looked up in time."
        problems = self._wait_for_calls(halted, watch)
        if options["cancel"]:
            settle(
                self.stdout,
                on_their_way=kill_switch.on_their_way,
                resting=kill_switch.resting_buys,
                what="buys",
                stays=f"Trading stays {mode}",
                timeout_s=options["timeout"],
            )
        elif problems:
            raise CommandError(" ".join(problems))
        if halted.everywhere:
            raise CommandError("The halt is not in the database yet.")
        self.stdout.write("Run `manage.py resume` to resume trading.")

    def _wait_for_calls(self, halted: Halted, watch: Emergency | None) -> list[str]:
        """Waits until no call can begin any more; what nobody knows then, in words."""
        what = "order" if halted.mode == TradingMode.HALTED else "buy"
        try:
            found = kill_switch.found_on_their_way(halted)
            for line in found.lines():
                self.stdout.write(line)
            if watch is not None:
                watch.last_words = lambda: f"The {what}s above are sent by {clock(found.until)} or never."
            unclear = found.wait()
        except DatabaseError as error:
            return [sentence(f"{what.capitalize()}s in flight cannot be looked up: {in_a_line(error)}")]
        for line in kill_switch.in_the_end(halted, unclear):
            self.stdout.write(line)
        return ["Not every order in flight is confirmed."] if unclear else []

    def _show_what_would_be_done(self, mode: TradingMode, cancels: bool) -> None:
        self.stdout.write(f"Trading would be {mode}.")
        rows = list(kill_switch.resting_buys().select_related("symbol")) if cancels else []
        if cancels:
            self.stdout.write(f"Open buys that would be cancelled: {len(rows)}")
        for row in rows:
            self.stdout.write(f"  {name_of(row)}")
        self.stdout.write("Dry run: nothing was changed.")
