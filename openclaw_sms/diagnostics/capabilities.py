"""What the channel can do, whatever an account's settings are."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from openclaw_sms.config.accounts import LARGEST_TEXT_CHUNK


@dataclass(frozen=True, slots=True)
class Capabilities:
    """In the reference channel's terms. Whether attachments go both ways is the account's number's to say."""

    chat_types: tuple[str, ...] = ("direct",)
    media: bool = True
    markdown: bool = False  # flattened to plain text
    reactions: bool = False
    edit: bool = False
    unsend: bool = False
    reply: bool = False
    threads: bool = False
    typing: bool = False
    block_streaming: bool = False
    delivery_reports: bool = True
    pairing: bool = True
    largest_text_chunk: int = LARGEST_TEXT_CHUNK

    def as_json(self) -> Mapping[str, Any]:
        return {_camel(name): value for name, value in asdict(self).items()}

    def in_words(self) -> str:
        """The yes and the no, for a terminal."""
        yes = [name.replace("_", " ") for name, value in asdict(self).items() if value is True]
        no = [name.replace("_", " ") for name, value in asdict(self).items() if value is False]
        return f"{', '.join(self.chat_types)} chats; {', '.join(yes)}; no {', '.join(no)}"


SMS = Capabilities()


def _camel(name: str) -> str:
    first, *rest = name.split("_")
    return first + "".join(word.capitalize() for word in rest)
