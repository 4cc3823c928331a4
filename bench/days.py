"""The recorded days, traded by the real processes in five slots: what it brings, and whether the books agree.

    python -m bench days --file XRPUSDT-trades.csv.gz --symbol XRPUSDT --strategy trailing --speed 1000 --minutes 9

The file has Binance's public trades, a day of a busy symbol or more: data.binance.vision offers them.

Prints progress, and one line of the table "Recorded days" in bench/RESULTS.md. Exit 1 where the books differ.
"""

import argparse
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from itertools import islice
from pathlib import Path
from typing import Any

from django.conf import settings

from bench.latency import percentile
from bench.stack import NO_LIMIT
from binance_mock.market.csv_trades import TradeFile
from binance_mock.market.replay import LONGEST_PAUSE_MS
from hedgehog_project.redis import connect
from hedgehog_project.venues import Venue
from streamer.topics import decode_trade, last_trades, trade_topic
from tests.support.machine.stack import Stack
from tests.support.settings import give
from trading.books.holdings import fees_of, holdings, value_of
from trading.books.left_over import left_over
from trading.core.journal import Kind
from trading.core.money import ZERO, plain
from trading.core.orders import Side
from trading.core.strategy import TraderState
from trading.models import Fill, JournalEntry, Listing, Order, Symbol, Trader
from trading.models.symbols import Slots, TradingStatus
from trading.reconciliation.audit import audit
from trading.symbols.turning import turn

START = Decimal(10_000)
BUDGET, MAX_SLOTS = Decimal(1000), 5
# Fractions. The naive strategy's; trailing has the trail in place of the first and the last.
BUY_DOWN, PROFIT, REBUY, RETARGET = Decimal("0.001"), Decimal("0.003"), Decimal("0.01"), Decimal("0.005")
TRAIL = Decimal("0.002")

LOOK_EVERY_S = 0.25
TELL_EVERY_S = 15.0
# The file begins anew at its end, at another price: trading is off, and nothing rests any more, well before.
PART_TRADED = 0.98
AGREE_WITHIN_S = 60.0

COLUMNS = (
    "symbol",
    "strategy, slots",
    "trades, market days",
    "cycles",
    "rebuys: heard of asked",
    "stop-losses",
    "realised net, of budget",
    "unrealised",
    "still held",
    "the account in the end",
    "age at the decision, p50 and p99 ms",
    "differences",
)


@dataclass
class Watch:
    """What was seen while it traded."""

    price: Decimal = ZERO
    trades: int = 0  # of the file
    seconds: float = 0.0
    ages_ms: list[float] = field(default_factory=list)  # of trades, when a trader decided by them
    _journal: int = 0

    def look(self, symbol: str) -> None:
        last = last_trades(connect(), Venue.MOCK, [symbol]).get(symbol)
        if last is not None:
            self.price = Decimal(last.price)
            # Each fill of ours is a public trade of its own beside the file's.
            self.trades = last.trade_id - Fill.objects.count()
        for entry in JournalEntry.objects.filter(pk__gt=self._journal).order_by("pk"):
            self._journal = entry.pk
            self._note_age(symbol, entry)

    def _note_age(self, symbol: str, entry: JournalEntry) -> None:
        """The time from the exchange's trade to the decision that it caused, while its topic still has it."""
        if entry.trade_id is None:
            return
        key = f"{entry.trade_id}-0"
        entries: Any = connect().xrange(trade_topic(Venue.MOCK, symbol), key, key)
        for entry_id, fields in entries:
            traded = decode_trade(symbol, entry_id, fields[b"t"])
            self.ages_ms.append(entry.at.timestamp() * 1000 - traded.event_ms)


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench days", description="Trades recorded days, in 5 slots.")
    parser.add_argument("--symbol", default="ETHUSDT")
    parser.add_argument("--file", type=Path, required=True, help="Binance's public trades as CSV; also .gz or .zip")
    parser.add_argument("--speed", type=float, default=1000.0, help="times as fast as it was; default 1000")
    parser.add_argument("--minutes", type=float, default=9.0, help="or until the file ends; default 9")
    parser.add_argument("--strategy", choices=("naive", "trailing"), default="naive")
    parser.add_argument(
        "--slots", choices=Slots.values, default=Slots.LADDER.value, help="how they buy; default ladder"
    )
    parser.add_argument(
        "--stop-loss", type=Decimal, metavar="FRACTION", help="for naive: 0.02 is 2 %%; default: none"
    )
    return parser.parse_args()


