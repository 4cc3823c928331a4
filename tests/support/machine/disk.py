"""A disk of a few kilobytes, to be filled: what a full disk does can't be imitated."""

import contextlib
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

BLOCK = b"x" * 4096


@contextmanager
def tiny_disk(folder: Path, size: str) -> Iterator[None]:
    """Within it the folder is a disk of its own. Skips the test where this user may not mount one."""
    if sys.platform != "linux" or os.geteuid() != 0:
        pytest.skip("only root may mount a tiny disk")
    folder.mkdir(exist_ok=True)
    if subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "none", folder], check=False).returncode:
        pytest.skip("this container may not mount")
    try:
        yield
    finally:
        # Lazily: a process that has just been killed may still have a file open there.
        subprocess.run(["umount", "--lazy", folder], check=True)


def fill(folder: Path) -> Path:
    """Takes all the room that is left on the folder's disk; the file that has it."""
    path = folder / "all-the-room"
    with contextlib.suppress(OSError), path.open("wb", buffering=0) as file:
        while file.write(BLOCK):
            pass
    return path
