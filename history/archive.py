"""Binance's public archive: which files it has, how large they are, their checksums, and the files themselves.

Layout: data/spot/{monthly,daily}/{kind}/SYMBOL/[interval/]SYMBOL-{kind or interval}-{period}.zip, and beside each a
.CHECKSUM ("sha256  name"). The list of files is the bucket's own, in XML, at another address.
"""

import hashlib
import logging
import random
import re
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree

import requests
import urllib3

from hedgehog_project.outside import whole_number
from history.kinds import Kind
from history.periods import Period

log = logging.getLogger(__name__)

CONNECT_S, READ_S = 10.0, 30.0
# So many failures in a row, with no byte more than before, and a file is given up until the next start.
TRIES = 6
FIRST_WAIT_S, MAX_WAIT_S = 0.5, 30.0
# How long an answer's Retry-After may make us wait.
MAX_TOLD_S = 300.0
CHUNK = 1 << 18
INTERVAL = "1m"
# Of one answer; a list has at most 1,000 files.
_MAX_LIST_BYTES = 8_000_000
_MAX_PAGES = 100
_RETRIED = frozenset({408, 425, 429})
_SHA256 = re.compile(r"\s*([0-9a-fA-F]{64})\b")


class ArchiveError(Exception):
    """Something is wrong with the archive or the way to it.

    ArchiveError
     ├ Missing        it has no such file: another one may have the same trades
     ├ Unavailable    no usable answer after several tries: the same again later
     └ Stopped        this program is about to end: leave all as it is
    """


class Missing(ArchiveError):
    """The archive has no such file."""


class Unavailable(ArchiveError):
    """No usable answer after several tries; what has arrived stays. Asking later may help."""


class Stopped(ArchiveError):
    """Somebody has ended the download."""


@dataclass(frozen=True)
class RemoteFile:
    """One file of the archive. Its size in bytes, where it is known."""

    symbol: str
    kind: Kind
    period: Period
    size: int | None = None

    @property
    def folder(self) -> str:
        return folder_of(self.symbol, self.kind, is_monthly=self.period.is_month)

    @property
    def name(self) -> str:
        return f"{_stem(self.symbol, self.kind)}{self.period.name}.zip"

    @property
    def key(self) -> str:
        """Its place in the bucket."""
        return self.folder + self.name


def folder_of(symbol: str, kind: Kind, *, is_monthly: bool) -> str:
    """Where all files of a symbol are, with a slash at the end."""
    interval = f"{INTERVAL}/" if kind == Kind.KLINES else ""
    return f"{_folder_of_all(kind, is_monthly=is_monthly)}{symbol}/{interval}"


def _folder_of_all(kind: Kind, *, is_monthly: bool) -> str:
    return f"data/spot/{'monthly' if is_monthly else 'daily'}/{kind}/"


def _stem(symbol: str, kind: Kind) -> str:
    return f"{symbol}-{INTERVAL if kind == Kind.KLINES else kind}-"


