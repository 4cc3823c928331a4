"""What the account is told of itself: the events of user-data-stream.md."""

from typing import Any

from binance_mock.engine.amounts import ZERO, text, times
from binance_mock.engine.orders import Changes, Deposit, Execution, Position, Report
from binance_mock.protocol.replies import TRADE_GROUP

_NOTHING = text(ZERO)


def account_events(changes: Changes, now_ms: int) -> list[dict[str, Any]]:
    """The events of what changed, in its order; `now_ms` is when they are sent."""
    return [_event(change, now_ms) for change in changes.events]


def _event(change: Report | Position | Deposit, now_ms: int) -> dict[str, Any]:
    match change:
        case Report():
            return _execution_report(change, now_ms)
        case Position(balances, time_ms):
            return {
                "e": "outboundAccountPosition",
                "E": now_ms,
                "u": time_ms,
                "B": [
                    {"a": asset, "f": text(balance.free), "l": text(balance.locked)}
                    for asset, balance in balances.items()
                ],
            }
        case Deposit(asset, delta, time_ms):
            return {"e": "balanceUpdate", "E": now_ms, "a": asset, "d": text(delta), "T": time_ms}


def _execution_report(report: Report, now_ms: int) -> dict[str, Any]:
    order, fill = report.order, report.fill
    # A cancel has a client order id of its own; the cancelled order's then stands in C.
    is_cancel = report.execution is Execution.CANCELED and report.cancel_client_id
    event: dict[str, Any] = {
        "e": "executionReport",
        "E": now_ms,
        "s": order.symbol,
        "c": report.cancel_client_id if is_cancel else order.client_order_id,
        "S": order.side,
        "o": order.type,
        "f": order.time_in_force,
        "q": text(order.quantity),
        "p": text(order.price),
        "P": _NOTHING,
        "F": _NOTHING,
        "g": -1,
        "C": order.client_order_id if is_cancel else "",
        "x": report.execution,
        "X": order.status,
        "r": "NONE",
        "i": order.order_id,
        "l": text(fill.quantity) if fill else _NOTHING,
        "z": text(order.executed),
        "L": text(fill.price) if fill else _NOTHING,
        "n": text(fill.commission) if fill else "0",
        "N": fill.commission_asset if fill else None,
        "T": report.time_ms,
        "t": fill.trade_id if fill else -1,
        "I": report.execution_id,
        "w": order.is_open,
        "m": fill.is_maker if fill else False,
        "M": fill is not None,
        "O": order.created_ms,
        "Z": text(order.quote_executed),
        "Y": text(fill.quote_quantity) if fill else _NOTHING,
        "Q": text(order.quote_quantity),
        "W": order.created_ms,
        "V": order.self_trade,
    }
    if order.prevented_match_id is not None:
        event["v"] = order.prevented_match_id
    if order.prevented:
        event["A"] = text(order.prevented)
    if match := report.match:
        is_taker = match.taker_order_id == order.order_id
        event |= {
            "B": text(order.prevented),
            "u": TRADE_GROUP,
            "U": match.maker_order_id if is_taker else match.taker_order_id,
            "Cs": match.symbol,
            "pl": text(match.quantity),
            "pL": text(match.price),
            "pY": text(times(match.price, match.quantity)),
        }
    if order.expiry_reason:
        event["eR"] = order.expiry_reason
    if order.strategy_id is not None:
        event["j"] = order.strategy_id
    if order.strategy_type is not None:
        event["J"] = order.strategy_type
    return event
