"""The archive's files, in each of the forms that are about."""

import gzip
from datetime import date
from decimal import Decimal
from pathlib import Path

import pytest

from history import reading, verify
from history.archive import Kind
from history.columns import Trades
from tests.support.archive import (
    AGG_HEADER,
    HEADER,
    Row,
    aggregated,
    candles,
    in_us,
    recorded,
    spread,
    zipped,
)

ETH = list(recorded("ETHUSDT-trades-2019"))


def written(folder: Path, rows: list[Row], header: Row = ()) -> Path:
    path = folder / "file.zip"
    path.write_bytes(zipped("file", rows, header))
    return path


def units(text: str) -> int:
    return int(Decimal(text).scaleb(8))


def as_rows(trades: Trades) -> list[tuple[int, ...]]:
    columns = (trades.id, trades.price, trades.quantity, trades.time_us, trades.maker)
    return list(zip(*(each.tolist() for each in columns), strict=True))


def exact(rows: list[Row], time: int = 4, maker: int = 5) -> list[tuple[int, ...]]:
    return [(int(r[0]), units(r[1]), units(r[2]), int(r[time]) * 1000, r[maker] == "True") for r in rows]


@pytest.mark.parametrize("header", [(), HEADER])
@pytest.mark.parametrize("name", ["ETHUSDT-trades-2019", "XRPUSDT-trades-2019", "ETHUSDT-trades-2024-08-08_09"])
def test_trades_are_read_to_the_last_unit(tmp_path: Path, name: str, header: Row) -> None:
    rows = list(recorded(name))
    assert as_rows(reading.trades(written(tmp_path, rows, header), Kind.TRADES)) == exact(rows)


def test_microseconds_are_told_from_milliseconds(tmp_path: Path) -> None:
    rows = spread(recorded("TRXUSDT-trades-2025-03-04"), [date(2025, 3, 4)])[date(2025, 3, 4)]
    found = as_rows(reading.trades(written(tmp_path, in_us(rows)), Kind.TRADES))
    assert found == exact(rows)


@pytest.mark.parametrize("header", [(), AGG_HEADER])
def test_aggregate_trades_are_read(tmp_path: Path, header: Row) -> None:
    rows = aggregated(ETH)
    assert as_rows(reading.trades(written(tmp_path, rows, header), Kind.AGG_TRADES)) == exact(rows, 5, 6)


def test_candles_are_those_of_the_trades(tmp_path: Path) -> None:
    theirs = reading.candles(written(tmp_path, candles(ETH)))
    trades = reading.trades(written(tmp_path, ETH), Kind.TRADES)
    assert verify.differences(verify.candles_of(trades.price, trades.quantity, trades.time_us), theirs) == []


def test_the_volume_of_a_coin_that_costs_nothing_fits(tmp_path: Path) -> None:
    row = ("1704067200000", *["0.00000001"] * 4, "900000000000.00000001", "0", "0", "7", "0", "0", "0")
    found = reading.candles(written(tmp_path, [row]))
    assert (found.volume_whole[0], found.volume_rest[0], found.trades[0]) == (900_000_000_000, 1, 7)


def test_an_empty_file_has_no_trades(tmp_path: Path) -> None:
    assert len(reading.trades(written(tmp_path, [], HEADER), Kind.TRADES)) == 0


@pytest.mark.parametrize("size", [0, 100, 2000, -1])
def test_a_zip_that_was_cut_off_is_said(tmp_path: Path, size: int) -> None:
    path = written(tmp_path, ETH)
    path.write_bytes(path.read_bytes()[:size])
    with pytest.raises(reading.BadFile, match="is no whole zip"):
        reading.trades(path, Kind.TRADES)


def test_a_damaged_zip_is_said(tmp_path: Path) -> None:
    path = written(tmp_path, ETH)
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 0xFF
    path.write_bytes(content)
    with pytest.raises(reading.BadFile, match="is no whole zip"):
        reading.trades(path, Kind.TRADES)


@pytest.mark.parametrize(
    ("place", "text"),
    [(0, "x"), (0, ""), (1, "1e3x"), (1, "99999999999999"), (2, "0.123456789"), (4, "soon"), (5, "perhaps"), (6, "")],
)
def test_a_row_that_is_no_trade_is_said(tmp_path: Path, place: int, text: str) -> None:
    bad = (*ETH[3][:place], text, *ETH[3][place + 1 :])
    rows = [*ETH[:3], bad[:6] if place == 6 else bad, *ETH[4:]]
    with pytest.raises(reading.BadFile, match=r"^line 4: "):
        reading.trades(written(tmp_path, rows), Kind.TRADES)


@pytest.mark.parametrize(
    ("place", "text", "said"),
    [
        (0, "x", "line 6: 'x' is not what stands there in trades"),
        (1, "", "line 6: an amount is missing"),
        (2, "0.123456789", "line 6: an amount has more than eight decimals or is too large"),
        (5, "perhaps", "line 6: 'perhaps' is not what stands there in trades"),
    ],
)
def test_a_broken_line_is_told_by_its_number_also_after_empty_ones(
    tmp_path: Path, place: int, text: str, said: str
) -> None:
    bad = (*ETH[3][:place], text, *ETH[3][place + 1 :])
    lines = [",".join(row) for row in (HEADER, *ETH[:3], bad)]
    path = tmp_path / "a.csv"
    path.write_text("\n".join([lines[0], lines[1], "", *lines[2:], ""]))
    with pytest.raises(reading.BadFile) as error:
        reading.trades(path, Kind.TRADES)
    assert str(error.value) == said


@pytest.mark.parametrize("header", [(), HEADER])
def test_a_file_need_not_be_packed(tmp_path: Path, header: Row) -> None:
    text = "\r\n".join(",".join(row) for row in ([header] if header else []) + list(ETH)).encode()
    for name, data in (("a.csv", text), ("a.csv.gz", gzip.compress(text))):
        path = tmp_path / name
        path.write_bytes(data)
        assert reading.kind_of(path) == Kind.TRADES
        assert as_rows(reading.trades(path, Kind.TRADES)) == exact(list(ETH))


@pytest.mark.parametrize(
    ("first", "said"),
    [
        ("1,2,3", "line 1 has 3 columns: trades have 7, aggTrades 8"),
        ("", "line 1 has 1 column: trades have 7, aggTrades 8"),
        (
            "id,price,qty,time_ms,is_buyer_maker,event_time_ms,recv_time_us",
            "column 5 of trades is the time, and line 1 calls it 'is_buyer_maker'",
        ),
    ],
)
def test_a_file_of_another_form_is_said(tmp_path: Path, first: str, said: str) -> None:
    path = tmp_path / "a.csv"
    path.write_text(first + "\n1,2,3,4,5,6,7\n")
    with pytest.raises(reading.BadFile) as error:
        reading.kind_of(path)
    assert str(error.value) == said
