"""The pretend Twilio's texts, in a SQLite file of their own: they survive restarts and never meet the product's data.

Every operation is one statement on a connection of its own, so threads and processes may share the file. Whether a
text may move on is a conditional update that says if it won.
"""

import enum
import secrets
import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

from django.conf import settings

from openclaw_sms.text import segments

BUSY_TIMEOUT = timedelta(seconds=10)
# As far back as the simulator shows.
MOST_CHANGES = 500

_SCHEMA = """
CREATE TABLE IF NOT EXISTS texts (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    sid TEXT NOT NULL UNIQUE,
    direction TEXT NOT NULL,
    sender TEXT NOT NULL,
    recipient TEXT NOT NULL,
    body TEXT NOT NULL,
    encoding TEXT NOT NULL,
    segments INTEGER NOT NULL,
    status TEXT NOT NULL,
    status_callback TEXT NOT NULL,
    created REAL NOT NULL,
    sent REAL,
    changed INTEGER NOT NULL
);
CREATE TABLE IF NOT EXISTS media (
    sid TEXT PRIMARY KEY,
    text_sid TEXT NOT NULL,
    position INTEGER NOT NULL,
    key TEXT NOT NULL UNIQUE,
    source TEXT NOT NULL,
    state TEXT NOT NULL,
    content_type TEXT NOT NULL,
    data BLOB NOT NULL,
    UNIQUE (text_sid, position)
);
CREATE INDEX IF NOT EXISTS texts_changed ON texts (changed);
CREATE INDEX IF NOT EXISTS texts_moving ON texts (id) WHERE status IN ('queued', 'sent');
"""
_NEXT_CHANGE = "(SELECT coalesce(max(changed), 0) + 1 FROM texts)"


class Direction(enum.Enum):
    """Twilio's own words, as its API gives them."""

    FROM_PHONE = "inbound"
    TO_PHONE = "outbound-api"


class Status:
    """How far a text to a phone got, in Twilio's words."""

    QUEUED = "queued"
    SENT = "sent"
    DELIVERED = "delivered"


class MediaState:
    """Whether the bytes of a file are here. Those of a text to a phone are at first still the product's."""

    AWAITED = "awaited"
    HERE = "here"
    MISSING = "missing"


class Answer:
    """What the webhook said to a text from a phone: one of these, or its HTTP status as text."""

    AWAITED = "awaited"
    NONE = "none"


@dataclass(frozen=True, slots=True)
class Text:
    """One text. `status`: a `Status` or an `Answer`. `changed` grows with every change of any text."""

    id: int
    sid: str
    direction: Direction
    sender: str = field(repr=False)
    recipient: str = field(repr=False)
    body: str = field(repr=False)
    encoding: str
    segments: int
    status: str
    status_callback: str = field(repr=False)
    created: datetime
    sent: datetime | None
    changed: int

    @property
    def phone(self) -> str:
        """The number of the pretend phone that sent or got it."""
        return self.sender if self.direction is Direction.FROM_PHONE else self.recipient


@dataclass(frozen=True, slots=True)
class Media:
    """A file of a text. `key`: its address on the pretend CDN. `source`: where it comes from, if not from a phone."""

    sid: str
    text_sid: str
    key: str = field(repr=False)
    source: str = field(repr=False)
    state: str
    content_type: str


@dataclass(frozen=True, slots=True)
class Changes:
    """Texts that are new or changed, oldest first, and the cursor to ask with next time."""

    cursor: int
    texts: tuple[Text, ...]


@dataclass(frozen=True, slots=True)
class Filter:
    """What `Messages.json` can be asked for. "" and None mean "any"; a text not sent yet matches no date."""

    to: str = field(default="", repr=False)
    sender: str = field(default="", repr=False)
    sent_on: date | None = None
    sent_from: datetime | None = None
    sent_until: datetime | None = None

    def parameters(self) -> dict[str, object]:
        day = None if self.sent_on is None else datetime(*self.sent_on.timetuple()[:3], tzinfo=UTC).timestamp()
        return {
            "to": self.to,
            "sender": self.sender,
            "day": day,
            "from": self.sent_from and self.sent_from.timestamp(),
            "until": self.sent_until and self.sent_until.timestamp(),
        }


