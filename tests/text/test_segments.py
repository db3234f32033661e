"""The count is Twilio's, and a reader never gets half a character."""

import gzip
import json
from pathlib import Path

import pytest
import regex
from hypothesis import example, given
from hypothesis import strategies as st

from openclaw_sms.text.segments import MAX_BODY_UNITS, Encoding, Measure, measure, split

CORPUS = Path(__file__).with_name("segments_corpus.json.gz")
FAMILY = "👨‍👩‍👧‍👦"

PIECES = [
    *"ab .\n\r\t€[^",
    "\r\n",
    "\n\n",
    ". ",
    FAMILY,
    "👍🏽",
    "🇺🇸",
    "1️⃣",
    "e\u0301",
    "각",
    "क्ष",
    "กำ",
    "\u200d",
    "\x00",
]
texts = st.text() | st.lists(st.sampled_from(PIECES)).map("".join)


def utf16_units(text: str) -> int:
    return len(text.encode("utf-16-le", "surrogatepass")) // 2


class TestMeasure:
    def test_agrees_with_twilios_calculator_on_every_row_of_the_corpus(self) -> None:
        rows = json.loads(gzip.decompress(CORPUS.read_bytes()))
        wrong = [
            (row, counted)
            for row in rows
            for counted in [measure(row[0])]
            if (counted.encoding.value, counted.units, counted.segments) != tuple(row[1:])
        ]
        assert len(rows) >= 3000
        assert wrong == []

    @pytest.mark.parametrize(
        ("text", "expected"),
        [
            ("", Measure(Encoding.GSM7, 0, 1)),
            ("a" * 160, Measure(Encoding.GSM7, 160, 1)),
            ("a" * 161, Measure(Encoding.GSM7, 161, 2)),
            ("a" * 306, Measure(Encoding.GSM7, 306, 2)),
            ("a" * 307, Measure(Encoding.GSM7, 307, 3)),
            ("я" * 70, Measure(Encoding.UCS2, 70, 1)),
            ("я" * 71, Measure(Encoding.UCS2, 71, 2)),
            ("я" * 135, Measure(Encoding.UCS2, 135, 3)),
        ],
    )
    def test_a_joined_segment_holds_less_than_an_only_one(self, text: str, expected: Measure) -> None:
        assert measure(text) == expected

    @pytest.mark.parametrize("char", list("\f[\\]^{|}~€"))
    def test_the_ten_extended_characters_cost_two_septets(self, char: str) -> None:
        assert measure(char) == Measure(Encoding.GSM7, 2, 1)

    @pytest.mark.parametrize("char", list("`’“—…•ç\t\u00a0\x1b\x00"))
    def test_one_character_outside_gsm_7_changes_the_encoding(self, char: str) -> None:
        assert measure(char).encoding is Encoding.UCS2

    def test_in_ucs_2_an_extended_character_costs_one_unit(self) -> None:
        assert measure("я€") == Measure(Encoding.UCS2, 2, 1)

    def test_an_escape_pair_never_straddles_two_segments(self) -> None:
        # 306 septets would fit in two segments if the euro sign could be cut at 153.
        assert measure("a" * 152 + "€" + "a" * 152).segments == 3

    def test_a_surrogate_pair_never_straddles_two_segments(self) -> None:
        assert measure("я" * 66 + "😀" + "я" * 66).segments == 3

    def test_a_family_never_straddles_two_segments(self) -> None:
        assert measure("я" * 60 + FAMILY + "я" * 63).segments == 3

    @given(texts)
    def test_any_text_has_a_price(self, text: str) -> None:
        counted = measure(text)
        assert counted.segments >= 1
        if counted.encoding is Encoding.UCS2:
            assert counted.units == utf16_units(text)


