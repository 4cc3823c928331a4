"""What a diagnosis is made of: findings, each with its severity, its topic, a text and what to do."""

from dataclasses import dataclass
from enum import StrEnum


class Severity(StrEnum):
    """How much it matters."""

    NOTE = "note"  # Worth knowing.
    ALARM = "alarm"  # Something does not get on until it is fixed.


class Topic(StrEnum):
    """What a finding is about, for programs and for pages that show some of them elsewhere."""

    SWITCH = "switch"  # Trading is halted or reduced.
    INSTALLATION = "installation"  # Another one on our key, or a copy of this one.
    VENUE = "venue"  # Its address, its key, its clock.
    PROCESS = "process"  # One is down.
    PROGRESS = "progress"  # One does not get on although it is up.
    RATE_LIMIT = "rate_limit"  # The exchange's.
    SYMBOL = "symbol"  # Whether one is traded at all, and whether the exchange lets us.
    PRICES = "prices"
    SETTINGS = "settings"
    RISK_LIMIT = "risk_limit"
    TRADER = "trader"
    ORDER = "order"
    BALANCE = "balance"


@dataclass(frozen=True)
class Finding:
    """Both texts are whole sentences, for people."""

    severity: Severity
    topic: Topic
    text: str
    advice: str = ""
    stops_buys: bool = False  # of all symbols, or of the one that was asked about

    def __str__(self) -> str:
        return f"{self.text} {self.advice}".rstrip()

    @property
    def as_json(self) -> dict[str, object]:
        return {
            "severity": str(self.severity),
            "topic": str(self.topic),
            "text": self.text,
            "advice": self.advice,
            "stops_buys": self.stops_buys,
        }


def alarm(topic: Topic, text: str, advice: str = "", *, stops_buys: bool = True) -> Finding:
    return Finding(Severity.ALARM, topic, text, advice, stops_buys)


def note(topic: Topic, text: str, advice: str = "", *, stops_buys: bool = False) -> Finding:
    return Finding(Severity.NOTE, topic, text, advice, stops_buys)
