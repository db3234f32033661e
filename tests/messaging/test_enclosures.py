"""What may go along with a text, and the one sentence for what may not."""

import base64
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from openclaw_sms.agents.base import Reply
from openclaw_sms.config.accounts import Account
from openclaw_sms.messaging import enclosures
from openclaw_sms.messaging.enclosures import Enclosure, UnsendableMedia
from openclaw_sms.messaging.parts import plan
from tests.support import cast
from tests.support.pictures import AMR, CARD, GIF, HTML, JPEG, MP4, PDF, SVG, filled, png

ACCOUNT = Account(
    pk=1,
    id="default",
    account_sid="AC1",
    auth_token="t",
    from_number=cast.OUR_NUMBER,
    public_webhook_url=cast.PUBLIC_URL,
)
PICTURE = Enclosure("image/png", png())
CONTACT = Enclosure("text/vcard", CARD)


def refusal(call: Callable[[], object]) -> str:
    with pytest.raises(UnsendableMedia) as caught:
        call()
    sentence = str(caught.value)
    assert sentence.endswith(".")
    assert "\n" not in sentence
    return sentence


class TestAnAddress:
    @pytest.mark.parametrize(
        "url",
        [
            "https://example.com/cat.png",
            "https://cdn.example.com:8443/a/b?x=1&y=%20",
            "https://8.8.8.8/cat.png",
            "HTTPS://Example.com/cat.png",
        ],
    )
    def test_that_is_open_to_everyone_is_sent_as_it_is(self, url: str) -> None:
        assert enclosures.named(url) == Enclosure(url=url)

    @pytest.mark.parametrize(
        "url",
        [
            "http://example.com/cat.png",
            "ftp://example.com/cat.png",
            "file:///etc/passwd",
            "https://user:secret@example.com/cat.png",
            "https://localhost/cat.png",
            "https://intranet/cat.png",
            "https://printer.local/cat.png",
            "https://127.0.0.1/cat.png",
            "https://127.1/cat.png",
            "https://2130706433/cat.png",
            "https://10.0.0.1/cat.png",
            "https://192.168.0.1/cat.png",
            "https://172.20.0.1/cat.png",
            "https://169.254.169.254/latest/meta-data",
            "https://100.64.0.1/cat.png",
            "https://[::1]/cat.png",
            "https://[fd00::1]/cat.png",
            "https://[::ffff:10.0.0.1]/cat.png",
            "https://example.com:bad/cat.png",
            "https://exa mple.com/cat.png",
            "https://example.com/c\nat.png",
            "https://",
            "https://[/x",
            "https://example.com/" + "x" * 3000,
        ],
    )
    def test_that_is_not_is_refused_without_repeating_it(self, url: str) -> None:
        sentence = refusal(lambda: enclosures.named(url))
        assert "https://" in sentence
        assert "secret" not in sentence


class TestAFile:
    @pytest.mark.parametrize(
        ("data", "content_type"),
        [
            (png(), "image/png"),
            (JPEG, "image/jpeg"),
            (GIF, "image/gif"),
            (AMR, "audio/amr"),
            (PDF, "application/pdf"),
        ],
    )
    def test_is_known_by_its_bytes_whatever_it_is_called(
        self, data: bytes, content_type: str, tmp_path: Path
    ) -> None:
        path = tmp_path / "called.txt"
        path.write_bytes(data)
        assert enclosures.named(str(path)) == Enclosure(content_type, data)

    @pytest.mark.parametrize("data", [HTML, SVG, b"hello", b"PK\x03\x04zip"])
    def test_of_another_kind_is_refused(self, data: bytes, tmp_path: Path) -> None:
        path = tmp_path / "picture.png"
        path.write_bytes(data)
        assert "'picture.png' is of a kind that cannot be sent" in refusal(lambda: enclosures.named(str(path)))

    @pytest.mark.parametrize(
        ("start", "most"), [(png(), 5_000_000), (JPEG, 5_000_000), (GIF, 5_000_000), (PDF, 500_000), (MP4, 500_000)]
    )
    def test_may_be_as_large_as_twilio_takes(self, start: bytes, most: int, tmp_path: Path) -> None:
        path = tmp_path / "file"
        path.write_bytes(filled(start, most))
        assert enclosures.named(str(path)).size == most
        path.write_bytes(filled(start, most + 1))
        assert f"too large with {most + 1:,} bytes" in refusal(lambda: enclosures.named(str(path)))

    def test_that_is_empty_missing_or_no_file_is_refused(self, tmp_path: Path) -> None:
        (tmp_path / "empty").touch()
        os.mkfifo(tmp_path / "pipe")
        assert "is empty" in refusal(lambda: enclosures.named(str(tmp_path / "empty")))
        assert "No such file" in refusal(lambda: enclosures.named(str(tmp_path / "missing")))
        assert "it is not a file" in refusal(lambda: enclosures.named(str(tmp_path)))
        assert "it is not a file" in refusal(lambda: enclosures.named(str(tmp_path / "pipe")))
        assert "it is not a file" in refusal(lambda: enclosures.named("/dev/zero"))
        assert "cannot be" in refusal(lambda: enclosures.named("nul\x00"))


