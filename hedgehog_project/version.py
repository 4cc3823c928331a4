"""Which version this is: what pyproject.toml says."""

import tomllib

from hedgehog_project.env import BASE_DIR

VERSION: str = tomllib.loads((BASE_DIR / "pyproject.toml").read_text())["project"]["version"]
