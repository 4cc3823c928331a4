"""What is meant to be fast, measured side by side with a floor in the same run: `make bench`.

Importing the package sets up Django with the tests' surroundings: a Redis, a home and free ports of its own.
"""

import os

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.settings")
django.setup()
