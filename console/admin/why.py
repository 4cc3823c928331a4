"""The answer to “why does it not buy?”, as the symbol's page shows it."""

from typing import Any

from django.urls import reverse

from console.admin import show
from console.findings import Finding, Severity, Topic
from console.why import Answer


def _finding(finding: Finding) -> dict[str, Any]:
    return {"text": str(finding), "is_alarm": finding.severity == Severity.ALARM or finding.topic == Topic.BALANCE}


def shown(answer: Answer) -> dict[str, Any]:
    return {
        "reasons": [_finding(each) for each in answer.reasons],
        "others": [_finding(each) for each in answer.others],
        "has_errors": answer.has_errors,
        "slots": [
            {
                "name": show.link(reverse("admin:trading_trader_change", args=(line.trader.pk,)), f"#{line.number}")
                if line.trader
                else f"#{line.number}",
                "state": show.state(line.trader.state) if line.trader else "",
                "text": line.text,
                "is_error": line.is_error,
            }
            for line in answer.slots
        ],
    }