class TestSplit:
    @given(texts, st.integers(2, 40))
    @example("a" * 40 + "\n", 40)
    def test_parts_join_back_to_the_text(self, text: str, limit: int) -> None:
        assert "".join(split(text, limit)) == text

    @given(texts, st.integers(2, 40))
    def test_no_part_is_longer_than_the_limit_or_empty(self, text: str, limit: int) -> None:
        assert all(1 <= utf16_units(part) <= limit for part in split(text, limit))

    @given(texts, st.integers(2, 40))
    def test_no_cluster_that_fits_is_cut(self, text: str, limit: int) -> None:
        whole = {match.start() for match in regex.finditer(r"\X", text)}
        inside = {
            index
            for match in regex.finditer(r"\X", text)
            if utf16_units(match[0]) > limit
            for index in range(*match.span())
        }
        ends, at = [], 0
        for part in split(text, limit)[:-1]:
            at += len(part)
            ends.append(at)
        assert [end for end in ends if end not in whole | inside] == []

    @given(st.text(alphabet="ab \n.", max_size=200), st.integers(4, 40))
    def test_no_part_is_blank_unless_a_run_of_white_space_fills_one(self, text: str, limit: int) -> None:
        longest_blank = max((len(run) for run in regex.findall(r"\s+", text)), default=0)
        if longest_blank < limit - 1:
            blank = [part for part in split(text, limit) if not part.strip()]
            assert blank == ([text] if text and not text.strip() else [])

    def test_a_short_text_is_one_part(self) -> None:
        assert split("hello") == ["hello"]

    def test_an_empty_text_has_no_parts(self) -> None:
        assert split("") == []

    def test_a_part_ends_after_a_paragraph_first(self) -> None:
        assert split("One. Two.\n\nThree. Four five", 20) == ["One. Two.\n\n", "Three. Four five"]

    def test_else_after_a_sentence(self) -> None:
        assert split("One two. Three four five", 16) == ["One two. ", "Three four five"]

    def test_else_after_a_line(self) -> None:
        assert split("- milk, eggs\n- bread and salt", 20) == ["- milk, eggs\n", "- bread and salt"]

    def test_else_after_a_word(self) -> None:
        assert split("alpha beta gamma", 12) == ["alpha beta ", "gamma"]

    def test_else_after_a_grapheme(self) -> None:
        assert split(FAMILY * 2, 12) == [FAMILY, FAMILY]

    def test_white_space_that_does_not_fit_starts_the_next_part(self) -> None:
        assert split("alpha beta", 5) == ["alpha", " beta"]

    def test_a_paragraph_of_three_words_does_not_cost_a_message(self) -> None:
        first, *_ = split("Hi.\n\n" + "word " * 400, 1500)
        assert len(first) > 1400

    def test_a_link_stays_whole_if_it_can(self) -> None:
        link = "https://example.com/" + "x" * 60
        assert split(f"see {link}", 80) == ["see ", link]

    def test_chinese_sentences_need_no_space(self) -> None:
        assert split("这是第一句。这是第二句话", 10) == ["这是第一句。", "这是第二句话"]

    def test_a_final_newline_does_not_become_a_message(self) -> None:
        assert split("a" * 10 + "\n", 10) == ["a" * 9, "a\n"]

    def test_a_cluster_longer_than_the_limit_is_cut_between_code_points(self) -> None:
        parts = split("👩‍👩" * 3, 4)
        assert "".join(parts) == "👩‍👩" * 3
        assert all(not "\ud800" <= char <= "\udfff" for part in parts for char in part)

    def test_halves_of_a_surrogate_pair_are_kept_together(self) -> None:
        assert split("abc\ud83d\ude00", 4) == ["abc", "\ud83d\ude00"]

    def test_a_character_of_two_units_survives_a_limit_of_one(self) -> None:
        assert split("😀a", 1) == ["😀", "a"]

    @pytest.mark.parametrize("limit", [0, -1, MAX_BODY_UNITS + 1])
    def test_a_limit_twilio_cannot_keep_is_refused(self, limit: int) -> None:
        with pytest.raises(ValueError, match="1600"):
            split("hello", limit)

    def test_twilios_longest_body_is_allowed(self) -> None:
        assert [len(part) for part in split("a" * 1601, 1600)] == [1600, 1]
