"""What a configuration document says beside the accounts' own settings."""

from collections.abc import Mapping
from typing import Any


def secret_providers() -> Mapping[str, Mapping[str, Any]]:
    """`secrets.providers`: name → definition."""
    return {}
