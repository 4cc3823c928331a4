"""Parameters of every kind for everything that the mock can be asked: an answer or a refusal, never a 500."""

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from binance_mock.engine.errors import Refused
from binance_mock.engine.orders import MarketTrade
from binance_mock.market.manual import ManualMarket
from binance_mock.protocol.operations import REST, WS_API, Operation, perform
from binance_mock.protocol.params import Params
from binance_mock.state.context import Context, open_context
from binance_mock.state.exchange import open_exchange
from binance_mock.state.security import Account
from binance_mock.state.store import Store
from tests.binance_mock.support import INFO, NOW, RICH, amounts
from tests.fuzz.conftest import BOUNDED

NAMES = [
    "symbol", "symbols", "side", "type", "timeInForce", "quantity", "quoteOrderQty", "price", "newClientOrderId",
    "strategyId", "strategyType", "stopPrice", "trailingDelta", "icebergQty", "newOrderRespType",
    "selfTradePreventionMode", "orderId", "origClientOrderId", "cancelRestrictions", "cancelReplaceMode",
    "cancelOrderId", "cancelOrigClientOrderId", "limit", "fromId", "startTime", "endTime", "interval", "timeZone",
    "recvWindow", "timestamp", "omitZeroBalances", "permissions", "symbolStatus", "windowSize", "newQty",
    "computeCommissionRates", "preventedMatchId", "fromPreventedMatchId", "fromAllocationId", "orderListId",
]  # fmt: skip
VALUES = st.one_of(
    st.sampled_from(
        ["ETHUSDT", "BTCUSDT", "NOSUCH", "BUY", "SELL", "LIMIT", "MARKET", "LIMIT_MAKER", "GTC", "IOC", "FOK", "FULL"]
    ),
    st.sampled_from(
        ["0", "1", "-1", "0.01", "3000", "1e5", "9" * 19, "9" * 40, "NaN", "Infinity", "0.000000001", ""]
    ),
    st.sampled_from(
        ['["ETHUSDT"]', "[]", '["', "STOP_ON_FAILURE", "ALLOW_FAILURE", "1m", "1h", "1M", "true", "٣", "1\n"]
    ),
    st.integers(-5, 2**70).map(str),
    st.text(max_size=6),
)
ORDER = {
    "symbol": "ETHUSDT",
    "side": "BUY",
    "type": "LIMIT",
    "timeInForce": "GTC",
    "quantity": "0.01",
    "price": "2900",
}
OPERATIONS = sorted({f"{method} {path}": each for (method, path), each in REST.items()} | WS_API)
BY_NAME: dict[str, Operation] = {f"{method} {path}": each for (method, path), each in REST.items()} | WS_API


@st.composite
def parameters(draw: st.DrawFn) -> dict[str, str]:
    whole = draw(st.sampled_from([{}, {"symbol": "ETHUSDT"}, ORDER, {**ORDER, "cancelOrderId": "1"}]))
    changed = draw(st.dictionaries(st.sampled_from(NAMES), VALUES, max_size=4))
    return {**whole, **changed}


def new_desk() -> Context:
    exchange = open_exchange(Store(":memory:"), INFO, amounts(**RICH), NOW)
    context = open_context(exchange, ManualMarket(), Account("key", "secret"), now_ms=lambda: NOW)
    exchange.trade([MarketTrade("ETHUSDT", amounts(p="3000")["p"], amounts(q="1")["q"], True)], NOW)
    return context


@settings(parent=BOUNDED, max_examples=200)
@given(st.lists(st.tuples(st.sampled_from(OPERATIONS), parameters()), min_size=1, max_size=5))
def test_every_request_is_answered_or_refused(asked: list[tuple[str, dict[str, str]]]) -> None:
    context = new_desk()
    held_before = {asset: h.deposited for asset, h in context.exchange.engine.ledger.holdings.items()}
    for name, values in asked:
        try:
            answer = perform(context, BY_NAME[name], Params(values), NOW)
        except Refused as refused:
            answer = refused.body()
            assert refused.status < 500
            assert answer["code"] < 0
        msgspec.json.encode(answer)
    holdings = context.exchange.engine.ledger.holdings
    assert {asset: h.deposited for asset, h in holdings.items()} | held_before == {
        a: h.deposited for a, h in holdings.items()
    }
    assert all(not holding.missing and holding.free >= 0 and holding.locked >= 0 for holding in holdings.values())
    context.exchange.store.close()
