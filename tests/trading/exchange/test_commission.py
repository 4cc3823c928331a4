"""What an account pays in a symbol, from the exchange's answer: every kind of commission, by role and side."""

from decimal import Decimal as D
from typing import Any

import pytest

from tests.support.exchanges.clients import client_of
from tests.support.exchanges.scripted_http import ScriptedServer, answer
from trading.core.fees import Fees
from trading.exchange.errors import OutcomeUnknown


def kind(maker: str, taker: str, buyer: str = "0", seller: str = "0") -> dict[str, str]:
    return {"maker": maker, "taker": taker, "buyer": buyer, "seller": seller}


STANDARD = kind("0.00000010", "0.00000020", "0.00000030", "0.00000040")
# rest-api.md, "Query Commission Rates".
DOCUMENTED = {
    "symbol": "BTCUSDT",
    "standardCommission": STANDARD,
    "specialCommission": kind("0.01000000", "0.02000000", "0.03000000", "0.04000000"),
    "taxCommission": kind("0.00000112", "0.00000114", "0.00000118", "0.00000116"),
    "discount": {
        "enabledForAccount": True,
        "enabledForSymbol": True,
        "discountAsset": "BNB",
        "discount": "0.75000000",
    },
}


def fees(body: Any) -> Fees:
    with ScriptedServer(*[answer(200, body)] * 3) as server:
        return client_of(server.url).fees("BTCUSDT")


def test_standard_special_and_tax_of_role_and_side_are_added_up() -> None:
    assert fees(DOCUMENTED) == Fees(
        buy_maker=D("0.04000270"),
        buy_taker=D("0.05000282"),
        sell_maker=D("0.05000278"),
        sell_taker=D("0.06000290"),
    )


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({"standardCommission": kind("0.001", "0.002")}, ("0.001", "0.002", "0.001", "0.002")),
        ({"standardCommission": {"maker": "0", "taker": "0.001"}}, ("0", "0.001", "0", "0.001")),
        (
            {"standardCommission": kind("0.001", "0.001"), "taxCommission": kind("0.0011", "0.0012")},
            ("0.0021", "0.0022", "0.0021", "0.0022"),
        ),
        (
            {"standardCommission": kind(".001", ".001"), "taxCommission": None, "specialCommission": {"buyer": ".1"}},
            ("0.101", "0.101", "0.001", "0.001"),
        ),
        # A rate that some exchange gives back, and one finer than amounts are kept.
        ({"standardCommission": kind("-0.0001", "0.0005")}, ("-0.0001", "0.0005", "-0.0001", "0.0005")),
        ({"standardCommission": kind("0.000000001", "0.001")}, ("0.00000001", "0.001", "0.00000001", "0.001")),
        ({"standardCommission": {"maker": 0.001, "taker": 0.001}}, ("0.001", "0.001", "0.001", "0.001")),
    ],
)  # fmt: skip
def test_kinds_that_an_exchange_does_not_know_count_as_nothing(
    body: dict[str, Any], expected: tuple[str, str, str, str]
) -> None:
    assert fees(body) == Fees(*map(D, expected))


@pytest.mark.parametrize(
    "body",
    [
        {key: value for key, value in DOCUMENTED.items() if key != "standardCommission"},
        {**DOCUMENTED, "standardCommission": None},
        {**DOCUMENTED, "standardCommission": {}},
        {**DOCUMENTED, "standardCommission": {"maker": "0.001"}},
        {**DOCUMENTED, "standardCommission": {"maker": None, "taker": "0.001"}},
        {**DOCUMENTED, "standardCommission": kind("NaN", "0.001")},
        {**DOCUMENTED, "taxCommission": kind("Infinity", "0.001")},
        {**DOCUMENTED, "taxCommission": kind("15", "15")},
        {**DOCUMENTED, "specialCommission": ["0.01"]},
    ],
)
def test_answer_without_the_standard_commission_or_with_a_rate_that_is_none_is_no_answer(body: Any) -> None:
    with pytest.raises(OutcomeUnknown, match="Unexpected response from the exchange"):
        fees(body)
