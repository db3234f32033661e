"""What an agent writes, as a phone shows it."""

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from openclaw_sms.text.plaintext import sendable_text, to_plain_text
from openclaw_sms.text.segments import Encoding, measure


def flattens(cases: dict[str, str]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize(("markdown", "plain"), list(cases.items()))


class TestMarks:
    @flattens(
        {
            "**bold** and __bold__": "bold and bold",
            "*soft* and _soft_": "soft and soft",
            "***both***": "both",
            "~~gone~~": "gone",
            "run `make test` now": "run make test now",
            "`**kept**`": "**kept**",
            "这是**重点**内容": "这是重点内容",
            "**H**yper**T**ext": "HyperText",
            "**Note**: see": "Note: see",
            r"\*not soft\* and snake\_case": "*not soft* and snake_case",
        }
    )
    def test_emphasis_and_inline_code_lose_their_marks(self, markdown: str, plain: str) -> None:
        assert to_plain_text(markdown) == plain

    @flattens(
        {
            "# Title": "Title",
            "### Title ###": "Title",
            "Title\n=====\ntext": "Title\ntext",
            "Title\n-----\ntext": "Title\ntext",
            "a\n\n---\n\nb": "a\n\nb",
            "a\n***\nb": "a\n\nb",
            "> quoted\n> more": "quoted\nmore",
            "> > deep": "deep",
            "> lazy\nline": "lazy\nline",
        }
    )
    def test_headings_rules_and_quotes_lose_their_marks(self, markdown: str, plain: str) -> None:
        assert to_plain_text(markdown) == plain

    @flattens(
        {
            "a  \nb": "a\nb",
            "a\\\nb": "a\nb",
            "a\nb": "a\nb",
            "a<br>b<br/>c": "a\nb\nc",
            "a<br><br><br><br>b": "a\n\nb",
        }
    )
    def test_line_breaks_stay(self, markdown: str, plain: str) -> None:
        assert to_plain_text(markdown) == plain

    @flattens({"Tom &amp; Jerry": "Tom & Jerry", "1 &lt; 2": "1 < 2", "&#9731;": "☃", "`&amp;`": "&amp;"})
    def test_entities_are_decoded_outside_code(self, markdown: str, plain: str) -> None:
        assert to_plain_text(markdown) == plain


class TestLinks:
    @flattens(
        {
            "[site](https://example.com)": "site (https://example.com)",
            "[**site**](https://example.com)": "site (https://example.com)",
            '[site](https://example.com "title")': "site (https://example.com)",
            "[site][1]\n\n[1]: https://example.com": "site (https://example.com)",
            "[site]\n\n[site]: https://example.com": "site (https://example.com)",
            "[mail me](mailto:bob@example.com)": "mail me (mailto:bob@example.com)",
            "[ä](https://example.com/ä?q=a%20b)": "ä (https://example.com/ä?q=a%20b)",
            "[x](javascript:alert(1))": "x (javascript:alert(1))",
            "[x]()": "x",
        }
    )
    def test_a_link_becomes_its_label_and_its_address(self, markdown: str, plain: str) -> None:
        assert to_plain_text(markdown) == plain

    @flattens(
        {
            "[https://example.com](https://example.com)": "https://example.com",
            "[example.com](https://www.example.com/)": "https://www.example.com/",
            "<https://example.com/a_b>": "https://example.com/a_b",
            "[](https://example.com)": "https://example.com",
            "[bob@example.com](mailto:bob@example.com)": "bob@example.com",
            "<bob@example.com>": "bob@example.com",
            "[+1 (555) 000-1111](tel:+15550001111)": "+1 (555) 000-1111",
        }
    )
    def test_an_address_is_never_said_twice(self, markdown: str, plain: str) -> None:
        assert to_plain_text(markdown) == plain

    @flattens(
        {
            "![a cat](https://example.com/cat.png)": "a cat (https://example.com/cat.png)",
            "![*a* cat](https://example.com/cat.png)": "a cat (https://example.com/cat.png)",
            "![](https://example.com/cat.png)": "https://example.com/cat.png",
            "[![cat](https://e.com/c.png)](https://e.com)": "cat (https://e.com/c.png) (https://e.com)",
        }
    )
    def test_an_image_becomes_its_alt_text_and_its_address(self, markdown: str, plain: str) -> None:
        assert to_plain_text(markdown) == plain

    @flattens(
        {
            "**https://example.com/a_b_**": "https://example.com/a_b_",
            "(https://example.com/x_(y))": "(https://example.com/x_(y))",
            "https://example.com/*/?a=1&lt=2 *now*": "https://example.com/*/?a=1&lt=2 now",
        }
    )
    def test_a_bare_address_is_left_alone(self, markdown: str, plain: str) -> None:
        # The underscore before the closing asterisks is taken for punctuation, as a full stop would be.
        assert to_plain_text(markdown) == plain

    def test_a_definition_nobody_refers_to_keeps_its_words(self) -> None:
        assert to_plain_text("Hello\n\n[note]: remember\n\nBye") == "Hello\n\n[note]: remember\n\nBye"

    def test_a_second_definition_of_a_label_keeps_its_words(self) -> None:
        assert to_plain_text("[a]\n\n[a]: x\n[a]: y") == "a (x)\n\n[a]: y"


class TestLists:
    @flattens(
        {
            "- a\n- b": "- a\n- b",
            "* a\n* b": "- a\n- b",
            "- a\n  - b\n    - c\n- d": "- a\n  - b\n    - c\n- d",
            "* a\n    * b": "- a\n  - b",
            "- a\n\n- b": "- a\n\n- b",
            "- a\n\n  more\n- b": "- a\n\n  more\n- b",
            "1. a\n   - b\n2. c": "1. a\n   - b\n2. c",
            "- - a": "- - a",
            "-": "-",
            "text\n- a": "text\n- a",
        }
    )
    def test_bullets_and_indent_stay(self, markdown: str, plain: str) -> None:
        assert to_plain_text(markdown) == plain

    def test_a_bullet_does_not_double_the_price(self) -> None:
        assert measure(to_plain_text("* milk\n* eggs")).encoding is Encoding.GSM7

    @flattens(
        {
            "3. a\n4. b": "3. a\n4. b",
            "1. a\n1. b\n1. c": "1. a\n2. b\n3. c",
            "3. a\n2. b\n1. go": "3. a\n2. b\n1. go",
            "1) a\n2) b": "1) a\n2) b",
            "01. a": "01. a",
            "1986. A good year": "1986. A good year",
        }
    )
    def test_numbers_stay(self, markdown: str, plain: str) -> None:
        assert to_plain_text(markdown) == plain

    def test_a_plus_sign_never_turns_into_a_minus(self) -> None:
        assert to_plain_text("Result:\n+ 5 apples") == "Result:\n+ 5 apples"

    def test_the_line_after_a_list_is_not_part_of_it(self) -> None:
        assert to_plain_text("- milk\n- eggs\nThanks!") == "- milk\n- eggs\nThanks!"


class TestTables:
    def test_a_row_becomes_a_line_that_names_its_cells(self) -> None:
        table = "Prices:\n\n| Name | *Price* |\n|---|--:|\n| Tea | `3` |\n| Milk | |\n\nEnjoy"
        assert to_plain_text(table) == "Prices:\n\nName: Tea; Price: 3\nName: Milk\n\nEnjoy"

    def test_a_column_without_a_name_is_only_its_cell(self) -> None:
        assert to_plain_text("| | Mon |\n|-|-|\n| Tea | 3 |") == "Tea; Mon: 3"

    def test_headers_alone_are_kept(self) -> None:
        assert to_plain_text("| A | B |\n|-|-|") == "A; B"


class TestCode:
    def test_a_fence_keeps_its_content_and_indent(self) -> None:
        markdown = "Try:\n```python\ndef f():\n    if x:\n\n\n\n        return '*a*'\n```\nDone"
        assert to_plain_text(markdown) == "Try:\ndef f():\n    if x:\n\n\n\n        return '*a*'\nDone"

    def test_a_fence_that_opens_the_reply_keeps_its_indent(self) -> None:
        assert to_plain_text("```\n    a\n  b\n```") == "    a\n  b"

    def test_indented_code_keeps_its_indent(self) -> None:
        assert to_plain_text("Try:\n\n    def f():\n        return 1\n\nDone") == (
            "Try:\n\n    def f():\n        return 1\n\nDone"
        )

    def test_code_in_a_list_stays_below_its_item(self) -> None:
        assert to_plain_text("- run\n  ```\n  make\n    test\n  ```") == "- run\n  make\n    test"

    def test_the_language_of_a_fence_is_not_said(self) -> None:
        assert to_plain_text("```js {1,3} title=x\na\n```") == "a"

    def test_words_after_three_tildes_are_words(self) -> None:
        assert to_plain_text("~~~ like this ~~~\nmore") == "like this ~~~\nmore"

    def test_an_unclosed_fence_keeps_everything(self) -> None:
        assert to_plain_text("~~~\na\n  b") == "a\n  b"


class TestHtml:
    @flattens(
        {
            "<b>bold</b> <span class='x'>text</span>": "bold text",
            '<a href="https://example.com?a=1&amp;b=2">site</a>': "site (https://example.com?a=1&b=2)",
            '<img src="https://example.com/c.png" alt="cat">': "cat (https://example.com/c.png)",
            "<ul>\n<li>a</li>\n<li>b</li>\n</ul>": "- a\n- b",
            "<p>a</p><p>b</p>": "a\nb",
            "<div>\n\n**a**\n\n</div>": "a",
            "a<!-- hidden -->b": "ab",
            "<a href='https://example.com'>never closed": "never closed (https://example.com)",
            "</a></b>x": "x",
            "[b</a>c](https://example.com)": "bc (https://example.com)",
            "[b <a href='https://e.com'>c](https://example.com)": "b c (https://e.com) (https://example.com)",
        }
    )
    def test_tags_go_and_what_they_meant_stays(self, markdown: str, plain: str) -> None:
        assert to_plain_text(markdown) == plain

    @pytest.mark.parametrize("text", ["x <y and z> w", "a <b and c> d", "List<String>", "<you>", "a < b > c"])
    def test_what_is_no_tag_stays(self, text: str) -> None:
        assert to_plain_text(text) == text


PLAIN = [
    "Hello there",
    "Line one\nline two\n\nAnother paragraph.",
    "snake_case_identifiers and MAX_VALUE",
    "__init__.py and src/__tests__/x and static/_next_/app.js",
    "if __name__ == '__main__':",
    "2*3*4",
    "5 * 3 * 2",
    "x**2 + y**2",
    "(a)*(b)*c",
    "Price* and tax*",
    "+1555***4567",
    "http://a_b_c.com/x_y",
    "a_b_c@example.com",
    r"C:\path\file and C:\Users\me\.ssh\_config",
    r"\\server\share\_x_",
    "a < b & c > d",
    ">= 5 people",
    ">50% of them",
    "1. foo",
    "1) x",
    "- foo",
    "-5 degrees",
    "+1 555",
    "~5 minutes",
    "#hashtag, issue #5",
    "Hours:\n  Mon 9-5\n  Tue 9-5",
    "A:\n\n  b\n  c",
    "First\n    deep\n  less",
    "Text\n\n    set off\n      further",
    "Bob\n--\nsent from my phone",
    "see [1] and [x] and [^2]",
    "- [ ] todo",
    "a|b|c",
    "10:30 (maybe) 100%",
    "it's `",
    "Shopping:\n  - milk\n  - eggs",
    "👨‍👩‍👧‍👦 🇺🇸 नमस्ते",
]


class TestPlainText:
    @pytest.mark.parametrize("text", PLAIN)
    def test_comes_out_as_it_went_in(self, text: str) -> None:
        assert to_plain_text(text) == text

    @given(st.lists(st.sampled_from(PLAIN), min_size=1, max_size=4).map("\n\n".join))
    def test_paragraphs_do_not_disturb_each_other(self, text: str) -> None:
        # A code block or list that follows a list belongs to it; that is markdown, and not what is tested.
        if "    " not in text and "- " not in text and "1" not in text:
            assert to_plain_text(text) == text

    @given(st.lists(st.text("abc .,:;?/()'\"", min_size=1).map(str.strip), max_size=5))
    def test_ordinary_prose_is_left_alone(self, lines: list[str]) -> None:
        text = "\n".join(line for line in lines if line)
        assert to_plain_text(text) == text

    @flattens(
        {
            "a\r\nb\rc": "a\nb\nc",
            "a\n\n\n\n\nb": "a\n\nb",
            "\n\n  a  \n\n": "a",
            "a\n \t \n  \nb": "a\n\nb",
            "a\x00b\x07\x1b": "ab",
            "\ufeffa": "a",
            "\ud83d\ude00 \ud83d": "😀 \ufffd",
            "a\u2028b": "a\nb",
        }
    )
    def test_line_ends_blank_lines_and_unprintable_characters_are_tidied(self, markdown: str, plain: str) -> None:
        assert to_plain_text(markdown) == plain


MARKUP = [
    "*",
    "**",
    "_",
    "__",
    "`",
    "```",
    "~~",
    "[",
    "](",
    ")",
    "![",
    "<",
    ">",
    "# ",
    "- ",
    "1. ",
    "|",
    "|-|-|",
    "\n",
    "\n\n",
]
MARKUP += [
    "<a href='x'>",
    "</a>",
    "    ",
    "\t",
    "\\",
    "&amp;",
    "<b>",
    "</b>",
    "<!--",
    "-->",
    "a",
    "b c",
    "http://x.y/",
    "[a]: ",
    "---",
    "\x00",
    "\r",
    "😀",
]
markup = st.lists(st.sampled_from(MARKUP), max_size=60).map("".join)

# None of these can hide a word by itself, as a link's title or an HTML attribute does.
INNOCENT = [
    "*",
    "**",
    "_",
    "~~",
    "`",
    "[",
    "]",
    "(",
    "> ",
    "# ",
    "\n- ",
    "\n",
    "\n\n",
    "    ",
    "\\",
    "\n1. ",
    "&",
    "://",
]


class TestAnything:
    @given(st.text() | markup)
    @settings(max_examples=400)
    def test_never_raises_and_is_always_tidy(self, markdown: str) -> None:
        plain = to_plain_text(markdown)
        assert plain == plain.rstrip()
        assert not plain.startswith("\n")
        assert "\r" not in plain
        assert "\x00" not in plain
        plain.encode()

    @given(st.lists(st.sampled_from(INNOCENT), max_size=40))
    def test_marks_go_and_every_word_stays(self, pieces: list[str]) -> None:
        markdown = "z".join(pieces)
        assert to_plain_text(markdown).count("z") == markdown.count("z")

    @pytest.mark.parametrize("depth", [100, 1000])
    @pytest.mark.parametrize("mark", [">", "> ", "- ", "[", "*", "_", "`", "![", "<b>", "1. "])
    def test_words_survive_any_depth(self, mark: str, depth: int) -> None:
        assert "deep" in to_plain_text(mark * depth + "deep")

    def test_words_survive_lists_nested_by_indent(self) -> None:
        nested = "".join(f"{'  ' * level}- level{level}\n" for level in range(200))
        assert "level199" in to_plain_text(nested)

    @pytest.mark.parametrize(
        "hostile",
        [
            "[" * 100_000,
            "![" * 50_000,
            "[" * 50_000 + "]" * 50_000,
            "[a](" * 25_000,
            "[a](<b" * 20_000,
            "*" * 1_000_000,
            "*a " * 30_000,
            "a**b_c " * 15_000,
            "_a" * 50_000,
            ">" * 100_000,
            "- " * 50_000,
            "<" * 100_000,
            "<!--" * 25_000,
            "<a href=" * 12_000,
            "`<think>" * 12_000,
            "```a\n" * 20_000,
            "```\n" * 25_000,
            "|a" * 50_000,
            "|a|b|\n|-|-|\n" + "|x|y|\n" * 16_000,
            "|" + "a|" * 1_000 + "\n|" + "-|" * 1_000 + "\n" + "|x\n" * 10_000,
            "".join("  " * level + "- a\n" for level in range(400)),
            "".join("`" * length + " " for length in range(400)),
            "a\n" * 50_000,
            "\n" * 1_000_000,
            " " * 1_000_000,
            "[a]: x\n" * 15_000,
        ],
        ids=lambda hostile: repr(hostile[:12]),
    )
    def test_hostile_input_is_bounded_in_time(self, hostile: str) -> None:
        """Quadratic behaviour takes minutes on these; the limit leaves room for a slow machine."""
        began = time.perf_counter()
        sendable_text(hostile)
        assert time.perf_counter() - began < 10

    def test_a_long_reply_is_flattened_to_its_end(self) -> None:
        plain = to_plain_text("**bold** and [l](http://x.y)\n\n" * 10_000)
        assert plain == "\n\n".join(["bold and l (http://x.y)"] * 10_000)


class TestSendableText:
    @pytest.mark.parametrize("reply", ["NO_REPLY", "  NO_REPLY\n", "<think>hm</think>\nNO_REPLY"])
    def test_no_reply_sends_nothing(self, reply: str) -> None:
        assert sendable_text(reply) == ""

    @pytest.mark.parametrize("reply", ["NO_REPLY.", "no_reply", "NO_REPLY because", "Say NO_REPLY"])
    def test_only_the_exact_word_means_no_reply(self, reply: str) -> None:
        assert sendable_text(reply) == reply

    @pytest.mark.parametrize(
        "reply", ["", " \n ", "---", "<!-- x -->", "# ", "<think>hm", "```\n```", "\u200b", "<br>"]
    )
    def test_a_reply_with_nothing_to_read_sends_nothing(self, reply: str) -> None:
        assert sendable_text(reply) == ""

    def test_thinking_goes_before_markdown_is_read(self) -> None:
        assert sendable_text("<think>\n```\n</think>\n**Yes**, `<think>` is a tag") == "Yes, <think> is a tag"
