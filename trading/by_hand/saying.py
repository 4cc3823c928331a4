"""How a deed is saved: once by its key, in one transaction with what it changes, and then its traders are woken."""

import hashlib
import logging
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from functools import partial
from typing import Any

import redis
from django.core.exceptions import ValidationError
from django.db import transaction
from django.utils import timezone
from kombu.exceptions import OperationalError

from hedgehog_project.queues import ENTRIES, EXITS
from trading.core.journal import Cause, Kind, Source
from trading.models import Instruction, Symbol, Trader
from trading.models.journal import write
from trading.traders.rows import locked
from trading.waking import enqueue

log = logging.getLogger(__name__)

KEY = 64  # the longest key


@dataclass(frozen=True)
class Hands:
    """Who does it, and why. `key`: of this deed alone; the same one again changes nothing. Empty: a new one."""

    by: str
    why: str = ""
    key: str = ""

    def __post_init__(self) -> None:
        if not self.by.strip():
            raise ValueError("whoever acts has a name")

    @property
    def cause(self) -> Cause:
        return Cause(Source.PERSON, f"{self.by}: {self.why}" if self.why else self.by)

    def for_each(self, number: object) -> "Hands":
        """The same person's deed at one of many."""
        return Hands(self.by, self.why, f"{_within(self.key, KEY - 24)}/{number}" if self.key else "")


@dataclass(frozen=True)
class Outcome:
    """What was saved. `is_new`: False where the same was said before, and nothing was changed now."""

    instruction: Instruction
    is_new: bool

    @property
    def trader(self) -> Trader | None:
        return self.instruction.trader


def save(hands: Hands, what: str, text: str = "", **values: Any) -> Outcome:
    """To be called in the transaction that changes what is wanted, which is to be rolled back where it can't be.

    Raises ValidationError where the key is another deed's, or was used elsewhere.
    """
    instruction, is_new = Instruction.objects.get_or_create(
        key=_within(hands.key, KEY) or secrets.token_hex(16),
        defaults={"what": what, "by": hands.by[:150], "why": hands.why[:200], "text": text[:300], **values},
    )
    if not is_new and (instruction.what != what or not _is_there(instruction, values)):
        raise ValidationError(
            f"The key {hands.key} belongs to something else that was done: {instruction.text or instruction.what}, "
            f"by {instruction.by}. Nothing was changed."
        )
    return Outcome(instruction, is_new)


def _is_there(done: Instruction, values: Mapping[str, Any]) -> bool:
    """Whether a deed that is saved was done where this one is to be. In a slot the next trader may have followed:
    whoever says it again means the one that there was.
    """
    trader, was = values.get("trader"), done.trader
    if trader is not None and was is not None:
        return (trader.symbol_id, trader.venue, trader.slot) == (was.symbol_id, was.venue, was.slot)
    given = {name: value for name, value in values.items() if name in ("symbol", "venue")}
    return all(getattr(done, name) == value for name, value in given.items())


def _within(key: str, length: int) -> str:
    """The key, or for one that is too long another that only the same one gives."""
    return key if len(key) <= length else hashlib.sha256(key.encode()).hexdigest()[:length]


def live(trader_id: int) -> Trader:
    """The trader, its row locked until the transaction ends. Raises ValidationError where its cycle is over."""
    trader: Trader | None = locked(trader_id)
    if trader is None:
        raise ValidationError("There is no such trader.")
    if trader.has_ended:
        raise ValidationError(f"{trader} has finished: there is nothing left to do for it.")
    return trader


def change(trader: Trader, hands: Hands, text: str, **values: Any) -> None:
    """Writes what is wanted into its locked row and its journal, and has it look again."""
    for name, value in values.items():
        setattr(trader, name, value)
    # Should nobody hear of it, the leader has it look again.
    trader.retry_at = timezone.now()
    trader.version += 1
    trader.save(update_fields=[*values, "retry_at", "version"])
    write(trader, hands.cause, Kind.BY_HAND, text, hands.why)
    wake(trader, text)


def wake(trader: Trader, why: str) -> None:
    """After the transaction that is open."""
    transaction.on_commit(partial(_wake, trader.pk, trader.symbol.name, trader.holds, why))


def _wake(pk: int, symbol: str, holds: bool, why: str) -> None:
    try:
        enqueue.nudge(pk, symbol, why, True, EXITS if holds else ENTRIES, Source.PERSON)
    except (OperationalError, redis.RedisError) as away:
        log.warning("trader not woken, the leader does: trader=%s error=%s", pk, away)


def named(trader: Trader) -> str:
    return f"{trader.symbol.name} #{trader.slot} at {trader.venue}"


def amount(value: Decimal, symbol: Symbol) -> str:
    """In quote, rounded for people."""
    return f"{value.quantize(Decimal('0.01'))} {symbol.quote_asset}"
