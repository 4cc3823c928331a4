"""For make: `python install.py VENV` makes an environment, `python install.py VENV FILE` installs what FILE pins.

A line that moves shows how far pip is; one that stands, where it is no terminal. Run as a file, because only what
Python brings is there yet. Ctrl-C is kept from pip, which would answer it with a traceback.
"""

import contextlib
import os
import re
import signal
import subprocess
import sys
from pathlib import Path
from types import FrameType

# What pip says of each package that it comes to, and of what it does in the end.
STEP = re.compile(
    r"\s*(?:Collecting |Requirement already satisfied: |Processing .*/)([A-Za-z][\w.]*(?:-[A-Za-z][\w.]*)*)"
)
LAST = re.compile(r"Installing collected packages|Attempting uninstall|Successfully installed")
CLEAR = "\r\x1b[K"


def main(folder: str, *files: str) -> int:
    """The exit code: pip's, whose words are shown where it fails."""
    if not files:
        return followed([sys.executable, "-m", "venv", "--clear", folder], f"Making {folder}", 0)
    python, (file,) = str(Path(folder) / "bin" / "python"), files
    command = [
        python,
        "-m",
        "pip",
        "install",
        "--disable-pip-version-check",
        "--progress-bar=off",
        "--require-hashes",
    ]
    return followed([*command, "-r", file], f"Installing {file} into {folder}", pinned(Path(file)))


def pinned(file: Path) -> int:
    return sum("==" in line for line in file.read_text().splitlines() if re.match(r"[\w.-]", line))


def followed(command: list[str], doing: str, count: int) -> int:
    """Runs it to its end, and shows how far it is."""
    show_step = sys.stdout.isatty()
    print(doing, end="" if show_step else ".\n", flush=True)
    asked: list[int] = []
    signals = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    for number in signals:  # Until there is something to end.
        signal.signal(number, lambda number, _: asked.append(number))
    # In a session of its own: Ctrl-C is for us.
    child = subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        text=True, errors="replace", start_new_session=True,
    )  # fmt: skip

    def end(number: int, _frame: FrameType | None) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(child.pid, signal.SIGKILL)
        child.wait()
        os.write(1, b"\n")
        os._exit(128 + number)

    for number in signals:
        signal.signal(number, end)
    if asked:
        end(asked[0], None)
    said: list[str] = []
    done = 0
    assert child.stdout is not None
    for line in child.stdout:
        said.append(line)
        if found := STEP.match(line):
            done += 1
            step = f"{min(done, count)} of {count}: {found[1]}"
        elif LAST.match(line):
            step = "writing files"
        else:
            continue
        if show_step:
            print(f"{CLEAR}{doing}: {step}", end="", flush=True)
    code = child.wait()
    if show_step:
        print(f"{CLEAR}{doing}: {'failed' if code else 'done'}.", flush=True)
    if code:
        sys.stderr.write("".join(said[-40:]))
    return code


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