def set_up(options: argparse.Namespace) -> None:
    values: dict[str, object] = {
        "max_slots": MAX_SLOTS,
        "budget": BUDGET,
        "profit_interval": PROFIT,
        "rebuy_interval": REBUY,
        "slots": options.slots,
    }
    if options.strategy == "trailing":
        values |= {"strategy": "trailing", "trail_interval": TRAIL}
    else:
        values |= {
            "buy_down_interval": BUY_DOWN,
            "retarget_interval": RETARGET,
            "stop_loss_interval": options.stop_loss,
        }
    give(**values)


def trade(stack: Stack, options: argparse.Namespace, trades_in_file: int) -> Watch:
    """Lets it trade for the time given, or nearly until the file ends."""
    stack.start("mock_exchange", "dispatcher", "worker", "worker_exits", "beat")
    stack.wait_until_up()
    # The market stands still until it is streamed.
    stack.wait_for(lambda: Listing.objects.exists() and Trader.objects.exists(), 30, "the first trader")
    stack.start("streamer")
    watch, began, told = Watch(), time.monotonic(), 0.0
    while watch.seconds < options.minutes * 60 and watch.trades < trades_in_file * PART_TRADED:
        time.sleep(LOOK_EVERY_S)
        stack.supervise()
        watch.look(options.symbol)
        watch.seconds = time.monotonic() - began
        if watch.seconds - told >= TELL_EVERY_S:
            told = watch.seconds
            print(progress(watch, trades_in_file), file=sys.stderr, flush=True)
    # At once, before a command has started.
    turn([Symbol.objects.get(name=options.symbol)], TradingStatus.OFF, cancel_orders=True)
    return watch


def progress(watch: Watch, trades_in_file: int) -> str:
    cycles = Trader.objects.filter(state=TraderState.FINISHED).count()
    part = f"{watch.trades:,} of {trades_in_file:,} trades"
    return f"{watch.seconds:5.0f} s  {part}  at {plain(watch.price)}  {cycles} cycles  {ages(watch)} ms old"


def ages(watch: Watch) -> str:
    if not watch.ages_ms:
        return "?"
    return f"{statistics.median(watch.ages_ms):.0f} and {percentile(watch.ages_ms, 0.99):.0f}"


def settle(stack: Stack, symbol: str) -> list[str]:
    """Turns it off, cancels what rests, and says in what both sides' books still differ."""
    ended = stack.processes.run("trade", symbol, "off", "--cancel", timeout_s=120)
    print(ended.stdout + ended.stderr, file=sys.stderr)
    exchange, give_up = stack.mock.client(), time.monotonic() + AGREE_WITHIN_S
    while True:
        found = audit(Venue.MOCK, exchange, {"USDT": START})
        if not found or time.monotonic() > give_up:
            return [str(each) for each in found]
        stack.supervise()
        time.sleep(2)


