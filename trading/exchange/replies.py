"""Binance's replies and events as values of the core.

For what does not fit its documents they raise KeyError, AttributeError, TypeError, ValueError or ArithmeticError.
"""

from collections.abc import Mapping
from decimal import Decimal, localcontext
from typing import Any

from trading.core.fees import Fees
from trading.core.money import EXACT, ZERO, quote_of, round_down, round_up
from trading.core.orders import Fill, OrderReport, OrderStatus, Side
from trading.exchange.protocol import ListedSymbol

# Before the point and behind it: more than any of Binance's has.
MAX_DIGITS = 24


def from_order_reply(reply: Mapping[str, Any]) -> OrderReport:
    """The reply to a placing (FULL), a cancel, or a query of an order: rest-api, "Trading endpoints"."""
    at_ms = int(reply.get("transactTime") or reply.get("updateTime") or reply.get("time") or 0)
    return OrderReport(
        # A cancel's reply has a client order id of its own; the order's stands in origClientOrderId.
        client_order_id=reply.get("origClientOrderId") or reply["clientOrderId"],
        exchange_order_id=int(reply["orderId"]),
        symbol=reply["symbol"],
        side=Side(reply["side"]),
        status=OrderStatus(reply["status"]),
        price=amount(reply["price"]) or _average(reply),
        quantity=amount(reply["origQty"]),
        executed=amount(reply["executedQty"]),
        fills=tuple(
            _fill(
                trade_id=fill["tradeId"],
                price=fill["price"],
                quantity=fill["qty"],
                commission=fill["commission"],
                commission_asset=fill["commissionAsset"],
                # Fills in the answer itself are those of an order that met the book when it arrived.
                is_maker=False,
                at_ms=at_ms,
            )
            for fill in reply.get("fills", ())
        ),
        at_ms=at_ms,
        # The transactTime of a cancel's reply is that of the cancel.
        placed_ms=int(reply.get("time") or ("origClientOrderId" not in reply and reply.get("transactTime")) or 0),
    )


def _average(reply: Mapping[str, Any]) -> Decimal:
    """What a market order, whose price is 0, has brought for one; 0 where nothing of it has traded."""
    executed = amount(reply["executedQty"])
    if not executed:
        return ZERO
    with localcontext(EXACT):
        return round_down(amount(reply["cummulativeQuoteQty"]) / executed)


def from_execution_report(event: Mapping[str, Any]) -> OrderReport:
    """The user data stream's executionReport: user-data-stream.md, "Order Update"."""
    fills: tuple[Fill, ...] = ()
    if event["x"] == "TRADE" and int(event["t"]) >= 0:
        fill = _fill(
            trade_id=event["t"],
            price=event["L"],
            quantity=event["l"],
            commission=event["n"] or "0",
            commission_asset=event["N"] or "",
            is_maker=event["m"],
            at_ms=event["T"],
            quote=event.get("Y"),
        )
        fills = (fill,)
    reason = event.get("r") or ""
    return OrderReport(
        client_order_id=own_id(event),
        exchange_order_id=int(event["i"]),
        symbol=event["s"],
        side=Side(event["S"]),
        status=OrderStatus(event["X"]),
        price=amount(event["p"]),
        quantity=amount(event["q"]),
        executed=amount(event["z"]),
        fills=fills,
        reason="" if reason == "NONE" else reason,
        at_ms=int(event["T"]),
        placed_ms=int(event.get("O") or 0),
    )


def own_id(event: Mapping[str, Any]) -> str:
    """The order's client order id. On a cancel `c` is that of the cancel, and `C` that of the order."""
    return str(event.get("C") or event["c"])


def from_my_trade(reply: Mapping[str, Any]) -> Fill:
    """One row of myTrades."""
    return _fill(
        trade_id=reply["id"],
        price=reply["price"],
        quantity=reply["qty"],
        commission=reply["commission"],
        commission_asset=reply["commissionAsset"],
        is_maker=reply["isMaker"],
        at_ms=reply["time"],
        quote=reply.get("quoteQty"),
    )


def from_account(reply: Mapping[str, Any]) -> dict[str, tuple[Decimal, Decimal]]:
    """Free and locked amount by asset."""
    return {row["asset"]: (amount(row["free"]), amount(row["locked"])) for row in rows_of(reply["balances"])}