class Archive:
    """The archive at one address. For several threads at once, each with a connection of its own."""

    def __init__(self, url: str, listing_url: str, stop: threading.Event | None = None) -> None:
        """`stop`: once it is set, whoever waits or reads here raises Stopped."""
        self.url, self.listing_url = url.rstrip("/"), listing_url.rstrip("/")
        self.stop = stop or threading.Event()
        self._of_thread = threading.local()

    # --- what there is --------------------------------------------------------------------------
    def sizes(self, symbol: str, kind: Kind, first: Period, last: Period) -> dict[str, int]:
        """The bytes of each file there is from one period to another, both months or both days, by its key.

        Raises Unavailable.
        """
        folder = folder_of(symbol, kind, is_monthly=first.is_month)
        stem = folder + _stem(symbol, kind)
        end = f"{stem}{last.name}.zip"
        sizes = {}
        for key, size in self._listed(folder, after=stem + first.name):
            if key > end:
                break
            if key.endswith(".zip"):
                sizes[key] = size
        return sizes

    def symbols(self, kind: Kind) -> list[str]:
        """All symbols that the archive has ever had, listed or delisted. Raises Unavailable."""
        found: set[str] = set()
        for is_monthly in (True, False):
            prefix, marker = _folder_of_all(kind, is_monthly=is_monthly), ""
            for _ in range(_MAX_PAGES):
                page = self._page({"prefix": prefix, "delimiter": "/", "marker": marker})
                found |= {text.removeprefix(prefix).rstrip("/") for text in _texts(page, "CommonPrefixes/Prefix")}
                marker = next(iter(_texts(page, "NextMarker")), "")
                if not marker:
                    break
        return sorted(found)

    def size(self, file: RemoteFile) -> int | None:
        """Its bytes, asked from the archive itself; None where it has no such file. Raises Unavailable."""
        try:
            answer = self._answered("HEAD", f"{self.url}/{file.key}")
        except Missing:
            return None
        return int(answer.headers.get("Content-Length", 0))

    def checksum(self, file: RemoteFile) -> str:
        """Its sha256 in hex as the archive tells it; empty where it tells none. Raises Unavailable."""
        try:
            answer = self._answered("GET", f"{self.url}/{file.key}.CHECKSUM")
        except Missing:
            return ""
        found = _SHA256.match(answer.content[:1000].decode(errors="replace"))
        return found[1].lower() if found else ""

    def _listed(self, prefix: str, after: str) -> Iterator[tuple[str, int]]:
        marker = after
        for _ in range(_MAX_PAGES):
            page = self._page({"prefix": prefix, "marker": marker})
            rows = [
                (key, int(size))
                for key, size in zip(_texts(page, "Contents/Key"), _texts(page, "Contents/Size"), strict=False)
            ]
            yield from rows
            if not rows or next(iter(_texts(page, "IsTruncated")), "") != "true":
                return
            marker = rows[-1][0]

    def _page(self, params: Mapping[str, str]) -> ElementTree.Element:
        try:
            answer = self._answered("GET", self.listing_url, params)
            return ElementTree.fromstring(answer.content[:_MAX_LIST_BYTES])
        except ElementTree.ParseError as error:
            raise Unavailable(f"{self.listing_url} does not answer with a list of files ({error})") from None
        except Missing:
            raise Unavailable(f"{self.listing_url} has no list of files") from None

    # --- a file ---------------------------------------------------------------------------------
    def fetch(self, file: RemoteFile, into: Path, arrived: Callable[[int], None] = lambda _: None) -> None:
        """Adds to `into` what is missing of the file; what arrived before an error stays there.

        `arrived` is told the bytes that there are, and less than before where it begins anew.
        Raises Missing, Unavailable, Stopped, OSError.
        """
        failures, most = 0, -1
        while True:
            have = into.stat().st_size if into.exists() else 0
            if file.size is not None and 0 < file.size == have:
                return
            arrived(have)
            failures, most = (0, have) if have > most else (failures, most)
            try:
                self._fetch(file, into, have, arrived)
            except _Again as again:
                failures += 1
                if failures >= TRIES:
                    raise Unavailable(f"{self.url}/{file.key} {again}") from None
                self._wait(failures, again.told_s)
            else:
                return

    def _fetch(self, file: RemoteFile, into: Path, have: int, arrived: Callable[[int], None]) -> None:
        headers = {"Range": f"bytes={have}-"} if have else {}
        with self._sent("GET", f"{self.url}/{file.key}", headers=headers) as answer:
            if answer.status_code == 416:  # Longer than the file, or just as long: its checksum tells.
                total = re.fullmatch(r"bytes \*/(\d+)", answer.headers.get("Content-Range", ""))
                if total is None or int(total[1]) != have:
                    into.unlink()
                    raise _Again("has fewer bytes than were here already")
                return
            resumes = have > 0 and answer.headers.get("Content-Range", "").startswith(f"bytes {have}-")
            if have and answer.status_code == 206 and not resumes:
                into.unlink()
                raise _Again("was asked for its end and sent another part")
            with into.open("ab" if resumes else "wb") as output:
                count = have if resumes else 0
                # Whatever has arrived: iter_content() would lose what a broken line leaves of a chunk.
                while chunk := answer.raw.read1(CHUNK):
                    self._go_on()
                    output.write(chunk)
                    count += len(chunk)
                    arrived(count)

    # --- requests -------------------------------------------------------------------------------
    def _answered(self, method: str, url: str, params: Mapping[str, str] | None = None) -> requests.Response:
        """A whole answer, asked for again where that may help. Raises Missing, Unavailable, Stopped."""
        failures = 0
        while True:
            try:
                with self._sent(method, url, params) as answer:
                    _ = answer.content  # Read here: an answer that breaks off is asked for again, too.
                    return answer
            except _Again as again:
                failures += 1
                if failures >= TRIES:
                    raise Unavailable(f"{url} {again}") from None
                self._wait(failures, again.told_s)

    @contextmanager
    def _sent(
        self,
        method: str,
        url: str,
        params: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Iterator[requests.Response]:
        """One request; its body is read within. Raises Missing, Unavailable, and _Again where that may help."""
        self._go_on()
        # Compressed on the way, a body would be as long as nobody has told.
        headers = {"Accept-Encoding": "identity", **(headers or {})}
        try:
            with self._session().request(
                method, url, params=params, headers=headers, stream=True, timeout=(CONNECT_S, READ_S)
            ) as answer:
                status = answer.status_code
                if status == 404:
                    raise Missing(f"{url} does not exist")
                if status >= 500 or status in _RETRIED:
                    raise _Again(f"answers with status {status}", whole_number(answer.headers.get("Retry-After", "")))
                if status not in (200, 206, 416):
                    raise Unavailable(f"{url} answers with status {status}")
                yield answer
        except (requests.RequestException, urllib3.exceptions.HTTPError) as error:
            raise _Again(f"does not answer ({_reason(error)})") from error

    def _session(self) -> requests.Session:
        session: requests.Session | None = getattr(self._of_thread, "session", None)
        if session is None:
            session = self._of_thread.session = requests.Session()
        return session

    def _wait(self, failures: int, told_s: int | None) -> None:
        wait_s = min(MAX_WAIT_S, FIRST_WAIT_S * 2.0 ** (failures - 1)) * random.uniform(0.5, 1.0)
        if self.stop.wait(min(MAX_TOLD_S, max(wait_s, told_s or 0))):
            raise Stopped

    def _go_on(self) -> None:
        if self.stop.is_set():
            raise Stopped


class _Again(Exception):
    """The same request may succeed; after `told_s` seconds, where the answer says so."""

    def __init__(self, why: str, told_s: int | None = None) -> None:
        super().__init__(why)
        self.told_s = told_s


def sha256_of(path: Path) -> str:
    """In hex. Raises OSError."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _reason(error: Exception) -> str:
    """Its first cause in a few words: urllib3's own repeat the address."""
    cause: BaseException = error
    while (inner := cause.__cause__ or cause.__context__) is not None:
        cause = inner
    return str(cause) or type(cause).__name__


def _texts(page: ElementTree.Element, path: str) -> list[str]:
    """The texts of all elements at a path, whatever namespace they are in."""
    found = page.findall("/".join(f"{{*}}{part}" for part in path.split("/")))
    return [each.text or "" for each in found]
