"""The settings of a test run: the project's own, read in surroundings that belong to the tests alone."""

from tests.support.environment import prepare

prepare()

from hedgehog_project.settings import *  # noqa: E402, F403