class TestADataUrl:
    def test_is_decoded_and_known_by_its_bytes(self) -> None:
        url = f"data:text/html;base64,{base64.b64encode(png()).decode()}"
        assert enclosures.from_data_url(url) == PICTURE

    def test_without_base64_is_percent_encoded(self) -> None:
        encoded = "".join(f"%{byte:02x}" for byte in GIF)
        assert enclosures.from_data_url(f"data:image/gif,{encoded}").data == GIF

    @pytest.mark.parametrize(
        "url", ["data:", "data:image/png;base64,", "data:image/png;base64,===", "data:image/png"]
    )
    def test_that_is_damaged_is_refused(self, url: str) -> None:
        assert "damaged" in refusal(lambda: enclosures.from_data_url(url))


class TestTogether:
    def test_at_most_ten(self) -> None:
        enclosures.check([PICTURE] * 10, "hi", ACCOUNT)
        assert "at most 10 files" in refusal(lambda: enclosures.check([PICTURE] * 11, "hi", ACCOUNT))

    def test_files_and_words_under_five_million_bytes(self) -> None:
        large = Enclosure("image/jpeg", filled(JPEG, 4_999_000))
        enclosures.check([large], "x" * 999, ACCOUNT)
        assert "under 5,000,000 bytes" in refusal(lambda: enclosures.check([large], "x" * 1000, ACCOUNT))
        assert "under 5,000,000 bytes" in refusal(lambda: enclosures.check([large], "你" * 334, ACCOUNT))

    def test_a_contact_card_goes_without_words(self) -> None:
        enclosures.check([CONTACT], "", ACCOUNT)
        assert "goes alone" in refusal(lambda: enclosures.check([CONTACT], "here", ACCOUNT))
        card_elsewhere = Enclosure(url="https://example.com/a.vcf")
        assert "goes alone" in refusal(lambda: enclosures.check([card_elsewhere], "here", ACCOUNT))

    def test_the_accounts_own_limit(self) -> None:
        small = replace(ACCOUNT, media_max_mb=0.0001)
        assert "mediaMaxMb of account default is 0.0001" in refusal(lambda: enclosures.check([PICTURE], "", small))

    @pytest.mark.parametrize(
        "url", ["", "http://sms.example.com/x", "https://localhost/x", "https://u:p@example.com/x"]
    )
    def test_a_file_of_ours_needs_a_way_for_twilio(self, url: str) -> None:
        closed = replace(ACCOUNT, public_webhook_url=url)
        assert "publicWebhookUrl of account default" in refusal(lambda: enclosures.check([PICTURE], "", closed))
        enclosures.check([Enclosure(url="https://example.com/1.png")], "", closed)


class TestAnAgentsFiles:
    def test_are_judged_one_by_one(self, tmp_path: Path) -> None:
        media = ("https://example.com/1.png", "http://10.0.0.1/x", png(), HTML, tmp_path / "missing.png")
        enclosed = enclosures.of_reply(media, "hi", ACCOUNT)
        assert enclosed.sendable == (Enclosure(url="https://example.com/1.png"), PICTURE)
        assert len(enclosed.refused) == 3

    def test_a_contact_card_is_taken_beside_words(self) -> None:
        assert enclosures.of_reply((CARD, png()), "hi", ACCOUNT).sendable == (CONTACT, PICTURE)


class TestTheParts:
    def test_files_go_with_the_first(self) -> None:
        text = ("word " * 30).strip()
        first, second = plan(text, [PICTURE, PICTURE], limit=100)
        assert (len(first.enclosures), second.enclosures) == (2, ())
        assert first.body + second.body == text

    def test_files_alone_are_one_part_without_words(self) -> None:
        [part] = plan("", [PICTURE], limit=100)
        assert (part.body, part.segments, part.enclosures) == ("", 1, (PICTURE,))

    def test_a_contact_card_is_a_part_of_its_own(self) -> None:
        card, words = plan("here it is", [CONTACT], limit=100)
        assert (card.body, card.enclosures) == ("", (CONTACT,))
        assert (words.body, words.enclosures) == ("here it is", ())

    def test_whatsapp_takes_one_file_a_message_and_counts_no_segments(self) -> None:
        parts = plan("你好 " * 60, [PICTURE, PICTURE], limit=100, whatsapp=True)
        assert [len(part.enclosures) for part in parts[:2]] == [1, 1]
        assert parts[0].body
        assert parts[1].body == ""
        assert {part.segments for part in parts} == {1}

    def test_whatsapp_has_no_words_under_a_recording(self) -> None:
        recording, words = plan("listen", [Enclosure("audio/amr", AMR)], limit=100, whatsapp=True)
        assert (recording.body, words.body) == ("", "listen")


def test_nothing_shows_what_is_sent() -> None:
    shown = repr(PICTURE) + repr(Enclosure(url="https://example.com/secret"))
    assert "PNG" not in shown
    assert "secret" not in shown


@pytest.mark.parametrize("piece", ["![](data:", "![", "![](data:x ", "![](   ", "![a](data:x"])
def test_a_reply_that_only_looks_like_pictures_costs_no_time(piece: str) -> None:
    """Hours, were it looked at again from every bracket: a reply is what somebody may talk the agent into."""
    text = piece * (1_000_000 // len(piece))
    assert enclosures.lifted(Reply(text)) == Reply(text)
