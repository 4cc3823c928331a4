#!/usr/bin/env python
"""Django's command line for Hedgehog: `manage.py help` lists the commands."""

import os

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "hedgehog_project.settings")

from hedgehog_project.cli import main

if __name__ == "__main__":
    main()
