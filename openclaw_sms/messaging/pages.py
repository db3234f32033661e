"""Pages by position: `{"items": […], "next": cursor or null}`. A cursor is opaque, and holds no right: what a token
may not see is left out of every page."""

import base64
import json
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any, TypeVar

from openclaw_sms.messaging.threads import Position
from openclaw_sms.messaging.wire import Json

Row = TypeVar("Row")
LARGEST_KEY = 2**63 - 1


class InvalidCursor(ValueError):
    """The message is a sentence for the caller."""

    code = "invalid_cursor"

    def __init__(self) -> None:
        super().__init__("The cursor is not one that this list gave: begin without one.")


def page(rows: Sequence[Row], limit: int, told: Callable[[Row], Json], end: Callable[[Row], str]) -> Json:
    """The answer for `rows`, of which one more than `limit` was asked for."""
    shown = rows[:limit]
    return {"items": [told(row) for row in shown], "next": end(shown[-1]) if len(rows) > limit else None}


def at_position(position: Position) -> str:
    return _encode([position.at.isoformat(), position.pk, position.direction])


def at_key(key: int) -> str:
    return _encode([key])


def position(cursor: str) -> Position | None:
    """Where `cursor` is; None for "". Raises `InvalidCursor`."""
    if not cursor:
        return None
    try:
        at, pk, direction = _decode(cursor)
        moment = datetime.fromisoformat(at).astimezone(UTC)
        return Position(moment, _key(pk), str(direction))
    except (ValueError, TypeError, OverflowError):
        raise InvalidCursor from None


def key(cursor: str) -> int | None:
    """The key `cursor` is at; None for "". Raises `InvalidCursor`."""
    if not cursor:
        return None
    try:
        (found,) = _decode(cursor)
    except (ValueError, TypeError):
        raise InvalidCursor from None
    return _key(found)


def _key(value: object) -> int:
    if type(value) is not int or not 0 <= value <= LARGEST_KEY:
        raise InvalidCursor
    return value


def _encode(parts: list[Any]) -> str:
    return base64.urlsafe_b64encode(json.dumps(parts, separators=(",", ":")).encode()).decode().rstrip("=")


def _decode(cursor: str) -> Any:
    try:
        return json.loads(base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True))
    except (ValueError, RecursionError):
        raise InvalidCursor from None
