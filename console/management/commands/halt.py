"""`manage.py halt`: no new order from now on, everywhere; with --cancel, resting buys are cancelled."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db import DatabaseError

from console.management.arguments import seconds
from console.management.settling import settle
from hedgehog_project import emergency
from hedgehog_project.emergency import Emergency
from hedgehog_project.hurry import hurry
from trading.models.switch import TradingMode
from trading.risk import kill_switch
from trading.risk.kill_switch import Halted, clock, in_a_line, name_of


class Command(BaseCommand):
    # Whatever else is set wrongly, this works.
    requires_system_checks: list[str] = []
    help = (
        "Stops trading: no new order is let out, at any venue. Says within seconds how far that reaches, and which "
        "orders were on their way. Orders that rest stay where they are; --cancel cancels the buys among them. "
        "`manage.py resume` lets trading go on."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        emergency.add_arguments(parser, seconds)

    def run_from_argv(self, argv: list[str]) -> None:
        hurry()
        super().run_from_argv(argv)

    def handle(self, *args: Any, **options: Any) -> None:
        mode = TradingMode.REDUCING if options["reduce"] else TradingMode.HALTED
        if options["dry_run"]:
            self._show_what_would_be_done(mode, options["cancel"])
            return
        watch = emergency.current()
        halted = kill_switch.halt_now(
            options["by"] or emergency.user(),
            options["why"],
            mode,
            options["cancel"],
            filed=(watch.wanted, watch.halted_at) if watch is not None and not watch.problem else None,
        )
        for line in halted.lines():
            self.stdout.write(line)
        if not halted.holds:
            raise CommandError("Nothing was halted.")
        if watch is not None:
            watch.last_words = lambda: "Which orders were on their way can't be looked up in time."
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
            raise CommandError("The database does not have it yet.")
        self.stdout.write("`manage.py resume` lets trading go on.")

    def _wait_for_calls(self, halted: Halted, watch: Emergency | None) -> list[str]:
        """Waits until no call can begin any more; what nobody knows then, in words."""
        what = "order" if halted.mode == TradingMode.HALTED else "buy"
        try:
            found = kill_switch.found_on_their_way(halted)
            for line in found.lines():
                self.stdout.write(line)
            if watch is not None:
                watch.last_words = lambda: f"The {what}s above are sent until {clock(found.until)} or never."
            unclear = found.wait()
        except DatabaseError as error:
            return [f"Which {what}s were saved before can't be looked up: {in_a_line(error)}."]
        for line in kill_switch.in_the_end(halted, unclear):
            self.stdout.write(line)
        return ["Not every order that was on its way is clear."] if unclear else []

    def _show_what_would_be_done(self, mode: TradingMode, cancels: bool) -> None:
        self.stdout.write(f"Trading would be {mode}.")
        rows = list(kill_switch.resting_buys().select_related("symbol")) if cancels else []
        if cancels:
            self.stdout.write(f"Resting buys that would be cancelled: {len(rows)}")
        for row in rows:
            self.stdout.write(f"  {name_of(row)}")
        self.stdout.write("Nothing was changed: this is a dry run.")
