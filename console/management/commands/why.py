"""`manage.py why ETHUSDT`: what blocks a symbol's buys."""

import json
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from console.findings import Topic
from console.why import Answer, why
from hedgehog_project.tables import table
from trading.models import Symbol
from trading.symbols import listings


class Command(BaseCommand):
    help = "Shows what blocks a symbol's buys and what each trader is waiting for. Read-only."
    requires_system_checks = ["redis"]

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("symbol", metavar="SYMBOL", help="such as ETHUSDT")
        parser.add_argument("--json", action="store_true", help="print JSON")

    def handle(self, *args: Any, **options: Any) -> None:
        name = options["symbol"].upper()
        symbol = Symbol.objects.select_related("settings").filter(name=name).first()
        if symbol is None:
            raise CommandError(listings.never_on(name))
        answer = why(symbol)
        self.stdout.write(json.dumps(as_json(answer), indent=2) if options["json"] else as_text(answer))


def as_json(answer: Answer) -> dict[str, Any]:
    return {
        "symbol": answer.symbol.name,
        "venue": str(answer.venue),
        "reasons": [str(each) for each in answer.reasons],
        "missing": [str(each) for each in answer.findings if each.topic == Topic.BALANCE],
        "findings": [each.as_json for each in answer.findings],
        "slots": [
            {
                "slot": line.number,
                "trader": line.trader.pk if line.trader else None,
                "state": str(line.trader.state) if line.trader else None,
                "text": line.text,
                "is_error": line.is_error,
            }
            for line in answer.slots
        ],
    }


def as_text(answer: Answer) -> str:
    name, venue = answer.symbol.name, answer.venue
    if answer.reasons:
        head = [f"{name} at {venue} is not buying:", *(f"  - {reason}" for reason in answer.reasons)]
    elif answer.has_errors:
        head = [f"Nothing blocks {name} at {venue}, but some traders have errors:"]
    else:
        head = [f"Nothing blocks {name} at {venue}; traders by slot:"]
    rows = [
        [f"#{line.number}", line.trader.state.lower() if line.trader else "-", line.text] for line in answer.slots
    ]
    notes = [f"Note: {each}" for each in answer.others]
    return "\n".join([*head, *(["", *table(rows)] if rows else []), *(["", *notes] if notes else [])])
