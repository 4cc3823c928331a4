"""The matching engine: one account against the market. Pure: no clock, no I/O; every call is told the time.

How it fills, and why:

- The rest of the market is seen only through its trades. An order that crosses the last price when it arrives fills
  at once and whole, at the last price, as taker: there is enough liquidity there.
- A resting order fills as maker, at its own limit price, when the market trades through it (`strict`) or reaches it
  (`touch`). All own orders together fill at most the market trade's quantity, the best price first, then the oldest.
- Each own fill *is* a public trade with an id of its own. What a market trade still has after filling own orders
  follows as a public trade at its own price, so that the volume stays what it was and ids have no holes.
- Own orders never trade with each other: self-trade prevention takes one of them off.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from decimal import Decimal
from enum import StrEnum
from typing import Any

from binance_mock.engine import filters
from binance_mock.engine.amounts import ZERO, floor_to, quotient, times
from binance_mock.engine.book import SymbolBook
from binance_mock.engine.errors import Refused, bad_symbol, filter_failure, no_such_order, rejected, unknown_order
from binance_mock.engine.fees import BNB, Rates, in_bnb
from binance_mock.engine.ledger import Ledger
from binance_mock.engine.orders import (
    Changes,
    Deposit,
    Execution,
    Fill,
    MarketTrade,
    NewOrder,
    Order,
    OrderStatus,
    OrderType,
    Position,
    PreventedMatch,
    PublicTrade,
    Report,
    SelfTrade,
    Side,
    TimeInForce,
)
from binance_mock.engine.rules import SymbolRules


class FillRule(StrEnum):
    STRICT = "strict"  # A resting order fills when the market trades through its limit.
    TOUCH = "touch"  # It fills when the market trades at its limit.


class Engine:
    """The state is what `place`, `cancel`, `trade` and `reset` make of it; each returns what it changed.

    A refused request (errors.Refused) changes nothing.
    """

    def __init__(
        self,
        rules: Mapping[str, SymbolRules],
        *,
        fill_rule: FillRule = FillRule.STRICT,
        rates: Rates | None = None,
        ledger: Ledger | None = None,
        fees_in_bnb: bool = False,
        exchange_filters: Sequence[Mapping[str, Any]] = (),
        last_order_id: int = 0,
        last_execution_id: int = 0,
        last_match_id: int = 0,
    ) -> None:
        self.books = {symbol: SymbolBook(each) for symbol, each in rules.items()}
        self.ledger = ledger or Ledger()
        self.rates = rates or Rates()
        # Commissions are paid in BNB, at a discount, where the account has enough of it.
        self.fees_in_bnb = fees_in_bnb
        # Assets that have a pair with BNB: by way of them it has a price in every quote asset that they have one in.
        pairs = [{each.base, each.quote} for each in rules.values() if BNB in (each.base, each.quote)]
        self._ways_to_bnb = tuple(asset for pair in pairs for asset in pair - {BNB})
        self._exchange_filters = exchange_filters
        self._touch = fill_rule is FillRule.TOUCH
        self._last_order_id = last_order_id
        self._last_execution_id = last_execution_id
        self._last_match_id = last_match_id

    # --- what others ask -------------------------------------------------------------------------

    def book(self, symbol: str) -> SymbolBook:
        """Raises Refused (-1121) for a symbol that is not listed."""
        try:
            return self.books[symbol]
        except KeyError:
            raise bad_symbol() from None

    def open_orders(self, symbol: str | None = None) -> list[Order]:
        """Open orders of a symbol, or of all, the oldest first."""
        books = [self.book(symbol)] if symbol else self.books.values()
        return sorted((order for book in books for order in book.orders.values()), key=lambda order: order.order_id)

    def find_open(self, symbol: str, order_id: int | None, client_order_id: str | None) -> Order:
        """Raises Refused (-2013) where no open order of the symbol has the id, or both where both are given."""
        book = self.book(symbol)
        if order_id is None:
            order_id = book.by_client_id.get(client_order_id or "", 0)
        order = book.orders.get(order_id)
        if order is None or (client_order_id and order.client_order_id != client_order_id):
            raise no_such_order()
        return order

    def restore(self, orders: list[Order], trades: list[PublicTrade]) -> None:
        """Takes up what was kept: the open orders, and for each symbol its recent trades, oldest first."""
        for order in orders:
            self.books[order.symbol].rest(order)
        for trade in trades:
            if trade.symbol in self.books:
                self.books[trade.symbol].traded(trade)
        for book in self.books.values():
            # Update ids are not kept. Each trade and each execution made one rise by one at most: it never falls.
            book.update_id = (book.last.trade_id if book.last else 0) + self._last_execution_id

    # --- what changes it -------------------------------------------------------------------------

    def check(self, new: NewOrder, now_ms: int) -> Decimal:
        """The order's quantity in base. Raises Refused (-1013) where it breaks a filter. Changes nothing."""
        book = self.book(new.symbol)
        rules = book.rules
        if new.self_trade not in rules.self_trade_allowed:
            raise Refused(-1013, "This symbol does not allow the specified self-trade prevention mode.")
        filters.check(
            new,
            rules,
            average=lambda minutes: book.average_price(now_ms, minutes),
            open_orders=len(book.orders),
            position=lambda: self._position_of(book),
        )
        if self._exchange_filters:
            filters.check_exchange(self._exchange_filters, sum(len(each.orders) for each in self.books.values()))
        quantity = new.quantity
        last = book.last_price
        if not quantity and last is not None:
            quantity = floor_to(quotient(new.quote_quantity, last), rules.market_step)
            if not quantity:
                raise filter_failure("LOT_SIZE")
        return quantity

    def accept(self, new: NewOrder, now_ms: int) -> Decimal:
        """As `check`, and raises Refused (-2010) where the order cannot be placed now."""
        book = self.book(new.symbol)
        rules, last = book.rules, book.last_price
        if not rules.is_trading:
            raise rejected("Market is closed.")
        if new.type not in rules.order_types:
            raise rejected("Market orders are not supported for this symbol.")
        quantity = self.check(new, now_ms)
        if new.client_order_id and new.client_order_id in book.by_client_id:
            raise rejected("Duplicate order sent.")
        if new.type is OrderType.LIMIT_MAKER and self._crosses(new, last):
            raise rejected("Order would immediately match and take.")
        price = new.price if new.type is not OrderType.MARKET else last or ZERO
        if new.side is Side.BUY:
            self.ledger.require(rules.quote, times(price, quantity))
        else:
            self.ledger.require(rules.base, quantity)
        return quantity

    def place(self, new: NewOrder, now_ms: int) -> Changes:
        """Takes an order. The last report of `changes.reports` with its id shows what it came to."""
        quantity = self.accept(new, now_ms)
        book = self.books[new.symbol]
        self._last_order_id += 1
        order = new.accepted(self._last_order_id, quantity, now_ms)
        changes = Changes()
        self._report(changes, Execution.NEW, order, now_ms)
        order = self._prevent_self_trade(changes, book, order, now_ms)
        if order.is_open:
            if book.last_price is not None and self._crosses(order, book.last_price):
                self._take(changes, book, order, book.last_price, now_ms)
            elif order.type is OrderType.MARKET or order.time_in_force is not TimeInForce.GTC:
                order = replace(order, status=OrderStatus.EXPIRED, updated_ms=now_ms)
                self._report(changes, Execution.EXPIRED, order, now_ms)
            else:
                self.ledger.lock(self._locked_asset(book, order), order.locks)
                book.rest(order)
        self._position(changes, now_ms)
        return changes

    def cancel(self, order: Order, now_ms: int, cancel_client_id: str = "") -> Changes:
        """Takes an open order off. Raises Refused (-2011) where it is not open any more."""
        book = self.book(order.symbol)
        current = book.orders.get(order.order_id)
        if current is None:
            raise unknown_order()
        changes = Changes()
        self._cancel(changes, book, current, now_ms, cancel_client_id)
        self._position(changes, now_ms)
        return changes

    def trade(self, trade: MarketTrade, now_ms: int, changes: Changes) -> None:
        """Lets the market trade, adding to `changes`: own orders fill first, what is left trades at its price.

        Nothing trades in a symbol whose trading is halted.
        """
        book = self.books[trade.symbol]
        if not book.rules.is_trading:
            return
        left = trade.quantity
        if book.orders:
            left = self._fill_resting(changes, book, trade, now_ms)
        if left > 0:
            self._publish(changes, book, trade.price, left, trade.buyer_is_maker, now_ms)

    def reset(self, balances: Mapping[str, Decimal], now_ms: int) -> Changes:
        """Cancels every order and puts the account's money back to `balances`. Ids go on rising."""
        changes = Changes()
        for order in self.open_orders():
            self._cancel(changes, self.books[order.symbol], order, now_ms, "")
        for asset in sorted(self.ledger.holdings.keys() | balances.keys()):
            delta = balances.get(asset, ZERO) - self.ledger.free(asset)
            if delta:
                self.ledger.deposit(asset, delta)
                changes.events.append(Deposit(asset, delta, now_ms))
        self._position(changes, now_ms)
        return changes

    # --- inside ----------------------------------------------------------------------------------

    @staticmethod
    def _crosses(order: NewOrder | Order, price: Decimal | None) -> bool:
        if price is None:
            return False
        if order.type is OrderType.MARKET:
            return True
        return order.price >= price if order.side is Side.BUY else order.price <= price

    def _position_of(self, book: SymbolBook) -> Decimal:
        """What the account has of the base asset, and what its open buys may add."""
        held = self.ledger.holdings.get(book.rules.base)
        bought = sum((order.remaining for order in book.side(Side.BUY)), ZERO)
        return bought + (held.free + held.locked if held else ZERO)

    @staticmethod
    def _locked_asset(book: SymbolBook, order: Order) -> str:
        return book.rules.quote if order.side is Side.BUY else book.rules.base

    def _prevent_self_trade(self, changes: Changes, book: SymbolBook, order: Order, now_ms: int) -> Order:
        """The arriving order as it is after meeting own orders that stand before the market's liquidity."""
        other = Side.SELL if order.side is Side.BUY else Side.BUY
        last = book.last_price
        while order.is_open and (resting := book.best(other)) is not None:
            if not self._crosses(order, resting.price):
                break
            # Where the market's price is better than the resting order's, the market fills the arriving one first.
            behind_market = (
                last is not None
                and self._crosses(order, last)
                and (resting.price > last if other is Side.SELL else resting.price < last)
            )
            if behind_market:
                break
            match = self._match(order, resting, now_ms)
            changes.matches.append(match)
            if order.self_trade is not SelfTrade.EXPIRE_TAKER:
                self._prevent(changes, book, resting, match)
            if order.self_trade is not SelfTrade.EXPIRE_MAKER:
                order = self._prevent(changes, book, order, match)
        return order

    def _match(self, taker: Order, maker: Order, now_ms: int) -> PreventedMatch:
        self._last_match_id += 1
        mode = taker.self_trade
        return PreventedMatch(
            symbol=taker.symbol,
            match_id=self._last_match_id,
            taker_order_id=taker.order_id,
            maker_order_id=maker.order_id,
            mode=mode,
            price=maker.price,
            quantity=min(taker.remaining, maker.remaining),
            taker_prevented=ZERO if mode is SelfTrade.EXPIRE_MAKER else taker.remaining,
            maker_prevented=ZERO if mode is SelfTrade.EXPIRE_TAKER else maker.remaining,
            time_ms=now_ms,
        )

    def _prevent(self, changes: Changes, book: SymbolBook, order: Order, match: PreventedMatch) -> Order:
        """Takes an order off, from the book where it rests, because of a match with another own order."""
        if order.order_id in book.orders:
            self._unrest(book, order)
        order = replace(
            order,
            status=OrderStatus.EXPIRED_IN_MATCH,
            prevented_match_id=match.match_id,
            updated_ms=match.time_ms,
        )
        self._report(changes, Execution.TRADE_PREVENTION, order, match.time_ms, match=match)
        return order

    def _unrest(self, book: SymbolBook, order: Order) -> None:
        self.ledger.unlock(self._locked_asset(book, order), order.locks)
        book.remove(order)

    def _take(self, changes: Changes, book: SymbolBook, order: Order, price: Decimal, now_ms: int) -> None:
        trade = self._publish(changes, book, price, order.remaining, order.side is Side.SELL, now_ms)
        self._fill(changes, book, order, trade, is_maker=False)

    def _fill_resting(self, changes: Changes, book: SymbolBook, trade: MarketTrade, now_ms: int) -> Decimal:
        """Fills own resting orders from a market trade; what is left of its quantity."""
        left = trade.quantity
        for side in Side:
            while left > 0 and (order := book.best(side)) is not None:
                distance = order.price - trade.price if side is Side.BUY else trade.price - order.price
                if distance < 0 or (distance == 0 and not self._touch):
                    break
                quantity = min(left, order.remaining)
                shown = self._publish(changes, book, order.price, quantity, side is Side.BUY, now_ms)
                # Only its own part is set free: the rest must not be there for a commission.
                after = order.after(quantity, times(order.price, quantity), now_ms)
                self.ledger.unlock(self._locked_asset(book, order), order.locks - after.locks)
                order = self._fill(changes, book, order, shown, is_maker=True)
                if order.is_open:
                    book.rest(order)
                else:
                    book.remove(order)
                left -= quantity
        if left != trade.quantity:
            self._position(changes, now_ms)
        return left

    def _fill(self, changes: Changes, book: SymbolBook, order: Order, trade: PublicTrade, *, is_maker: bool) -> Order:
        """Books one trade of an order, paid from the free balance, and reports it."""
        rules = book.rules
        quote = times(trade.price, trade.quantity)
        is_buyer = order.side is Side.BUY
        pays, paid, gets, got = (
            (rules.quote, quote, rules.base, trade.quantity)
            if is_buyer
            else (rules.base, trade.quantity, rules.quote, quote)
        )
        self.ledger.pay(pays, paid)
        self.ledger.receive(gets, got)
        commission, commission_asset = self._commission(rules, got, gets, quote, is_buyer=is_buyer, is_maker=is_maker)
        self.ledger.charge(commission_asset, commission)
        order = order.after(trade.quantity, quote, trade.time_ms)
        fill = Fill(
            symbol=order.symbol,
            trade_id=trade.trade_id,
            order_id=order.order_id,
            price=trade.price,
            quantity=trade.quantity,
            quote_quantity=quote,
            commission=commission,
            commission_asset=commission_asset,
            time_ms=trade.time_ms,
            is_buyer=is_buyer,
            is_maker=is_maker,
        )
        self._report(changes, Execution.TRADE, order, trade.time_ms, fill)
        return order

    def _commission(
        self, rules: SymbolRules, got: Decimal, asset: str, quote: Decimal, *, is_buyer: bool, is_maker: bool
    ) -> tuple[Decimal, str]:
        """What is taken of which asset: of what was received, or in BNB where that is on and there is enough."""
        if self.fees_in_bnb:
            standard, others = self.rates.of(quote, is_buyer=is_buyer, is_maker=is_maker)
            in_all = in_bnb(rules.quote, standard, others, self._last_price, self._ways_to_bnb)
            if in_all is not None and in_all <= self.ledger.free(BNB):
                return in_all, BNB
        return sum(self.rates.of(got, is_buyer=is_buyer, is_maker=is_maker), ZERO), asset

    def _last_price(self, symbol: str) -> Decimal | None:
        book = self.books.get(symbol)
        return book.last_price if book else None

    def _cancel(self, changes: Changes, book: SymbolBook, order: Order, now_ms: int, cancel_client_id: str) -> None:
        self._unrest(book, order)
        order = replace(order, status=OrderStatus.CANCELED, updated_ms=now_ms)
        self._report(changes, Execution.CANCELED, order, now_ms, cancel_client_id=cancel_client_id)

    def _publish(
        self,
        changes: Changes,
        book: SymbolBook,
        price: Decimal,
        quantity: Decimal,
        buyer_is_maker: bool,
        now_ms: int,
    ) -> PublicTrade:
        trade_id = (book.last.trade_id if book.last else book.past_trades) + 1
        trade = PublicTrade(book.rules.symbol, trade_id, price, quantity, now_ms, buyer_is_maker)
        book.traded(trade)
        changes.trades.append(trade)
        return trade

    def _report(
        self,
        changes: Changes,
        execution: Execution,
        order: Order,
        now_ms: int,
        fill: Fill | None = None,
        cancel_client_id: str = "",
        match: PreventedMatch | None = None,
    ) -> None:
        self._last_execution_id += 1
        report = Report(execution, self._last_execution_id, order, now_ms, fill, cancel_client_id, match)
        changes.events.append(report)

    def _position(self, changes: Changes, now_ms: int) -> None:
        if touched := self.ledger.touched():
            changes.events.append(Position(touched, now_ms))
