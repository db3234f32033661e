"""Files to send along with a text: what may be sent, and the sentence for what may not.

A file of ours is named by its first bytes, whatever it is called, and must fit Twilio's limits. An address of
somebody else's must be public, because it is Twilio that fetches it. Nothing is fetched here.
"""

import base64
import binascii
import re
import stat
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import unquote_to_bytes, urlsplit

from openclaw_sms.agents.base import Reply
from openclaw_sms.config.accounts import Account
from openclaw_sms.config.sources import ConfigurationError
from openclaw_sms.messaging import hosting
from openclaw_sms.text.media_types import (
    CONTACT_CARD,
    EXTENSIONS,
    LARGEST_ADAPTED,
    LARGEST_MESSAGE,
    LARGEST_OTHER,
    largest,
    sniff,
)
from openclaw_sms.twilio.hosts import is_public_host

MOST_FILES = 10
# Nothing goes past the next bracket and nothing is tried twice: the time it takes grows with the text, and no faster.
_DATA_PICTURE = re.compile(r"!\[[^\[\]]*+\]\(\s*+(data:[^)\s\[]++)(?:\s[^)\[]*+)?+\)", re.IGNORECASE)
LONGEST_ADDRESS = 2_000
MEGABYTE = 1024 * 1024


class UnsendableMedia(ConfigurationError):
    """One sentence that says which file cannot be sent, and what could be."""

    code = "unsendable_media"


@dataclass(frozen=True, slots=True)
class Enclosure:
    """A public address in `url`, or bytes that are served by this gateway, of the type they are."""

    content_type: str = ""
    data: bytes = field(default=b"", repr=False)
    url: str = field(default="", repr=False)

    @property
    def size(self) -> int:
        """Bytes of ours; 0 for an address."""
        return len(self.data)

    @property
    def is_card(self) -> bool:
        return self.content_type == CONTACT_CARD or urlsplit(self.url).path.lower().endswith((".vcf", ".vcard"))


@dataclass(frozen=True, slots=True)
class Enclosed:
    """What of an agent's files can be sent, and a sentence for each that cannot."""

    sendable: tuple[Enclosure, ...] = ()
    refused: tuple[str, ...] = ()


def named(word: str) -> Enclosure:
    """What a person writes after `--media`: an address, or the path of a file here. Raises `UnsendableMedia`."""
    return from_url(word) if "://" in word else from_path(Path(word))


def from_url(url: str) -> Enclosure:
    """Somebody else's picture by its address. Raises `UnsendableMedia`."""
    if not is_public_https(url):
        raise UnsendableMedia(
            "A media address must begin with https:// and be open to everyone: no user name in it, "
            "and no private or local host."
        )
    return Enclosure(url=url)


def from_path(path: Path) -> Enclosure:
    """A file on this machine. Raises `UnsendableMedia`."""
    called = f"The media file {path.name!r}"
    try:
        found = path.stat()
        regular = stat.S_ISREG(found.st_mode)
        data = path.read_bytes() if regular and found.st_size <= LARGEST_ADAPTED else b""
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "no file can have that name"
        raise UnsendableMedia(f"{called} cannot be read: {reason}.") from None
    if not regular:
        raise UnsendableMedia(f"{called} cannot be read: it is not a file.")
    return from_bytes(data, called=called, size=found.st_size)


def from_bytes(data: bytes, *, called: str = "The media file", size: int | None = None) -> Enclosure:
    """Bytes to serve. `size` if not all were read. Raises `UnsendableMedia`."""
    size = len(data) if size is None else size
    if not size:
        raise UnsendableMedia(f"{called} is empty.")
    content_type = sniff(data)
    if size > LARGEST_ADAPTED or (content_type and size > largest(content_type)):
        raise UnsendableMedia(
            f"{called} is too large with {size:,} bytes: Twilio takes {LARGEST_ADAPTED:,} of a JPEG, PNG or GIF "
            f"picture and {LARGEST_OTHER:,} of any other file."
        )
    if content_type not in EXTENSIONS:
        raise UnsendableMedia(
            f"{called} is of a kind that cannot be sent: "
            "send a picture, a recording, a video, a PDF, a calendar entry or a contact card."
        )
    return Enclosure(content_type, data)


