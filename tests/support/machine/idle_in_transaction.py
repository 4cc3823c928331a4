"""A process that dies at the worst moment: it holds the row of a live trader and does nothing more.

python -m tests.support.machine.idle_in_transaction
"""

import os
import time

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "hedgehog_project.settings")

import django

django.setup()

from django.db import transaction  # noqa: E402

from trading.models import Trader  # noqa: E402

HELD = "holds trader"

if __name__ == "__main__":
    with transaction.atomic():
        trader = Trader.objects.select_for_update(of=("self",)).filter(finished_at=None).order_by("pk")[0]
        print(f"{HELD} {trader.pk}", flush=True)
        time.sleep(600)
