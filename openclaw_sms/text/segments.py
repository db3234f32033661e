"""What a text costs, and where a long one is cut.

`measure` answers in carrier terms: the encoding a body needs and how many segments it is billed as. It
agrees with Twilio's published calculator (npm `sms-segments-calculator` 1.3.0), because that is the count an
operator can look up. `split` cuts a long body into parts that are sent as messages of their own.

The two read characters differently, on purpose. `split` follows today's Unicode (`\\X`), so that a reader
never gets half an emoji. `measure` follows the calculator, whose grapheme rules are those of Unicode 10; see
`_CALCULATOR_CLUSTER`.

Nothing here changes a text: no trimming, no numbering, no re-encoding.
"""

import enum
from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import accumulate, pairwise

import regex

MAX_BODY_UNITS = 1600
"""Longest body Twilio accepts (error 21617 beyond it), counted in UTF-16 units."""

DEFAULT_PART_UNITS = 1500


class Encoding(enum.Enum):
    """The two alphabets a text message can travel in; the values are Twilio's own words."""

    GSM7 = "GSM-7"
    UCS2 = "UCS-2"


@dataclass(frozen=True, slots=True)
class Measure:
    """The price of one body: `units` are septets in GSM-7 and UTF-16 units in UCS-2, headers not counted."""

    encoding: Encoding
    units: int
    segments: int


_EXTENDED = frozenset("\f[\\]^{|}~€")
_GSM = _EXTENDED | frozenset(
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?"
    "¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà"
)
"""GSM 03.38 as Twilio's calculator has it: 137 characters, the escape character itself not among them."""

_ALONE_AND_JOINED = {Encoding.GSM7: (160, 153), Encoding.UCS2: (70, 67)}
"""Units in an only segment, and in each of several, which give 6 bytes to the header that joins them."""


def measure(text: str) -> Measure:
    """Encoding, units and segments of `text` sent as one message. An empty text counts as one segment."""
    if _GSM.issuperset(text):
        encoding, sizes = Encoding.GSM7, [2 if char in _EXTENDED else 1 for char in text]
    else:
        encoding, sizes = Encoding.UCS2, [_utf16_units(c) for c in _CALCULATOR_CLUSTER.findall(text)]
    return Measure(encoding, sum(sizes), _segments(sizes, *_ALONE_AND_JOINED[encoding]))


def _segments(sizes: list[int], alone: int, joined: int) -> int:
    """Segments that hold clusters of these sizes, none of them cut.

    When a second segment is needed, what the header pushes out of the first one moves there unchecked,
    together with the cluster that did not fit. Only stacks of combining marks are large enough to tell.
    """
    ends = list(accumulate(sizes))
    if not ends or ends[-1] <= alone:
        return 1
    kept, refused = bisect_right(ends, joined), bisect_right(ends, alone)
    segments, used = 2, ends[refused] - (ends[kept - 1] if kept else 0)
    for size in sizes[refused + 1 :]:
        if used + size > joined:
            segments, used = segments + 1, 0
        used += size
    return segments


def split(text: str, limit: int = DEFAULT_PART_UNITS) -> list[str]:
    """Parts of at most `limit` UTF-16 units that join back to exactly `text`; none for an empty text.

    A part ends after a paragraph, else a sentence or line, else a word, else a grapheme. White space stays
    with the part before it as far as it fits; a part is blank only where there is no room to do otherwise.
    A grapheme longer than the limit is cut between code points; with a limit of 1, a character that needs two
    units stays whole.

    Raises ValueError unless 1 <= limit <= 1600, Twilio's longest body.
    """
    if not 1 <= limit <= MAX_BODY_UNITS:
        raise ValueError(f"A part may hold from 1 to {MAX_BODY_UNITS} characters; set the limit in that range.")
    cuts = [0, *_cuts(text, limit)]
    return [text[start:end] for start, end in pairwise(cuts)]


