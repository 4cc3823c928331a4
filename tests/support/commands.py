"""What a command says, as somebody reads it who typed it."""

import io
from contextlib import suppress

from django.core.management import call_command


def said(command: str, *arguments: str) -> str:
    """Its output; how it ends is nobody's business here: in a test no process is up, and some complain of that."""
    out = io.StringIO()
    with suppress(SystemExit):
        call_command(command, *arguments, stdout=out)
    return out.getvalue()
