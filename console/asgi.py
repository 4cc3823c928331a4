"""The web server's entry: pages, and what answers on the event loop."""

from hedgehog_project.web.serving import Application, healthz
from hedgehog_project.wsgi import application as pages

application = Application(pages, {"/healthz": healthz})