def from_data_url(url: str) -> Enclosure:
    """The bytes in a `data:` URL (RFC 2397); what it declares is not believed. Raises `UnsendableMedia`."""
    head, comma, payload = url.partition(",")
    encoded = unquote_to_bytes(payload) if len(payload) <= 4 * LARGEST_ADAPTED else b""
    try:
        data = base64.b64decode(b"".join(encoded.split())) if head.lower().endswith(";base64") else encoded
    except binascii.Error:
        data = b""
    if not (comma and payload and data):
        raise UnsendableMedia("The picture in a data: URL is damaged or far too large.")
    return from_bytes(data, called="The picture in a data: URL")


def check(enclosures: Sequence[Enclosure], text: str, account: Account) -> None:
    """Whether a person may send these files with this text. Raises `UnsendableMedia`."""
    if len(enclosures) > MOST_FILES:
        raise UnsendableMedia(f"A text takes at most {MOST_FILES} files: send the others with another.")
    if text.strip() and any(each.is_card for each in enclosures):
        raise UnsendableMedia("A contact card goes alone: send it without words, and the words by themselves.")
    if sum(each.size for each in enclosures) + len(text.encode()) >= LARGEST_MESSAGE:
        raise UnsendableMedia(f"The files and the words together must be under {LARGEST_MESSAGE:,} bytes.")
    for each in enclosures:
        _check_one(each, account)


def lifted(reply: Reply) -> Reply:
    """The reply with pictures that its markdown holds as `data:` URLs taken out of the text and put to its media.

    As text they would be thousands of characters of nothing. Pictures by address stay what they are: a link to read.
    """
    found = tuple(_DATA_PICTURE.findall(reply.text))
    return Reply(_DATA_PICTURE.sub("", reply.text), (*reply.media, *found)) if found else reply


def of_reply(media: Iterable[str | Path | bytes], text: str, account: Account) -> Enclosed:
    """An agent's files, each judged by itself, so that one that cannot be sent does not cost the others."""
    sendable: list[Enclosure] = []
    refused: list[str] = []
    for each in media:
        try:
            enclosure = _of_agent(each)
            together = [*sendable, enclosure]
            # Beside a contact card the words go in a part of their own: they are no caption of it.
            check(together, "" if any(other.is_card for other in together) else text, account)
        except UnsendableMedia as refusal:
            refused.append(str(refusal))
        else:
            sendable.append(enclosure)
    return Enclosed(tuple(sendable), tuple(refused))


def is_public_https(url: str) -> bool:
    """Whether anybody on the internet could fetch `url`, by its form."""
    if not (url.isascii() and url.isprintable()) or len(url) > LONGEST_ADDRESS or any(c in url for c in ' \\"<>'):
        return False
    try:
        parts = urlsplit(url)
        parts.port  # noqa: B018  (raises ValueError on a port that is none)
    except ValueError:
        return False
    is_plain = parts.scheme == "https" and "@" not in parts.netloc and "%" not in parts.netloc
    return is_plain and is_public_host(parts.hostname or "")


def _of_agent(media: str | Path | bytes) -> Enclosure:
    if isinstance(media, bytes):
        return from_bytes(media, called="A file of the agent's")
    if isinstance(media, Path):
        return from_path(media)
    return from_data_url(media) if media[:5].lower() == "data:" else from_url(media)


def _check_one(enclosure: Enclosure, account: Account) -> None:
    if enclosure.url:
        return
    if account.media_max_mb is not None and enclosure.size > account.media_max_mb * MEGABYTE:
        raise UnsendableMedia(
            f"A file is too large with {enclosure.size:,} bytes: "
            f"mediaMaxMb of account {account.id} is {account.media_max_mb:g}."
        )
    if not hosting.can_serve(account):
        raise UnsendableMedia(
            f"Twilio could not fetch the file from here: set publicWebhookUrl of account {account.id} to an https "
            "address, or send the picture's own https address."
        )