@dataclass(frozen=True, slots=True)
class Store:
    """The texts in the file `path`, which is made on first use."""

    path: Path

    def add(
        self,
        direction: Direction,
        *,
        sender: str,
        recipient: str,
        body: str,
        now: datetime,
        status_callback: str = "",
        files: Sequence[tuple[str, bytes]] = (),
        media_urls: Sequence[str] = (),
    ) -> Text:
        """Keep a new text: one to a phone is queued, one from a phone awaits the webhook's answer.

        `files`: content type and bytes of each, from a phone. `media_urls`: where a text to a phone has its files.
        """
        sid = f"{'MM' if files or media_urls else 'SM'}{secrets.token_hex(16)}"
        # First the files: whoever sees the text sees them too.
        for position, (content_type, data) in enumerate(files):
            self._attach(sid, position, MediaState.HERE, content_type=content_type, data=data)
        for position, url in enumerate(media_urls):
            self._attach(sid, position, MediaState.AWAITED, source=url)
        measure = segments.measure(body)
        values = {
            "sid": sid,
            "direction": direction.value,
            "sender": sender,
            "recipient": recipient,
            "body": body,
            "encoding": measure.encoding.value,
            "segments": measure.segments,
            "status": Status.QUEUED if direction is Direction.TO_PHONE else Answer.AWAITED,
            "status_callback": status_callback,
            "created": now.timestamp(),
            # Twilio dates a text from a phone when it gets it, one to a phone when it goes out.
            "sent": now.timestamp() if direction is Direction.FROM_PHONE else None,
        }
        names = ", ".join(values)
        marks = ", ".join(f":{name}" for name in values)
        return self._texts(
            f"INSERT INTO texts ({names}, changed) VALUES ({marks}, {_NEXT_CHANGE}) RETURNING *",  # noqa: S608
            values,
        )[0]

    def move(self, text: Text, status: str, *, sent: datetime | None = None) -> Text | None:
        """The text with its new status; None when somebody else moved it first. `sent` is set once."""
        moved = self._texts(
            "UPDATE texts SET status = :status, sent = coalesce(sent, :sent), "  # noqa: S608
            f"changed = {_NEXT_CHANGE} WHERE id = :id AND status = :expected RETURNING *",
            {"id": text.id, "status": status, "expected": text.status, "sent": sent and sent.timestamp()},
        )
        return moved[0] if moved else None

    def get(self, sid: str) -> Text | None:
        found = self._texts("SELECT * FROM texts WHERE sid = :sid", {"sid": sid})
        return found[0] if found else None

    def media_of(self, sids: Iterable[str]) -> dict[str, list[Media]]:
        """The files of these texts, in order, by the text's sid."""
        wanted = list(sids)
        marks = ", ".join("?" * len(wanted))
        found: dict[str, list[Media]] = {}
        with self._connection() as connection:
            for row in connection.execute(
                f"SELECT sid, text_sid, key, source, state, content_type FROM media "  # noqa: S608
                f"WHERE text_sid IN ({marks}) ORDER BY position",
                wanted,
            ):
                found.setdefault(row["text_sid"], []).append(Media(**dict(row)))
        return found

    def file(self, *, key: str = "", sid: str = "") -> tuple[Media, bytes] | None:
        """A file that is here, by its key or its sid."""
        with self._connection() as connection:
            row = connection.execute(
                "SELECT * FROM media WHERE (key = :key OR sid = :sid) AND state = :here",
                {"key": key, "sid": sid, "here": MediaState.HERE},
            ).fetchone()
        if row is None:
            return None
        values = dict(row)
        data = values.pop("data")
        del values["position"]
        return Media(**values), data

    def settle(self, media: Media, *, content_type: str = "", data: bytes | None = None) -> None:
        """Keep the bytes that a source gave, or that it gave none."""
        state = MediaState.MISSING if data is None else MediaState.HERE
        with self._connection() as connection:
            connection.execute(
                "UPDATE media SET state = ?, content_type = ?, data = ? WHERE sid = ? AND state = ?",
                (state, content_type, data or b"", media.sid, MediaState.AWAITED),
            )

    def _attach(
        self, text_sid: str, position: int, state: str, *, content_type: str = "", data: bytes = b"", source: str = ""
    ) -> None:
        with self._connection() as connection:
            connection.execute(
                "INSERT INTO media VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
                (
                    f"ME{secrets.token_hex(16)}",
                    text_sid,
                    position,
                    secrets.token_urlsafe(24),
                    source,
                    state,
                    content_type,
                    data,
                ),
            )

    def moving(self) -> list[Text]:
        """Texts to phones that are not delivered yet, oldest first."""
        return self._texts("SELECT * FROM texts WHERE status IN ('queued', 'sent') ORDER BY id", {})

    def changes(self, *, after: int, phone: str = "") -> Changes:
        """What changed since the cursor `after`, for one phone or for all; the latest 500 at most.

        A cursor smaller than `after` means that the file was replaced: ask again from 0.
        """
        changed = self._texts(
            "SELECT * FROM texts WHERE changed > :after AND :phone IN ('', sender, recipient) "
            "ORDER BY changed DESC LIMIT :most",
            {"after": after, "phone": phone, "most": MOST_CHANGES},
        )
        cursor = changed[0].changed if changed else self._newest_change(at_most=after)
        return Changes(cursor, tuple(sorted(changed, key=lambda text: text.id)))

    def matching(self, wanted: Filter, *, offset: int, limit: int) -> list[Text]:
        """Texts as Twilio lists them: newest first."""
        return self._texts(
            "SELECT * FROM texts WHERE :to IN ('', recipient) AND :sender IN ('', sender) "
            "AND (:day IS NULL OR sent >= :day AND sent < :day + 86400) "
            "AND (:from IS NULL OR cast(sent AS INTEGER) >= :from) "
            "AND (:until IS NULL OR cast(sent AS INTEGER) <= :until) "
            "ORDER BY id DESC LIMIT :limit OFFSET :offset",
            {**wanted.parameters(), "limit": limit, "offset": offset},
        )

    def _newest_change(self, *, at_most: int) -> int:
        with self._connection() as connection:
            (newest,) = connection.execute("SELECT coalesce(max(changed), 0) FROM texts").fetchone()
        return min(int(newest), at_most)

    def _texts(self, statement: str, values: Mapping[str, object]) -> list[Text]:
        with self._connection() as connection:
            return [_text(row) for row in connection.execute(statement, dict(values)).fetchall()]

    @contextmanager
    def _connection(self) -> Iterator[sqlite3.Connection]:
        connection = sqlite3.connect(self.path, timeout=BUSY_TIMEOUT.total_seconds(), isolation_level=None)
        try:
            connection.row_factory = sqlite3.Row
            connection.execute("PRAGMA journal_mode=WAL")
            connection.execute("PRAGMA synchronous=NORMAL")
            connection.executescript(_SCHEMA)
            yield connection
        finally:
            connection.close()


def _text(row: sqlite3.Row) -> Text:
    values = dict(row)
    values["direction"] = Direction(values["direction"])
    values["created"] = datetime.fromtimestamp(values["created"], UTC)
    values["sent"] = None if values["sent"] is None else datetime.fromtimestamp(values["sent"], UTC)
    return Text(**values)


def is_too_long(body: str) -> bool:
    """Whether Twilio would refuse the body (21617): it counts UTF-16 units."""
    return len(body.encode("utf-16-le", "surrogatepass")) // 2 > segments.MAX_BODY_UNITS


def current() -> Store:
    """The store in the data directory."""
    return Store(settings.DATA_DIR / "sandbox.sqlite3")
