"""The web server's entry: the admin."""

import os

from django.core.wsgi import get_wsgi_application

from hedgehog_project.database import sessions

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "hedgehog_project.settings")

sessions.serve()
application = get_wsgi_application()