def _cuts(text: str, limit: int) -> Iterator[int]:
    """Where each part ends, as indexes into `text`; the last one is its length."""
    start, last_word_ends = 0, len(text.rstrip())
    while start < len(text):
        # One character more than can fit shows whether the last cluster that fits is complete.
        window = text[start : start + limit + 1]
        fitting = _fitting_boundaries(window, limit)
        if fitting[-1] < len(text) - start:
            # The rest must have something to read, or Twilio refuses it as an empty body.
            fitting = [end for end in fitting if start + end < last_word_ends] or fitting
            start += _best_cut(window, fitting, earliest=limit // 4)
        else:
            start = len(text)
        yield start


def _fitting_boundaries(window: str, limit: int) -> list[int]:
    """Every index within `limit` units at which `window` may be cut, ascending; at least one."""
    ends = list(_boundaries(_CLUSTER, window, limit))
    if not ends:
        ends = list(_boundaries(_CODE_POINT, window, limit))[-1:]
    return ends or [_first_code_point_end(window)]


def _boundaries(unit: "regex.Pattern[str]", window: str, limit: int) -> Iterator[int]:
    used = 0
    for match in unit.finditer(window):
        used += _utf16_units(match[0])
        if used > limit:
            return
        yield match.end()


def _first_code_point_end(window: str) -> int:
    match = _CODE_POINT.match(window)
    return match.end() if match else len(window)


def _best_cut(window: str, fitting: list[int], earliest: int) -> int:
    """The last of the `fitting` cuts of the best kind there is.

    A paragraph or sentence that ends before `earliest` is passed over: a message for three words costs a
    segment. A word never is, which keeps a long link in one piece.
    """
    furthest, allowed = fitting[-1], set(fitting)
    for gap, floor in ((_PARAGRAPH_GAP, earliest), (_SENTENCE_GAP, earliest), (_WORD_GAP, 0)):
        ends = [min(m.end(), furthest) for m in gap.finditer(window) if 0 < m.start() <= furthest]
        ends = [end for end in ends if end > floor and end in allowed]
        if ends:
            return ends[-1]
    return furthest


def _utf16_units(text: str) -> int:
    return len(text) + sum(char > "\uffff" for char in text)


_SURROGATE_PAIR = r"[\uD800-\uDBFF][\uDC00-\uDFFF]"
_CODE_POINT = regex.compile(rf"(?s){_SURROGATE_PAIR}|.")
_CLUSTER = regex.compile(rf"{_SURROGATE_PAIR}|\X")

# Each gap is tried at the first of its white space only, so that a long run of it costs one look.
_PARAGRAPH_GAP = regex.compile(r"(?<!\s)\s*\n[^\S\n]*\n\s*")
_SENTENCE_GAP = regex.compile(r"""(?<=[.!?…]["'”’»)\]]{0,2})\s+|(?<!\s)\s*\n\s*|(?<=[。！？])""")
_WORD_GAP = regex.compile(r"(?<!\s)\s+")

# The calculator cuts with `grapheme-splitter` 1.0.4. Its lists, from GraphemeBreakProperty-10.0.0.txt: the
# emoji that take a skin tone, and those a zero-width joiner glues to what stands before. Later emoji fall
# apart there, a virama holds no conjunct together, CR LF counts as two, and a flag takes one mark at most.
_TONE = r"\U0001F3FB-\U0001F3FF"
_TAKES_TONE = (
    r"\u261D\u26F9\u270A-\u270D\U0001F385\U0001F3C2-\U0001F3C4\U0001F3C7\U0001F3CA-\U0001F3CC\U0001F442\U0001F443"
    r"\U0001F446-\U0001F450\U0001F466-\U0001F469\U0001F46E\U0001F470-\U0001F478\U0001F47C\U0001F481-\U0001F483"
    r"\U0001F485-\U0001F487\U0001F4AA\U0001F574\U0001F575\U0001F57A\U0001F590\U0001F595\U0001F596"
    r"\U0001F645-\U0001F647\U0001F64B-\U0001F64F\U0001F6A3\U0001F6B4-\U0001F6B6\U0001F6C0\U0001F6CC"
    r"\U0001F918-\U0001F91C\U0001F91E\U0001F91F\U0001F926\U0001F930-\U0001F939\U0001F93D\U0001F93E"
    r"\U0001F9D1-\U0001F9DD"
)
_PEOPLE = r"\U0001F466-\U0001F469"
_GLUED = (
    r"\u2640\u2642\u2695\u2696\u2708\u2764\U0001F308\U0001F33E\U0001F373\U0001F393\U0001F3A4\U0001F3A8\U0001F3EB"
    rf"\U0001F3ED{_PEOPLE}\U0001F48B\U0001F4BB\U0001F4BC\U0001F527\U0001F52C\U0001F5E8\U0001F680\U0001F692"
)
_EXTEND = rf"[\p{{GCB=Extend}}--[{_TONE}]]"
_MARK = rf"[\p{{GCB=ZWJ}}\p{{GCB=SpacingMark}}{_EXTEND}]"
_CONTROL = r"\r\n\p{GCB=Control}\uD800-\uDFFF"
_CALCULATOR_CLUSTER = regex.compile(
    rf"""(?V1xs)
    [{_CONTROL}]
    | \p{{GCB=RI}}{{2}} {_MARK}?
    | \p{{GCB=Prepend}}*
      (?: \p{{GCB=L}}* (?: \p{{GCB=V}}+ | \p{{GCB=LV}} \p{{GCB=V}}* | \p{{GCB=LVT}} ) \p{{GCB=T}}*
        | \p{{GCB=L}}+
        | \p{{GCB=T}}+
        | [{_TAKES_TONE}] {_EXTEND}? [{_TONE}]
        | [^{_CONTROL}]
      )
      (?: {_MARK} | (?<=\u200D) (?: [{_PEOPLE}] {_EXTEND}? [{_TONE}] | [{_GLUED}] ) )*
    | .
    """
)
