import pytest
from hypothesis import given
from hypothesis import strategies as st

from openclaw_sms.text.media_types import EXTENSIONS, SHOWN_INLINE, agreed, counted, largest, noun, sniff
from tests.support.pictures import AMR, CARD, GIF, HTML, JPEG, MP4, PDF, SVG, png

KNOWN = [
    (JPEG, "image/jpeg"),
    (png(), "image/png"),
    (GIF, "image/gif"),
    (b"RIFF\x10\x00\x00\x00WEBPVP8 ", "image/webp"),
    (b"BM" + bytes([70, 0, 0, 0]) + bytes(4) + bytes([54, 0, 0, 0, 40, 0, 0, 0]), "image/bmp"),
    (b"II*\x00rest", "image/tiff"),
    (b"MM\x00*rest", "image/tiff"),
    (b"\x00\x00\x00\x18ftypheic", "image/heic"),
    (b"\x00\x00\x00\x18ftypmif1", "image/heif"),
    (MP4, "video/mp4"),
    (b"\x00\x00\x00\x18ftyp3gp5", "video/3gpp"),
    (b"\x00\x00\x00\x18ftyp3g2a", "video/3gpp2"),
    (b"\x00\x00\x00\x14ftypqt  ", "video/quicktime"),
    (b"\x00\x00\x00\x20ftypM4A ", "audio/mp4"),
    (b"\x1aE\xdf\xa3\x9fB\x86\x81\x01B\xf7\x81\x01B\x82\x84webm", "video/webm"),
    (b"\x00\x00\x01\xba", "video/mpeg"),
    (b"RIFF\x10\x00\x00\x00WAVEfmt ", "audio/vnd.wave"),
    (b"OggS\x00\x02", "audio/ogg"),
    (AMR, "audio/amr"),
    (b"ID3\x04\x00", "audio/mpeg"),
    (b"\xff\xfb\x90\x00", "audio/mpeg"),
    (b"\xff\xf1\x50\x80", "audio/aac"),
    (PDF, "application/pdf"),
    (CARD, "text/vcard"),
    (b"\xef\xbb\xbfBEGIN:VCARD\nVERSION:4.0", "text/vcard"),
    (b"BEGIN:VCALENDAR\r\nVERSION:2.0", "text/calendar"),
    (b"{\\rtf1\\ansi", "text/rtf"),
]


@pytest.mark.parametrize(("data", "content_type"), KNOWN, ids=[known[1] for known in KNOWN])
def test_files_are_known_by_their_first_bytes(data: bytes, content_type: str) -> None:
    assert sniff(data) == content_type
    assert content_type in EXTENSIONS


@pytest.mark.parametrize("data", [b"", SVG, HTML, b"hello", b"PK\x03\x04", b"MZ", b"\x7fELF", b"#!/bin/sh\n", b"BMW"])
def test_what_is_no_medium_is_not_one(data: bytes) -> None:
    assert sniff(data) == ""


@given(st.binary(max_size=200))
def test_any_bytes_are_something_or_nothing(data: bytes) -> None:
    assert sniff(data) in {"", *EXTENSIONS}


@pytest.mark.parametrize(
    ("data", "declared", "found"),
    [
        (JPEG, "image/jpeg", "image/jpeg"),
        (JPEG, "image/png", "image/jpeg"),  # the family is right, and the bytes decide
        (JPEG, "IMAGE/JPG; name=x.jpg", "image/jpeg"),
        (JPEG, "", "image/jpeg"),
        (JPEG, "application/octet-stream", "image/jpeg"),
        (JPEG, "video/mp4", ""),
        (HTML, "image/png", ""),
        (SVG, "image/svg+xml", ""),
        (PDF, "image/png", ""),
        (MP4, "audio/mp4", "audio/mp4"),
        (MP4, "video/3gpp", "video/mp4"),
        (b"\x00\x00\x00\x18ftyp3gp5", "audio/3gpp", "audio/3gpp"),
        (AMR, "audio/3gpp", "audio/amr"),
        (AMR, "video/3gpp", ""),
        (CARD, "text/x-vcard", "text/vcard"),
        (CARD, "application/vcard", "text/vcard"),
    ],
)
def test_a_claim_must_be_of_the_right_family(data: bytes, declared: str, found: str) -> None:
    assert agreed(data, declared) == found


def test_what_is_shown_in_a_page_can_hold_no_script() -> None:
    assert {"image/jpeg", "image/png", "image/gif", "image/webp"} == SHOWN_INLINE


def test_sizes_and_words() -> None:
    assert (largest("image/png"), largest("image/webp"), largest("application/pdf")) == (5_000_000, 500_000, 500_000)
    kinds = ["image/heic", "video/mp4", "audio/amr", "text/x-vCard", "application/pdf", ""]
    assert [noun(each) for each in kinds] == ["picture", "video", "recording", "contact card", "file", "file"]
    assert (counted(1, "picture"), counted(0, "file"), counted(2, "picture")) == (
        "1 picture",
        "0 files",
        "2 pictures",
    )
