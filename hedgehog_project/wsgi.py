"""The web server's entry: the admin."""

import os
import sys

from django.core.wsgi import get_wsgi_application

from hedgehog_project.database import sessions

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "hedgehog_project.settings")

# Unfold has forms for fields of PostgreSQL's own where these can be imported, which takes all of psycopg. No row of
# ours has such a field.
sys.modules["django.contrib.postgres.fields"] = None  # type: ignore[assignment]
sessions.serve()
application = get_wsgi_application()
