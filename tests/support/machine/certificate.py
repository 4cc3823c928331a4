"""A certificate of one's own making, for tests over TLS."""

import shutil
import subprocess
from pathlib import Path

import pytest

from hedgehog_project.ports import HOST


def new_certificate(folder: Path, subject: str = f"IP:{HOST}") -> Path:
    """A certificate for this machine's own address, with its key in the same file. Skips where openssl is missing."""
    if shutil.which("openssl") is None:
        pytest.skip("openssl is not installed")
    path, key = folder / "certificate.pem", folder / "key.pem"
    new = "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=test"
    options = ["-addext", f"subjectAltName={subject}", "-keyout", str(key), "-out", str(path)]
    subprocess.run(["openssl", *new.split(), *options], check=True, capture_output=True)
    path.write_text(path.read_text() + key.read_text())
    return path
