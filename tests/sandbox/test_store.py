import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest

from openclaw_sms.sandbox.store import Answer, Direction, Filter, Status, Store, Text, is_too_long

NOW = datetime(2030, 5, 6, 7, 8, 9, 500_000, tzinfo=UTC)
US, ALICE, BOB = "+15552000000", "+15550001111", "+15550002222"


def to_phone(texts: Store, phone: str = ALICE, body: str = "hi", now: datetime = NOW) -> Text:
    return texts.add(Direction.TO_PHONE, sender=US, recipient=phone, body=body, now=now)


def from_phone(texts: Store, phone: str = ALICE, body: str = "hello") -> Text:
    return texts.add(Direction.FROM_PHONE, sender=phone, recipient=US, body=body, now=NOW)


def test_a_text_comes_back_as_it_was_kept(texts: Store) -> None:
    body = "naïve ✓ \x00 '; DROP TABLE texts; --\n"
    kept = texts.add(
        Direction.TO_PHONE, sender=US, recipient=ALICE, body=body, now=NOW, status_callback="http://127.0.0.1/"
    )
    assert texts.get(kept.sid) == kept
    assert (kept.body, kept.created, kept.sent, kept.phone) == (body, NOW, None, ALICE)
    assert kept.status_callback == "http://127.0.0.1/"


def test_texts_begin_queued_or_awaiting_the_webhook(texts: Store) -> None:
    assert to_phone(texts).status == Status.QUEUED
    assert from_phone(texts).status == Answer.AWAITED


def test_segments_are_measured(texts: Store) -> None:
    plain, fancy = to_phone(texts, body="a" * 161), to_phone(texts, body="✓" * 71)
    assert (plain.encoding, plain.segments) == ("GSM-7", 2)
    assert (fancy.encoding, fancy.segments) == ("UCS-2", 2)


def test_texts_survive_a_restart(texts: Store) -> None:
    kept = to_phone(texts)
    assert Store(texts.path).get(kept.sid) == kept


def test_an_unknown_sid_is_nothing(texts: Store) -> None:
    assert texts.get("SM" + "0" * 32) is None


def test_only_one_of_two_moves_wins(texts: Store) -> None:
    queued = to_phone(texts)
    moved = texts.move(queued, Status.SENT, sent=NOW)
    assert moved is not None
    assert moved.status == Status.SENT
    assert texts.move(queued, Status.SENT, sent=NOW) is None


def test_the_time_of_sending_is_set_once(texts: Store) -> None:
    sent = texts.move(to_phone(texts), Status.SENT, sent=NOW)
    assert sent is not None
    delivered = texts.move(sent, Status.DELIVERED, sent=NOW + timedelta(seconds=1))
    assert delivered is not None
    assert delivered.sent == NOW


def test_what_is_delivered_or_came_from_a_phone_does_not_move(texts: Store) -> None:
    from_phone(texts)
    first, second = to_phone(texts), to_phone(texts, BOB)
    texts.move(first, Status.DELIVERED, sent=NOW)
    assert [text.sid for text in texts.moving()] == [second.sid]


class TestChanges:
    def test_the_cursor_leads_from_change_to_change(self, texts: Store) -> None:
        first = to_phone(texts)
        seen = texts.changes(after=0)
        assert [text.sid for text in seen.texts] == [first.sid]
        assert texts.changes(after=seen.cursor).texts == ()
        assert texts.changes(after=seen.cursor).cursor == seen.cursor

    def test_a_tick_is_a_change(self, texts: Store) -> None:
        queued = to_phone(texts)
        cursor = texts.changes(after=0).cursor
        texts.move(queued, Status.SENT, sent=NOW)
        (changed,) = texts.changes(after=cursor).texts
        assert (changed.sid, changed.status) == (queued.sid, Status.SENT)

    def test_one_phone_sees_its_own_texts(self, texts: Store) -> None:
        mine = [from_phone(texts).sid, to_phone(texts).sid]
        to_phone(texts, BOB)
        assert [text.sid for text in texts.changes(after=0, phone=ALICE).texts] == mine

    def test_a_replaced_file_shows_in_a_smaller_cursor(self, texts: Store) -> None:
        to_phone(texts)
        assert texts.changes(after=40).cursor == 1


class TestMatching:
    @pytest.fixture(autouse=True)
    def filled(self, texts: Store) -> None:
        """Alice got "one" on the 6th and "two" on the 7th; "three" to Bob is not sent yet; Alice sent "four"."""
        for body, later in (("one", timedelta(0)), ("two", timedelta(days=1))):
            texts.move(to_phone(texts, body=body), Status.SENT, sent=NOW + later)
        to_phone(texts, BOB, "three")
        from_phone(texts, ALICE, "four")

    @pytest.mark.parametrize(
        ("wanted", "bodies"),
        [
            (Filter(), ["four", "three", "two", "one"]),
            (Filter(to=ALICE), ["two", "one"]),
            (Filter(sender=ALICE), ["four"]),
            (Filter(to=BOB, sender=US), ["three"]),
            (Filter(sent_on=date(2030, 5, 6)), ["four", "one"]),
            (Filter(sent_from=NOW.replace(microsecond=0)), ["four", "two", "one"]),
            (Filter(sent_from=NOW + timedelta(seconds=1)), ["two"]),
            (Filter(sent_until=NOW.replace(microsecond=0)), ["four", "one"]),
        ],
    )
    def test_filters_choose_and_the_newest_comes_first(self, texts: Store, wanted: Filter, bodies: list[str]) -> None:
        assert [text.body for text in texts.matching(wanted, offset=0, limit=50)] == bodies

    def test_pages_follow_each_other(self, texts: Store) -> None:
        assert [text.body for text in texts.matching(Filter(), offset=1, limit=2)] == ["three", "two"]


def test_many_threads_share_a_new_file(tmp_path: Path) -> None:
    texts, together = Store(tmp_path / "new.sqlite3"), threading.Barrier(8)

    def write(number: int) -> list[int]:
        together.wait()
        return [to_phone(texts, body=f"{number}.{count}").changed for count in range(20)]

    with ThreadPoolExecutor(8) as pool:
        changes = [change for written in pool.map(write, range(8)) for change in written]
    assert sorted(changes) == list(range(1, 161))


def test_the_file_is_in_wal_mode(texts: Store) -> None:
    to_phone(texts)
    assert texts.path.read_bytes()[18:20] == b"\x02\x02"


def test_length_is_counted_in_utf_16_units() -> None:
    assert not is_too_long("a" * 1600)
    assert is_too_long("a" * 1601)
    assert not is_too_long("😀" * 800)
    assert is_too_long("😀" * 801)


def test_numbers_and_bodies_are_not_in_reprs(texts: Store) -> None:
    shown = repr(to_phone(texts, body="a secret")) + repr(Filter(to=ALICE))
    assert ALICE not in shown
    assert "a secret" not in shown
