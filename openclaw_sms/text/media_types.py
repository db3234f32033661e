"""What a file is, by its first bytes, and what Twilio takes of that kind.

A declared type is a claim of whoever sent the file. What is shown, served or handed on is named by what the bytes
are; a claim only chooses where bytes leave it open (an MP4 file may be a recording or a film).
Source: https://www.twilio.com/docs/messaging/guides/accepted-mime-types
"""

import re
from collections.abc import Mapping

# Twilio adapts these to phones, and takes more of them than of anything else.
ADAPTED = frozenset({"image/jpeg", "image/png", "image/gif"})
LARGEST_ADAPTED = 5_000_000
LARGEST_OTHER = 500_000
# Of a message's words and files together.
LARGEST_MESSAGE = 5_000_000
# What browsers show without running anything in it. SVG and HTML are documents with scripts, and are not here.
SHOWN_INLINE = ADAPTED | {"image/webp"}
CONTACT_CARD = "text/vcard"

# What Twilio takes, and the ending a phone knows it by.
EXTENSIONS: Mapping[str, str] = {
    "image/jpeg": "jpg",
    "image/png": "png",
    "image/gif": "gif",
    "image/webp": "webp",
    "image/bmp": "bmp",
    "image/tiff": "tif",
    "image/heic": "heic",
    "image/heif": "heif",
    "audio/mpeg": "mp3",
    "audio/aac": "aac",
    "audio/amr": "amr",
    "audio/ogg": "ogg",
    "audio/vnd.wave": "wav",
    "audio/basic": "au",
    "audio/ac3": "ac3",
    "audio/mp4": "m4a",
    "audio/3gpp": "3gp",
    "audio/3gpp2": "3g2",
    "audio/webm": "weba",
    "video/mp4": "mp4",
    "video/mpeg": "mpg",
    "video/quicktime": "mov",
    "video/3gpp": "3gp",
    "video/3gpp2": "3g2",
    "video/webm": "webm",
    "application/pdf": "pdf",
    CONTACT_CARD: "vcf",
    "text/calendar": "ics",
    "text/rtf": "rtf",
}
NOUNS = {"image": "picture", "video": "video", "audio": "recording"}

_MAGIC: tuple[tuple[re.Pattern[bytes], str], ...] = tuple(
    (re.compile(pattern, re.DOTALL), content_type)
    for pattern, content_type in (
        (rb"\xff\xd8\xff", "image/jpeg"),
        (rb"\x89PNG\r\n\x1a\n", "image/png"),
        (rb"GIF8[79]a", "image/gif"),
        (rb"RIFF....WEBP", "image/webp"),
        (rb"BM....\x00\x00\x00\x00....[\x0c\x28\x40\x6c\x7c]\x00\x00\x00", "image/bmp"),
        (rb"II\x2a\x00|MM\x00\x2a", "image/tiff"),
        (rb"....ftyp(?:hei[cxms]|hev[cxms])", "image/heic"),
        (rb"....ftyp(?:mif1|msf1)", "image/heif"),
        (rb"....ftyp3g2", "video/3gpp2"),
        (rb"....ftyp3g", "video/3gpp"),
        (rb"....ftypqt  |....(?:moov|wide|mdat)", "video/quicktime"),
        (rb"....ftypM4[AB] ", "audio/mp4"),
        (rb"....ftyp(?:isom|iso[2-9]|mp4[12v]|avc1|M4V |MSNV|dash|f4v |mmp4)", "video/mp4"),
        (rb"\x1aE\xdf\xa3.{0,64}webm", "video/webm"),
        (rb"\x00\x00\x01[\xba\xb3]", "video/mpeg"),
        (rb"RIFF....WAVE", "audio/vnd.wave"),
        (rb"OggS\x00", "audio/ogg"),
        (rb"#!AMR(?:-WB)?\n", "audio/amr"),
        (rb"\.snd", "audio/basic"),
        (rb"\x0b\x77", "audio/ac3"),
        (rb"\xff[\xf0\xf1\xf8\xf9]", "audio/aac"),
        (rb"ID3|\xff[\xe2\xe3\xf2\xf3\xfa\xfb]", "audio/mpeg"),
        (rb"%PDF-", "application/pdf"),
        (rb"(?:\xef\xbb\xbf)?BEGIN:VCARD\r?\n", CONTACT_CARD),
        (rb"(?:\xef\xbb\xbf)?BEGIN:VCALENDAR\r?\n", "text/calendar"),
        (rb"\{\\rtf", "text/rtf"),
    )
)
# Containers of sound alone or of sound and picture: the first bytes do not tell which.
_CONTAINERS = frozenset({"mp4", "3gpp", "3gpp2", "webm", "ogg", "quicktime"})
# What a card, a document or a file of no stated kind may be declared as.
_ANYTHING = frozenset({"", "application/octet-stream", "binary/octet-stream"})
_LONGEST_MAGIC = 128


def sniff(data: bytes) -> str:
    """The content type that the first bytes of `data` show, "" for one that is not known here."""
    start = data[:_LONGEST_MAGIC]
    return next((content_type for magic, content_type in _MAGIC if magic.match(start)), "")


def agreed(data: bytes, declared: str) -> str:
    """The type of `data` if it is of the family that `declared` claims, else "".

    In a container of sound or film the claim chooses between the two.
    """
    claim = declared.partition(";")[0].strip().lower()
    found = sniff(data)
    if not found or claim in _ANYTHING:
        return found
    claimed, actual = claim.partition("/")[0], found.partition("/")[0]
    if claimed in ("audio", "video") and found.partition("/")[2] in _CONTAINERS:
        chosen = f"{claimed}/{found.partition('/')[2]}"
        return chosen if chosen in EXTENSIONS else found
    # Cards and calendars are sent as text/… and as application/… alike.
    documents = {"text", "application"}
    return found if claimed == actual or {claimed, actual} <= documents else ""


def largest(content_type: str) -> int:
    """How many bytes of this type Twilio takes in one file."""
    return LARGEST_ADAPTED if content_type in ADAPTED else LARGEST_OTHER


def noun(content_type: str) -> str:
    """What a person calls it: picture, video, recording, contact card or file."""
    if "vcard" in content_type.lower():
        return "contact card"
    return NOUNS.get(content_type.partition("/")[0].strip().lower(), "file")


def counted(number: int, thing: str) -> str:
    """`counted(2, "picture")` → "2 pictures"."""
    return f"{number} {thing}{'' if number == 1 else 's'}"
