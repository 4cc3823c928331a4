"""Requests about the account: its balances, trades, commissions and order counts."""

from typing import Any

from binance_mock.engine.amounts import text
from binance_mock.engine.errors import bad_combination
from binance_mock.protocol import replies
from binance_mock.protocol.params import Params, check_lookup
from binance_mock.state.context import Context


def account(context: Context, params: Params, now_ms: int) -> dict[str, Any]:
    omit_zero = params.flag("omitZeroBalances") or False
    params.finish()
    engine = context.exchange.engine
    return replies.account(engine.ledger.balances(), engine.rates, now_ms, omit_zero=omit_zero)


def my_trades(context: Context, params: Params, now_ms: int) -> list[dict[str, Any]]:
    symbol = params.symbol()
    context.book(symbol)
    order_id, from_id = params.number("orderId"), params.number("fromId")
    start_ms, end_ms = params.time_ms("startTime"), params.time_ms("endTime")
    limit = params.limit(500, 1000)
    params.finish()
    if (order_id is not None or from_id is not None) and (start_ms is not None or end_ms is not None):
        raise bad_combination()
    check_lookup(start_ms, end_ms)
    fills = context.exchange.store.fills(
        symbol, from_id=from_id, order_id=order_id, start_ms=start_ms, end_ms=end_ms, limit=limit
    )
    return [replies.my_trade(fill) for fill in fills]


def commission(context: Context, params: Params, now_ms: int) -> dict[str, Any]:
    symbol = params.symbol()
    params.finish()
    engine = context.exchange.engine
    engine.book(symbol)
    return replies.commission(symbol, engine.rates, engine.fees_in_bnb)


def order_counts(context: Context, params: Params, now_ms: int) -> list[dict[str, Any]]:
    params.finish()
    return context.limits.order_counts(now_ms)


def prevented_matches(context: Context, params: Params, now_ms: int) -> list[dict[str, Any]]:
    """Own orders that self-trade prevention kept from trading with each other."""
    symbol = params.symbol()
    context.book(symbol)
    match_id, order_id = params.number("preventedMatchId"), params.number("orderId")
    from_id, limit = params.number("fromPreventedMatchId"), params.limit(500, 1000)
    params.finish()
    if (match_id is None) == (order_id is None) or (match_id is not None and from_id is not None):
        raise bad_combination()
    found = context.exchange.store.matches(symbol, match_id=match_id, order_id=order_id, from_id=from_id, limit=limit)
    return [replies.prevented_match(match) for match in found]


def relevant_filters(context: Context, params: Params, now_ms: int) -> dict[str, Any]:
    """The filters that hold for an order of the account; no asset has one of its own."""
    rules = context.exchange.engine.book(params.symbol()).rules
    params.finish()
    return {
        "exchangeFilters": context.exchange.info["exchangeFilters"],
        "symbolFilters": list(rules.filters.values()),
        "assetFilters": [],
    }


def allocations(context: Context, params: Params, now_ms: int) -> list[Any]:
    """None: allocations come from smart order routing, which this exchange does not have."""
    context.exchange.engine.book(params.symbol())
    for name in ("startTime", "endTime", "fromAllocationId", "orderId"):
        params.number(name)
    params.limit(500, 1000)
    params.finish()
    return []


def no_order_lists(context: Context, params: Params, now_ms: int) -> list[Any]:
    """None: this exchange has no order lists."""
    for name in ("fromId", "startTime", "endTime"):
        params.number(name)
    params.limit(500, 1000)
    params.finish()
    return []


def no_open_order_lists(context: Context, params: Params, now_ms: int) -> list[Any]:
    """None, and none is open."""
    params.finish()
    return []


def trade_fee(context: Context, params: Params, now_ms: int) -> list[dict[str, str]]:
    """The commission of one symbol, or of all (wallet, "Trade Fee")."""
    wanted = params.symbol_or_none()
    params.finish()
    engine = context.exchange.engine
    symbols = [engine.book(wanted).rules.symbol] if wanted else list(engine.books)
    maker, taker = text(engine.rates.standard.maker), text(engine.rates.standard.taker)
    return [{"symbol": symbol, "makerCommission": maker, "takerCommission": taker} for symbol in symbols]


def bnb_burn(context: Context, params: Params, now_ms: int) -> dict[str, bool]:
    """Whether commissions are paid in BNB."""
    params.finish()
    return {"spotBNBBurn": context.exchange.engine.fees_in_bnb, "interestBNBBurn": False}


def set_bnb_burn(context: Context, params: Params, now_ms: int) -> dict[str, bool]:
    """Switches it, until a reset or a restart."""
    wanted = params.flag("spotBNBBurn")
    params.flag("interestBNBBurn")
    params.finish()
    if wanted is not None:
        context.exchange.engine.fees_in_bnb = wanted
    return {"spotBNBBurn": context.exchange.engine.fees_in_bnb, "interestBNBBurn": False}


def key_rights(context: Context, params: Params, now_ms: int) -> dict[str, Any]:
    """What the account's key may do (wallet, "Get API Key Permission")."""
    params.finish()
    return {
        # Binance lets a key withdraw only where its addresses are restricted.
        "ipRestrict": context.account.may_withdraw,
        "createTime": 1_700_000_000_000,
        "enableReading": True,
        "enableWithdrawals": context.account.may_withdraw,
        "enableInternalTransfer": False,
        "enableMargin": False,
        "enableFutures": False,
        "permitsUniversalTransfer": False,
        "enableVanillaOptions": False,
        "enableFixApiTrade": False,
        "enableFixReadOnly": False,
        "enableSpotAndMarginTrading": True,
        "enablePortfolioMarginTrading": False,
    }
