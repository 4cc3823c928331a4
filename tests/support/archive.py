"""A stand-in for Binance's public archive: the bucket's layout, its list of files in XML, and every bad day.

Its trades are those of tests/data, told over as many days as a test needs: prices, quantities, ids and makers are the
recorded ones, and their times are moved to the day by whole days.
"""

import csv
import gzip
import hashlib
import http.server
import io
import threading
import time
import zipfile
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date
from functools import cache
from pathlib import Path
from typing import Any, Self
from urllib.parse import parse_qs, quote, unquote
from xml.sax.saxutils import escape

from hedgehog_project.ports import HOST

DATA = Path(__file__).resolve().parent.parent / "data" / "trades"
DAY_MS = 86_400_000
HEADER = ("id", "price", "qty", "quote_qty", "time", "is_buyer_maker", "is_best_match")
AGG_HEADER = (
    *("agg_trade_id", "price", "quantity", "first_trade_id", "last_trade_id", "transact_time"),
    *("is_buyer_maker", "is_best_match"),
)

# One line of a file: its cells.
Row = tuple[str, ...]


# --- rows -----------------------------------------------------------------------------------------------------
@cache
def recorded(name: str) -> tuple[Row, ...]:
    """The trades of a file of tests/data, in Binance's public format: seven columns, times in ms."""
    with gzip.open(DATA / f"{name}.csv.gz", "rt", newline="") as file:
        rows = list(csv.reader(file))
    if rows[0][0].isdigit():
        return tuple(tuple(row) for row in rows)
    names = rows[0]
    found = []
    for each in rows[1:]:
        cells = dict(zip(names, each, strict=True))
        time_ms = cells.get("time_ms") or str(int(cells["time_us"]) // 1000)
        is_maker = "True" if cells["is_buyer_maker"] in ("1", "True") else "False"
        found.append((cells["id"], cells["price"], cells["qty"], "0", time_ms, is_maker, "True"))
    return tuple(found)


def spread(rows: Sequence[Row], days: Sequence[date]) -> dict[date, list[Row]]:
    """The trades in as many equal parts as there are days, each at its own time of its day."""
    parts = {}
    for number, day in enumerate(days):
        part = rows[number * len(rows) // len(days) : (number + 1) * len(rows) // len(days)]
        moved = _ms(day) - int(part[0][4]) // DAY_MS * DAY_MS
        parts[day] = [(*row[:4], str(int(row[4]) + moved), *row[5:]) for row in part]
    return parts


def in_us(rows: Iterable[Row], column: int = 4) -> list[Row]:
    """The same with times in microseconds, as the archive has them from 2025 on."""
    return [(*row[:column], f"{row[column]}000", *row[column + 1 :]) for row in rows]


def aggregated(rows: Sequence[Row]) -> list[Row]:
    """The same as aggregate trades: those of one millisecond, price and side are one."""
    found: list[list[str]] = []
    for row in rows:
        last = found[-1] if found else None
        if last is not None and (last[1], last[5], last[6]) == (row[1], row[4], row[5]):
            last[2] = f"{float(last[2]) + float(row[2]):.8f}"
            last[4] = row[0]
        else:
            number = str(int(rows[0][0]) // 2 + len(found))
            found.append([number, row[1], row[2], row[0], row[0], row[4], row[5], row[6]])
    return [tuple(each) for each in found]


def candles(rows: Sequence[Row]) -> list[Row]:
    """The same as candles of one minute, without those in which nothing was traded; twelve columns."""
    minutes: dict[int, list[Row]] = {}
    for row in rows:
        minutes.setdefault(int(row[4]) // 60_000 * 60_000, []).append(row)
    found = []
    for begins, trades in sorted(minutes.items()):
        prices = [float(row[1]) for row in trades]
        volume = sum(float(row[2]) for row in trades)
        amounts = [trades[0][1], f"{max(prices):.8f}", f"{min(prices):.8f}", trades[-1][1], f"{volume:.8f}"]
        found.append((str(begins), *amounts, str(begins + 59_999), "0", str(len(trades)), "0", "0", "0"))
    return found


def zipped(name: str, rows: Iterable[Row], header: Row = ()) -> bytes:
    """A file of the archive: one CSV in a zip."""
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows([header, *rows] if header else rows)
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr(f"{name}.csv", text.getvalue())
    return packed.getvalue()


def _ms(day: date) -> int:
    return (day - date(1970, 1, 1)).days * DAY_MS


# --- the server -----------------------------------------------------------------------------------------------
@dataclass
class Fault:
    """What goes wrong with the next requests for one file, so many times."""

    times: int = 1
    status: int = 0  # answered instead
    cut_after: int | None = None  # so many bytes of the body are sent, and the connection is closed
    stall_s: float = 0.0  # the server is silent so long before it answers


@dataclass
class Bucket:
    """What the archive holds, and what is wrong with it."""

    files: dict[str, bytes] = field(default_factory=dict)
    faults: dict[str, Fault] = field(default_factory=dict)
    knows_ranges: bool = True
    lists: bool = True
    keys_in_a_list: int = 1000
    slow_s: float = 0.0  # before each piece of a body
    piece: int = 1 << 16
    # Method and key of each request, the list's without its parameters.
    requests: list[tuple[str, str]] = field(default_factory=list)
    ranges: list[str] = field(default_factory=list)

    def put(self, symbol: str, kind: str, period: str, rows: Iterable[Row], header: Row = ()) -> str:
        """Adds a file and its checksum; its key."""
        interval = "1m" if kind == "klines" else ""
        name = f"{symbol}-{interval or kind}-{period}"
        cut = "monthly" if len(period) == len("2024-01") else "daily"
        key = f"data/spot/{cut}/{kind}/{symbol}/{interval + '/' if interval else ''}{name}.zip"
        self.files[key] = zipped(name, rows, header)
        self.check(key)
        return key

    def check(self, key: str, sha256: str = "") -> None:
        """Adds the checksum of a file as it is now, or another one."""
        told = sha256 or hashlib.sha256(self.files[key]).hexdigest()
        self.files[f"{key}.CHECKSUM"] = f"{told}  {key.rpartition('/')[2]}\n".encode()

    def remove(self, key: str) -> None:
        del self.files[key], self.files[f"{key}.CHECKSUM"]

    def asked(self) -> Counter[str]:
        """How often each file was asked for."""
        return Counter(key for method, key in self.requests if method == "GET")


class ArchiveServer:
    """Serves a bucket on a free port of 127.0.0.1, and its list at the same address; use it as a context manager."""

    def __init__(self, bucket: Bucket) -> None:
        self.bucket = bucket
        handler = type("Handler", (_Handler,), {"bucket": bucket})
        self._server = _Server((HOST, 0), handler)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)

    @property
    def url(self) -> str:
        return f"http://{HOST}:{self._server.server_address[1]}"

    @property
    def listing_url(self) -> str:
        return f"{self.url}/list"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(5)


class _Server(http.server.ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Whoever asked was killed: nobody needs a traceback of that."""


class _Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    bucket: Bucket

    def do_HEAD(self) -> None:
        self._answer(has_body=False)

    def do_GET(self) -> None:
        self._answer(has_body=True)

    def log_message(self, format: str, *args: Any) -> None:
        pass

    def _answer(self, has_body: bool) -> None:
        path, _, query = self.path.partition("?")
        key = unquote(path).lstrip("/")
        self.bucket.requests.append((self.command, key))
        fault = self.bucket.faults.get(key)
        if fault is not None and fault.times > 0:
            fault.times -= 1
            time.sleep(fault.stall_s)
            if fault.status:
                self._send(fault.status, b"", has_body)
                return
        else:
            fault = None
        if key == "list" and self.bucket.lists:
            self._send(200, self._list(parse_qs(query)), has_body)
        elif key in self.bucket.files:
            self._send_file(self.bucket.files[key], has_body, fault)
        else:
            self._send(404, b"<Error><Code>NoSuchKey</Code></Error>", has_body)

    def _send_file(self, body: bytes, has_body: bool, fault: Fault | None) -> None:
        asked = self.headers.get("Range", "")
        status, headers, first = 200, {}, 0
        if asked and self.bucket.knows_ranges:
            self.bucket.ranges.append(asked)
            first = int(asked.removeprefix("bytes=").rstrip("-"))
            if first >= len(body):
                self._send(416, b"", has_body, {"Content-Range": f"bytes */{len(body)}"})
                return
            status, headers = 206, {"Content-Range": f"bytes {first}-{len(body) - 1}/{len(body)}"}
        self._send(status, body[first:], has_body, headers, None if fault is None else fault.cut_after)

    def _send(
        self,
        status: int,
        body: bytes,
        has_body: bool,
        headers: dict[str, str] | None = None,
        cut_after: int | None = None,
    ) -> None:
        self.send_response(status)
        for name, value in {**(headers or {}), "Content-Length": str(len(body))}.items():
            self.send_header(name, value)
        self.end_headers()
        if not has_body:
            return
        shown = body if cut_after is None else body[:cut_after]
        try:
            for start in range(0, len(shown), self.bucket.piece):
                time.sleep(self.bucket.slow_s)
                self.wfile.write(shown[start : start + self.bucket.piece])
            if cut_after is not None:
                self.close_connection = True
        except OSError:
            self.close_connection = True  # Whoever asked was killed.

    def _list(self, params: dict[str, list[str]]) -> bytes:
        prefix, marker, delimiter = (params.get(name, [""])[0] for name in ("prefix", "marker", "delimiter"))
        keys = [key for key in sorted(self.bucket.files) if key.startswith(prefix)]
        if delimiter:
            folders = {prefix + key[len(prefix) :].partition(delimiter)[0] + delimiter for key in keys}
            found = [folder for folder in sorted(folders) if folder > marker]
        else:
            found = [key for key in keys if key > marker]
        page = found[: self.bucket.keys_in_a_list]
        is_truncated = len(page) < len(found)
        if delimiter:
            rows = [f"<CommonPrefixes><Prefix>{escape(each)}</Prefix></CommonPrefixes>" for each in page]
        else:
            rows = [
                f"<Contents><Key>{escape(key)}</Key><ETag>&quot;0&quot;</ETag>"
                f"<Size>{len(self.bucket.files[key])}</Size></Contents>"
                for key in page
            ]
        next_marker = f"<NextMarker>{escape(page[-1])}</NextMarker>" if is_truncated and delimiter else ""
        return (
            '<?xml version="1.0" encoding="UTF-8"?>\n'
            '<ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><Name>data.binance.vision</Name>'
            f"<Prefix>{quote(prefix)}</Prefix><Marker>{escape(marker)}</Marker>{next_marker}"
            f"<MaxKeys>{self.bucket.keys_in_a_list}</MaxKeys>"
            f"<IsTruncated>{str(is_truncated).lower()}</IsTruncated>{''.join(rows)}</ListBucketResult>"
        ).encode()
