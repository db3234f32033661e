"""Colour where a person reads: on a terminal, unless NO_COLOR or --no-color says otherwise."""

from collections.abc import Mapping
from typing import Any

from django.conf import settings
from django.core.management.base import OutputWrapper

TONES: Mapping[str, str] = {"good": "32", "bad": "31", "act": "33", "quiet": "2", "strong": "1"}


class Paint:
    """`paint("good", "ready")`: the words, coloured or as they are."""

    def __init__(self, *, on: bool) -> None:
        self._on = on

    def __call__(self, tone: str, words: str) -> str:
        return f"\x1b[{TONES[tone]}m{words}\x1b[0m" if self._on and words else words


def paint(stdout: OutputWrapper, options: Mapping[str, Any]) -> Paint:
    """For this stdout. See https://no-color.org."""
    wanted = options.get("force_color") or (stdout.isatty() and not settings.NO_COLOR)
    return Paint(on=bool(wanted) and not options.get("no_color"))
