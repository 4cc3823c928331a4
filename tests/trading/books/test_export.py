"""`manage.py export`: fills and lots as CSV for taxes."""

import csv
import io
import os
import sys
from datetime import UTC, datetime
from decimal import Decimal as D
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command

from hedgehog_project import cli
from tests.support.rows import make_order, make_trader
from tests.trading.conftest import make_symbol
from trading.core.orders import OrderStatus, Side
from trading.models import Fill, Symbol, Trader

pytestmark = [pytest.mark.django_db, pytest.mark.databases]


def run(*arguments: str) -> tuple[list[dict[str, str]], str]:
    out, err = io.StringIO(), io.StringIO()
    call_command("export", *arguments, stdout=out, stderr=err)
    return list(csv.DictReader(io.StringIO(out.getvalue()))), err.getvalue()


def add_fill(trader: Trader, side: Side, at: datetime, quantity: str, price: str, **values: object) -> Fill:
    order = make_order(trader, side, OrderStatus.FILLED, price=D(price), quantity=D(quantity), executed=D(quantity))
    fields = {"commission": D(0), "commission_asset": "USDT", "trade_id": Fill.objects.count() + 1, **values}
    return Fill.objects.create(
        order=order, price=D(price), quantity=D(quantity), quote=D(price) * D(quantity), traded_at=at, **fields
    )


@pytest.fixture
def years(symbol: Symbol) -> Symbol:
    """Bought at the end of 2025 by one trader; sold in 2026, the last of it by another."""
    first, second = make_trader(symbol, 1), make_trader(symbol, 2)
    eth = {"commission": D("0.001"), "commission_asset": "ETH"}
    bnb = {"commission": D("0.0002"), "commission_asset": "BNB", "commission_quote": D("0.12")}
    add_fill(first, Side.BUY, datetime(2025, 12, 31, 23, 30, tzinfo=UTC), "1", "3000", **eth)
    add_fill(second, Side.BUY, datetime(2026, 1, 2, tzinfo=UTC), "1", "3300")
    add_fill(first, Side.SELL, datetime(2026, 2, 1, tzinfo=UTC), "0.999", "3100", **bnb)
    add_fill(second, Side.SELL, datetime(2026, 12, 31, 23, 30, tzinfo=UTC), "0.5", "3400")
    return symbol


def test_trades_tell_every_fill_of_the_year_with_the_worth_of_its_commission(years: Symbol) -> None:
    rows, told = run("trades", "--year", "2026")
    assert [(row["time"], row["side"], row["quantity"]) for row in rows] == [
        ("2026-01-02 00:00:00.000+00:00", "buy", "1"),
        ("2026-02-01 00:00:00.000+00:00", "sell", "0.999"),
        ("2026-12-31 23:30:00.000+00:00", "sell", "0.5"),
    ]
    sale = rows[1]
    assert (sale["commission"], sale["commission_asset"], sale["commission_in_quote"]) == ("0.0002", "BNB", "0.12")
    assert (sale["quote_amount"], sale["role"], sale["slot"]) == ("3096.9", "maker", "1")
    assert told == "3 fills of 2026 at mock\n"
    [bought], _ = run("trades", "--year", "2025")
    assert (bought["commission"], bought["commission_in_quote"]) == ("0.001", "3")


def test_lots_match_sales_of_the_year_with_purchases_of_any(years: Symbol) -> None:
    rows, told = run("lots", "--year", "2026")
    columns = ("asset", "acquired_at", "days_held", "quantity", "cost", "proceeds", "sell_fee", "gain")
    assert [tuple(row[name] for name in columns) for row in rows] == [
        ("ETH", "2025-12-31 23:30:00.000+00:00", "31", "0.999", "3000", "3096.9", "0.12", "96.78"),
        ("ETH", "2026-01-02 00:00:00.000+00:00", "363", "0.5", "1650", "1700", "0", "50"),
    ]
    assert told.splitlines() == [
        "2 lot rows sold in 2026 at mock, gain 146.78 USDT",
        "held at the end of 2026: 0.5 ETH in 1 lot",
    ]


def test_year_and_times_are_those_of_the_time_zone(years: Symbol) -> None:
    rows, _ = run("trades", "--year", "2026", "--timezone", "Europe/Berlin")
    assert [row["time"] for row in rows] == [
        "2026-01-01 00:30:00.000+01:00",
        "2026-01-02 01:00:00.000+01:00",
        "2026-02-01 01:00:00.000+01:00",
    ]
    lots, _ = run("lots", "--year", "2027", "--timezone", "Europe/Berlin")
    assert [lot["sold_at"] for lot in lots] == ["2027-01-01 00:30:00.000+01:00"]


def test_fills_of_one_moment_keep_the_exchanges_order(symbol: Symbol) -> None:
    trader, at = make_trader(symbol), datetime(2026, 1, 2, tzinfo=UTC)
    add_fill(trader, Side.SELL, at, "1", "3100", trade_id=8)
    add_fill(trader, Side.BUY, at, "1", "3000", trade_id=7)
    [lot], _ = run("lots", "--year", "2026")
    assert (lot["gain"], lot["note"]) == ("100", "")


def test_other_venues_are_another_account(years: Symbol) -> None:
    rows, told = run("lots", "--year", "2026", "--venue", "live")
    assert (rows, told) == ([], "0 lot rows sold in 2026 at live, gain none\n")


def test_coins_from_elsewhere_are_noted(symbol: Symbol) -> None:
    add_fill(make_trader(make_symbol("XRPUSDT")), Side.SELL, datetime(2026, 2, 1, tzinfo=UTC), "10", "0.5")
    [lot], told = run("lots", "--year", "2026")
    assert (lot["cost"], lot["gain"], lot["note"]) == ("", "", "no matching purchase")
    assert "1 row with an uncertain gain" in told


def test_file_is_written_and_a_wrong_one_is_a_line(years: Symbol, tmp_path: Path) -> None:
    rows, _ = run("trades", "--year", "2026", "--csv", str(tmp_path / "2026.csv"))
    assert rows == []
    assert (tmp_path / "2026.csv").read_text().startswith("time,venue,symbol,side,")
    assert len((tmp_path / "2026.csv").read_bytes().splitlines()) == 4
    with pytest.raises(CommandError, match="cannot be written: No such file or directory"):
        run("trades", "--year", "2026", "--csv", str(tmp_path / "none" / "2026.csv"))


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="only Linux has a file that is a full disk")
def test_a_full_disk_is_one_line() -> None:
    with pytest.raises(CommandError, match="/dev/full cannot be written: No space left on device"):
        run("trades", "--year", "2026", "--csv", "/dev/full")


@pytest.mark.parametrize(
    ("argument", "words"),
    [(("--year", "26"), "a year such as 2026"), (("--year", "2026", "--timezone", "Mars"), "a time zone such as")],
)
def test_nonsense_is_refused_in_a_line(redis_client: object, argument: tuple[str, ...], words: str) -> None:
    with pytest.raises(CommandError, match=words):
        run("trades", *argument)


def test_head_may_stop_reading(
    years: Symbol, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    with os.fdopen(writing, "w") as closed:
        monkeypatch.setattr(cli, "recall", lambda: None)
        monkeypatch.setenv("HEDGEHOG_PROCESS", "")  # which it sets, and processes of later tests would have
        monkeypatch.setattr(sys, "stdout", closed)
        monkeypatch.setattr(sys, "argv", ["manage.py", "export", "trades", "--year", "2026", "--skip-checks"])
        cli.main()
    assert "BrokenPipe" not in capfd.readouterr().err
