"""Flower's Celery app (`celery_command.py` runs it): it looks at the broker, and knows no task, no
row and nothing of Django but the settings."""

import logging.config

from celery import Celery
from django.conf import settings

app = Celery("hedgehog", fixups=[])
app.config_from_object(settings, namespace="CELERY")
# As django.setup() does: no secret shows in a log.
logging.config.dictConfig(settings.LOGGING)