def result(stack: Stack, options: argparse.Namespace, watch: Watch, days: float, differences: list[str]) -> list[str]:
    """The cells of COLUMNS."""
    symbol = Symbol.objects.get(name=options.symbol)
    finished = Trader.objects.filter(state__in=(TraderState.FINISHED, TraderState.DUST))
    realised = sum((trader.profit or ZERO for trader in finished), ZERO)
    asked = Trader.objects.filter(slot_requested_at__isnull=False).count()
    # Turning it off marks those as heard that were not: their journals know better.
    heard = JournalEntry.objects.filter(kind=Kind.SLOT_OPENED).count()
    sales = Order.objects.filter(side=Side.SELL, journal__kind=Kind.CANCELLED)
    fee = fees_of(Venue.MOCK, [symbol.pk])[symbol.pk]
    # At the price at which it was turned off: the market moves on while the books settle.
    held = [holding.terms for holding in holdings(Venue.MOCK)]
    worth = sum((value_of(terms.owned, watch.price, fee) or ZERO for terms in held), ZERO)
    unrealised = sum((terms.net - terms.owned_cost for terms in held), worth)
    owned = sum((terms.owned for terms in held), ZERO)
    cost = sum((terms.owned_cost for terms in held), ZERO)
    left = "".join(f", and {plain(each.quantity)} left over" for each in left_over(Venue.MOCK).values())
    balances = stack.mock.client().balances()
    account = ", ".join(f"{plain(free + locked)} {asset}" for asset, (free, locked) in sorted(balances.items()))
    stop = "" if options.stop_loss is None else f", stop-loss {plain(options.stop_loss * 100)} %"
    return [
        options.symbol,
        f"{options.strategy}{stop}, {options.slots}",
        f"{watch.trades:,}, {days:.2f}",
        str(finished.filter(state=TraderState.FINISHED).count()),
        f"{heard} of {asked}",
        str(sales.values("trader").distinct().count()),
        f"{realised:+.2f} {symbol.quote_asset}, {realised / BUDGET * 100:+.2f} %",
        f"{unrealised:+.2f} {symbol.quote_asset}",
        f"{plain(owned)} {symbol.base_asset} in {sum(terms.owned > 0 for terms in held)} slots for {cost:.2f}{left}",
        account,
        ages(watch),
        str(len(differences)),
    ]


def market_days(path: Path, trades: int) -> float:
    """The market's time over the first so many trades, its long silences shortened as the replay shortens them."""
    return sum(islice(_gaps_ms(path), max(0, trades - 1))) / 86_400_000


def _gaps_ms(path: Path) -> Iterator[float]:
    before = None
    for each in TradeFile(path):
        if before is not None:
            yield min(max(each.time_ms - before, 0.0), LONGEST_PAUSE_MS)
        before = each.time_ms


def main() -> int:
    options = arguments()
    path: Path = options.file
    if not path.exists():
        print(f"days: there is no file {path}.", file=sys.stderr)
        return 2
    trades_in_file = sum(1 for _ in TradeFile(path))
    print(
        f"{datetime.now(UTC):%H:%M:%S} {path.name} at {options.speed:g} times its speed", file=sys.stderr, flush=True
    )
    with tempfile.TemporaryDirectory(prefix="hedgehog-days-") as folder:
        stack = Stack(
            Path(folder),
            REDIS_URL=settings.REDIS_URL,
            MARKET=f"replay:{path}@{options.speed:g}",
            HEDGEHOG_SYMBOLS=options.symbol,
            MOCK_BALANCES=f"USDT:{START}",
            # A limit of ten seconds of ours would be one of hours of the market's.
            MOCK_ORDERS_PER_10S=NO_LIMIT,
        )
        try:
            stack.prepare()
            with stack.looked_into():
                set_up(options)
                watch = trade(stack, options, trades_in_file)
                differences = settle(stack, options.symbol)
                row = result(stack, options, watch, market_days(path, watch.trades), differences)
        finally:
            stack.stop()
    for name, exit_code in stack.fell:
        print(f"{name} ended by itself with {exit_code}", file=sys.stderr)
    for difference in differences:
        print(difference, file=sys.stderr)
    print(f"| {' | '.join(COLUMNS)} |\n|{'---|' * len(COLUMNS)}\n| {' | '.join(row)} |")
    return 1 if differences or stack.fell else 0


if __name__ == "__main__":
    sys.exit(main())
