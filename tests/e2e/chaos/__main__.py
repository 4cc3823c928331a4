"""The long form: python -m tests.e2e.chaos [--seed N] [--seconds S] [--database sqlite|postgres|both] [--only a,b]"""

import logging
import os

os.environ["DJANGO_SETTINGS_MODULE"] = "tests.settings"

import django

django.setup()
# The processes have logs of their own; what this one does to them would only tear the list of steps apart.
logging.disable(logging.WARNING)

from tests.e2e.chaos.long_form import main  # noqa: E402

if __name__ == "__main__":
    raise SystemExit(main())
