"""How likely each misfortune is, each time that it could strike."""

from collections import Counter
from dataclasses import dataclass, fields
from random import Random


@dataclass(frozen=True)
class Luck:
    # The processes.
    dies: float = 0.12  # killed at any statement, call or copy
    overtaken: float = 0.15  # others run while it calls the exchange, or before and after
    held_up: float = 0.3  # of those: for seconds
    thinks_long: float = 0.1  # a strategy: others may run meanwhile, as above
    clock_set: float = 0.02  # at each step: our wall clock, by up to six hours
    # The line to the exchange.
    answer_lost: float = 0.06
    never_arrives: float = 0.05
    arrives_late: float = 0.04
    refused: float = 0.03
    banned: float = 0.01  # for a while
    question_fails: float = 0.08
    not_found: float = 0.05  # the exchange does not find an order for a moment
    symbol_not_found: float = 0.1  # the exchange says for a moment that it lists no such symbol
    not_found_long: float = 0.1  # of those: for long, wherever it is looked for
    # What is told.
    report_lost: float = 0.08
    report_twice: float = 0.15
    report_unacknowledged: float = 0.03
    wake_up_lost: float = 0.1
    wake_up_twice: float = 0.05
    wake_up_late: float = 0.1
    books_restored: float = 0.15  # once a world: the database is put back to what it was some time ago
    copy_lost: float = 0.03
    redis_emptied: float = 0.004
    redis_refuses: float = 0.006  # for a while, up to a minute and a half
    beat_lost: float = 0.6
    queue_is_long: float = 0.02
    leaders_meet: float = 0.03  # at each statement of one
    feed_gap: float = 0.01  # trades are missing and being fetched
    # The exchange, its owner and other hands.
    owner_cancels: float = 0.03
    owner_takes: float = 0.02  # some of what is free of what traders hold, or of what was left over
    exchange_expires: float = 0.02
    prevents_self_trade: float = 0.01
    halts_symbol: float = 0.006
    changes_filters: float = 0.01
    market_crashes: float = 0.01
    # People.
    turned_off: float = 0.015
    shut_down: float = 0.008
    abandoned: float = 0.004
    urged: float = 0.02
    halted: float = 0.012


NO_MISFORTUNE = Luck(**{each.name: 0.0 for each in fields(Luck)})


class Chance(Random):
    """The world's dice, which counts what has struck."""

    def __init__(self, seed: int, luck: Luck) -> None:
        super().__init__(seed)
        self.luck = luck
        self.struck: Counter[str] = Counter()

    def strikes(self, misfortune: str) -> bool:
        if self.random() >= getattr(self.luck, misfortune):
            return False
        self.struck[misfortune] += 1
        return True
