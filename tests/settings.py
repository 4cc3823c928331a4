"""The settings of a test run: the project's own, read in surroundings that belong to the tests alone."""

from tests.support.environment import prepare

prepare()

from hedgehog_project.settings import *  # noqa: E402, F403

# Hashing a password slowly, as it must be, would take a third of a second in every test that logs in.
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
