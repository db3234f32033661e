"""A module whose own import is missing."""

import a_package_nobody_installed  # type: ignore[import-not-found]  # noqa: F401