def from_commission(reply: Mapping[str, Any]) -> Fees:
    """Query Commission Rates: what a fill pays is the sum of all kinds, for its role and for its side (FAQ).

    Exchanges that know but one kind leave the others out, or buyer and seller; without the standard commission of
    makers and takers it is no answer.
    """
    standard = reply["standardCommission"]
    more = [reply.get("specialCommission") or {}, reply.get("taxCommission") or {}]

    def added_up(name: str, of_standard: Any) -> Decimal:
        return sum((_rate(kind.get(name) or 0) for kind in more), _rate(of_standard))

    maker, taker = added_up("maker", standard["maker"]), added_up("taker", standard["taker"])
    buyer, seller = added_up("buyer", standard.get("buyer") or 0), added_up("seller", standard.get("seller") or 0)
    return Fees(
        buy_maker=round_up(maker + buyer),
        buy_taker=round_up(taker + buyer),
        sell_maker=round_up(maker + seller),
        sell_taker=round_up(taker + seller),
    )


def _rate(told: Any) -> Decimal:
    rate = Decimal(str(told))
    if not -1 < rate < 1:
        raise ValueError(f"{told} is no share of anything")
    return rate


def rows_of(reply: Any) -> list[Any]:
    """The reply, which must be a list: an empty body, which python-binance gives as {}, is not "none"."""
    if not isinstance(reply, list):
        raise TypeError(f"not a list but {type(reply).__name__}")
    return reply


def from_exchange_info(entry: Mapping[str, Any]) -> ListedSymbol:
    """One entry of exchangeInfo's symbols. filters.md says which filters there are.

    Each of them may be missing, and each of their bounds missing or 0, which disables it. Without a tick a price has
    the decimals of the quote asset, without a step a quantity those of the base asset.
    """
    filters = {each["filterType"]: each for each in entry["filters"]}
    price, lot = filters.get("PRICE_FILTER", {}), filters.get("LOT_SIZE", {})
    # A symbol has the one or the other.
    notional = filters.get("NOTIONAL") or filters.get("MIN_NOTIONAL") or {}
    # quotePrecision: its older name.
    quote_digits = entry.get("quoteAssetPrecision", entry.get("quotePrecision"))
    return ListedSymbol(
        symbol=entry["symbol"],
        status=entry["status"],
        base_asset=entry["baseAsset"],
        quote_asset=entry["quoteAsset"],
        tick_size=_bound(price, "tickSize") or _unit(quote_digits),
        step_size=_bound(lot, "stepSize") or _unit(entry.get("baseAssetPrecision")),
        min_price=_bound(price, "minPrice"),
        max_price=_bound(price, "maxPrice"),
        min_quantity=_bound(lot, "minQty"),
        max_quantity=_bound(lot, "maxQty"),
        min_notional=_bound(notional, "minNotional"),
        max_notional=_bound(notional, "maxNotional"),
        filters=list(entry["filters"]),
        allows_replacing=bool(entry.get("cancelReplaceAllowed", False)),
    )


def _bound(limit: Mapping[str, Any], name: str) -> Decimal:
    """0 where there is none."""
    return amount(limit.get(name) or 0)


def _unit(digits: Any) -> Decimal:
    """The smallest amount with so many decimals, eight at most; with eight where nobody says how many."""
    return Decimal(1).scaleb(-min(8, max(0, int(8 if digits is None else digits))))


def amount(value: Any) -> Decimal:
    """A price, a quantity or a fee. Raises ValueError for what is none, such as NaN.

    Of 1e999999999 the plain text alone would fill the memory.
    """
    number = Decimal(str(value) if isinstance(value, float) else value)
    exponent = number.as_tuple().exponent
    if not isinstance(exponent, int) or exponent < -MAX_DIGITS or number.adjusted() > MAX_DIGITS:
        raise ValueError("no amount that an exchange could mean")
    return number


def _fill(
    *,
    trade_id: Any,
    price: str,
    quantity: str,
    commission: str,
    commission_asset: str,
    is_maker: bool,
    at_ms: Any,
    quote: str | None = None,
) -> Fill:
    return Fill(
        trade_id=int(trade_id),
        price=amount(price),
        quantity=amount(quantity),
        quote=amount(quote) if quote else quote_of(amount(price), amount(quantity)),
        commission=amount(commission),
        commission_asset=commission_asset,
        is_maker=bool(is_maker),
        at_ms=int(at_ms),
    )
