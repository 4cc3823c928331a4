"""Fetches files of the archive over a few connections at once, checks them, and hands them over in their order."""

import errno
import logging
import queue
import threading
import time
from collections import deque
from collections.abc import Generator, Iterable
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path

from history.archive import Archive, ArchiveError, Missing, RemoteFile, Unavailable, sha256_of
from history.progress import Progress

log = logging.getLogger(__name__)

CONNECTIONS = 4
# So many files are fetched before the first of them is taken: they need room on the disk.
AHEAD = 6
# Who is asked to end and reads from a silent server is left after so long.
PATIENCE_S = 1.0
# What a disk says that has no room.
NO_ROOM = frozenset({errno.ENOSPC, errno.EDQUOT})


@dataclass(frozen=True)
class Fetched:
    """A file that is here. `told`: its checksum as the archive has it; empty where it has none."""

    file: RemoteFile
    path: Path
    sha256: str
    told: str

    @property
    def is_as_told(self) -> bool:
        """Whether it is what the archive says it is; what it says nothing of counts as right."""
        return not self.told or self.sha256 == self.told


_Job = tuple[RemoteFile, "Future[Fetched]"]


@dataclass(frozen=True)
class Lacking:
    """A file that could not be fetched, and why."""

    file: RemoteFile
    why: ArchiveError

    @property
    def is_missing(self) -> bool:
        return isinstance(self.why, Missing)


class Fetcher:
    """Fetches into a folder. What is unfinished there belongs to this class, and the next start goes on with it."""

    def __init__(self, archive: Archive, folder: Path, progress: Progress | None = None) -> None:
        self._archive, self._folder = archive, folder
        self._progress = progress or Progress(0)
        self._queue: deque[RemoteFile] = deque()

    def first(self, files: Iterable[RemoteFile]) -> None:
        """These come before all that is not handed over yet: the days of a month that is missing."""
        self._queue.extendleft(reversed(list(files)))

    def each(self, files: Iterable[RemoteFile]) -> Generator[Fetched | Lacking, None, None]:
        """The files in this order, each as soon as it and all before it are here.

        Raises OSError, such as a full disk. Who leaves early, by Ctrl-C too, leaves what has arrived; the archive is
        stopped then and after the last file: another Fetcher needs another Archive.
        """
        self._folder.mkdir(parents=True, exist_ok=True)
        self._queue.extend(files)
        under_way: deque[_Job] = deque()
        jobs: queue.SimpleQueue[_Job | None] = queue.SimpleQueue()
        # No pool of concurrent.futures: at its end Python would wait for a server that is silent, Ctrl-C or not.
        threads = [threading.Thread(target=self._work, args=(jobs,), daemon=True) for _ in range(CONNECTIONS)]
        for thread in threads:
            thread.start()

        def begin(file: RemoteFile) -> "_Job":
            job: _Job = (file, Future())
            jobs.put(job)
            return job

        try:
            while under_way or self._queue:
                while self._queue and len(under_way) < AHEAD:
                    under_way.append(begin(self._queue.popleft()))
                file, future = under_way[0]
                try:
                    found: Fetched | Lacking = future.result()
                except (Missing, Unavailable) as why:
                    found = Lacking(file, why)
                under_way.popleft()
                # What the reader puts first comes before those that are under way already.
                before = len(self._queue)
                yield found
                added = len(self._queue) - before
                if added > 0:
                    days = [self._queue.popleft() for _ in range(added)]
                    under_way.extendleft(reversed([begin(day) for day in days]))
        finally:
            self._archive.stop.set()
            give_up = time.monotonic() + PATIENCE_S
            for _ in threads:
                jobs.put(None)
            for thread in threads:
                thread.join(max(0.0, give_up - time.monotonic()))

    def _work(self, jobs: "queue.SimpleQueue[_Job | None]") -> None:
        while (job := jobs.get()) is not None and not self._archive.stop.is_set():
            file, future = job
            try:
                future.set_result(self.fetch(file))
            except BaseException as error:  # noqa: BLE001 whoever waits for it raises it again
                future.set_exception(error)

    def fetch(self, file: RemoteFile) -> Fetched:
        """One file, complete and compared with its checksum; one that differs is fetched a second time.

        Raises Missing, Unavailable, Stopped, OSError.
        """
        told = self._archive.checksum(file)
        path = self._part(file, told)
        if told and path.exists() and sha256_of(path) == told:  # Complete, and then we were killed.
            self._progress.arrived(file.key, path.stat().st_size)
            return Fetched(file, path, told, told)
        self._archive.fetch(file, path, lambda count: self._progress.arrived(file.key, count))
        found = sha256_of(path)
        if told and found != told:
            log.warning("archive file=%s sha256=%s told=%s fetched again", file.name, found, told)
            path.unlink()
            # The list may tell the size of an older one.
            anew = RemoteFile(file.symbol, file.kind, file.period)
            told = self._archive.checksum(anew)
            path = self._part(anew, told)
            self._archive.fetch(anew, path, lambda count: self._progress.arrived(file.key, count))
            found = sha256_of(path)
        return Fetched(file, path, found, told)

    def _part(self, file: RemoteFile, told: str) -> Path:
        """By its checksum: what is left of a file that was published anew since is not gone on with."""
        path = self._folder / f"{file.name}.{told[:12] or 'unchecked'}.part"
        for other in self._folder.glob(f"{file.name}.*.part"):
            if other != path:
                other.unlink(missing_ok=True)
        return path


def has_no_room(error: OSError) -> bool:
    return error.errno in NO_ROOM
