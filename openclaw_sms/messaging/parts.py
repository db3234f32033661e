"""Cutting a message into the parts that go out, and giving each file to the part it goes with."""

from collections.abc import Sequence
from dataclasses import dataclass

from openclaw_sms.messaging.enclosures import Enclosure
from openclaw_sms.text import segments

# Of what WhatsApp shows, these can have words under them. An address says nothing of its kind: most are pictures.
_CAPTIONED_ON_WHATSAPP = frozenset({"", "image/jpeg", "image/png", "video/mp4"})


@dataclass(frozen=True, slots=True)
class Planned:
    """One part: what is written in it, what it costs, what goes with it."""

    body: str
    encoding: str
    segments: int
    enclosures: tuple[Enclosure, ...] = ()


def plan(text: str, enclosures: Sequence[Enclosure] = (), *, limit: int, whatsapp: bool = False) -> list[Planned]:
    """The parts of a message, in order. `limit`: characters a part; Twilio takes 1600, on WhatsApp too.

    An MMS takes all files, with the first words as their caption; a contact card has none. A WhatsApp message takes
    one file: Twilio drops any other. Source: https://www.twilio.com/docs/whatsapp/guidance-whatsapp-media-messages
    """
    bodies = segments.split(text, limit)
    if not enclosures:
        return [_planned(body, whatsapp=whatsapp) for body in bodies]
    groups = [(each,) for each in enclosures] if whatsapp else [tuple(enclosures)]
    caption = bodies.pop(0) if bodies and _takes_words(groups[0], whatsapp=whatsapp) else ""
    first = _planned(caption, groups[0], whatsapp=whatsapp)
    others = [_planned("", group, whatsapp=whatsapp) for group in groups[1:]]
    return [first, *others, *(_planned(body, whatsapp=whatsapp) for body in bodies)]


def _takes_words(group: tuple[Enclosure, ...], *, whatsapp: bool) -> bool:
    if whatsapp and group[0].content_type not in _CAPTIONED_ON_WHATSAPP:
        return False
    return not any(each.is_card for each in group)


def _planned(body: str, enclosures: tuple[Enclosure, ...] = (), *, whatsapp: bool) -> Planned:
    measure = segments.measure(body)
    # WhatsApp charges a message, however long.
    return Planned(body, measure.encoding.value, 1 if whatsapp else measure.segments, enclosures)
