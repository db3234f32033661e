"""The pages say what the product does: each name in the code is documented, and each documented one exists."""

import re
from pathlib import Path

import pytest
from django.core.management import get_commands

from openclaw_sms.agents.base import AgentErrorCode
from openclaw_sms.config import checks, json5, providers
from openclaw_sms.config.schema import ACCOUNTS, DEFAULT_ACCOUNT, ENABLED, KEYS
from openclaw_sms.messaging.enclosures import MOST_FILES
from openclaw_sms.messaging.media import MOST_TOGETHER, MOST_TRIES
from openclaw_sms.models import EventState, EventType, InboundState, PartState, Reason
from openclaw_sms.text import segments
from openclaw_sms.text.media_types import LARGEST_ADAPTED, LARGEST_MESSAGE, LARGEST_OTHER
from openclaw_sms.text.segments import Encoding
from openclaw_sms.twilio.payloads import MAX_MEDIA
from openclaw_sms.web.api import urls

ROOT = Path(__file__).resolve().parent.parent
CONFIGURATION = (ROOT / "docs" / "configuration.md").read_text()
API = (ROOT / "docs" / "api.md").read_text()
REFERENCE = (ROOT / "docs" / "reference.md").read_text()
SENTENCES = sorted((ROOT / "templates" / "sms").glob("*.txt"))
# The longest that a sentence's values can reasonably be.
LONGEST_VALUES = {"code": "ABCDEFGH", "sender": "+123456789012345", "account": "customer-support-2"}
# `_FILE` names are explained once for all secrets.
READ = re.compile(
    r"""environment\.\w+\(\s*"([A-Z_]+)"|environ(?:\.get\(|\[)"([A-Z_]+)"|"(DATABASE_URL)"|_sid\("([A-Z_]+)\""""
)


def names_in_code() -> set[str]:
    text = "".join((ROOT / path).read_text() for path in ("project/settings.py", "openclaw_sms/config/sources.py"))
    read = {next(filter(None, found)) for found in READ.findall(text)}
    return {name for name in read if not name.endswith("_FILE")} | {"TWILIO_PHONE_NUMBER", "TWILIO_SMS_FROM"}


def rows(page: str, heading: str) -> set[str]:
    """The words in code type in the first column of the table under `heading`."""
    table = page.split(f"## {heading}\n", 1)[1].split("\n## ", 1)[0]
    first_columns = [line.split("|")[1] for line in table.splitlines() if line.startswith("| ")]
    return {word for column in first_columns for word in re.findall(r"`([^`]+)`", column)}


def test_every_environment_name_is_documented_and_every_documented_one_exists() -> None:
    documented = set(re.findall(r"`([A-Z][A-Z_]{3,})`", CONFIGURATION)) - {"NAME_FILE"}
    assert documented - {"KEY_ID"} == names_in_code()


def key_rows() -> dict[str, tuple[str, str]]:
    """By key: what the table says of its default and of its variables."""
    table = CONFIGURATION.split("## Keys of channels.sms\n", 1)[1].split("\n## ", 1)[0]
    cells = [[cell.strip() for cell in line.split("|")[1:4]] for line in table.splitlines() if line.startswith("| `")]
    return {key.strip("`"): (default, variables) for key, default, variables in cells}


def test_every_key_is_documented_with_its_default_and_variables_and_every_documented_one_exists() -> None:
    documented = key_rows()
    assert set(documented) == {*KEYS, ENABLED, DEFAULT_ACCOUNT, ACCOUNTS}
    for key in KEYS.values():
        default = "" if key.default in ("", None, ()) else f"`{json5.one_line(key.default)}`"
        assert documented[key.name] == (default, ", ".join(f"`{name}`" for name in key.variables)), key.name


def test_every_key_of_a_secret_provider_is_documented() -> None:
    section = CONFIGURATION.split("## Providers of secrets\n", 1)[1].split("\n## ", 1)[0]
    documented = set(re.findall(r"`(\w+)`", section))
    assert documented == {
        "source",
        "json",
        "singleValue",
        *providers.KEYS,
        *(k for keys in providers.KEYS.values() for k in keys),
    }


def test_every_command_is_documented_and_every_documented_one_exists() -> None:
    ours = {name for name, app in get_commands().items() if app == "openclaw_sms"}
    assert {words.split()[0] for words in rows(REFERENCE, "Commands")} == ours


@pytest.mark.parametrize(
    ("heading", "codes"),
    [
        ("What becomes of a text received", {str(state.value) for state in InboundState}),
        ("What becomes of a part sent", {str(state.value) for state in PartState}),
        ("What becomes of an outgoing event", {str(state.value) for state in EventState}),
        ("Reasons", {str(reason.value) for reason in Reason if reason.value}),
        ("When the agent gives no answer", {str(code.value) for code in AgentErrorCode}),
    ],
)
def test_every_code_is_documented_and_every_documented_one_exists(heading: str, codes: set[str]) -> None:
    assert rows(REFERENCE, heading) == codes


def test_every_event_is_documented_and_every_documented_one_exists() -> None:
    documented = re.findall(r"^\| `([a-z]+\.[a-z]+)` \|", API, re.MULTILINE)
    assert set(documented) == {str(kind.value) for kind in EventType}


def test_every_path_of_the_api_is_documented() -> None:
    """By its last word; where it ends in an id, by the word before."""
    for pattern in urls.urlpatterns:
        words = [word for word in str(pattern.pattern).split("/") if word and "<" not in word]
        assert not words or re.search(rf"/{words[-1]}\b", API), pattern


def test_every_check_is_documented_and_every_documented_one_exists() -> None:
    assert rows(CONFIGURATION, "Checks") == {f"openclaw_sms.{kind.id}" for kind in checks.KINDS}


@pytest.mark.parametrize("path", SENTENCES, ids=lambda path: path.stem)
def test_every_sentence_we_text_is_gsm_7_and_one_segment(path: Path) -> None:
    text = re.sub(r"{%.*?%}", "", path.read_text()).strip()
    for name, longest in LONGEST_VALUES.items():
        text = text.replace(f"{{{{ {name} }}}}", longest)
    assert "{" not in text
    measure = segments.measure(text)
    assert (measure.encoding, measure.segments) == (Encoding.GSM7, 1)


def test_the_limits_of_files_are_documented() -> None:
    page = (ROOT / "docs" / "media.md").read_text()
    assert {f"{limit:,} bytes" for limit in (LARGEST_ADAPTED, LARGEST_OTHER, LARGEST_MESSAGE)} <= set(
        re.findall(r"[\d,]+ bytes", page)
    )
    assert (MOST_TOGETHER, MOST_FILES, MAX_MEDIA, MOST_TRIES) == (5 * 2**20, 10, 10, 8)
    assert all(words in page for words in ("5 MiB together", "up to ten files", "up to eight tries", "ten minutes"))


def test_every_link_between_the_pages_leads_somewhere() -> None:
    for page in [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")]:
        for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", page.read_text()):
            assert (page.parent / target).exists(), f"{page.name}: {target}"


def test_every_decision_has_a_number_of_its_own_and_is_listed_in_order() -> None:
    folder = ROOT / "docs" / "decisions"
    names = sorted(path.name for path in folder.glob("0*.md"))
    assert [int(name[:4]) for name in names] == list(range(1, len(names) + 1))
    listed = re.findall(r"^\| \[(\d{4})\]\((\S+)\) \| (.+) \|$", (folder / "README.md").read_text(), re.MULTILINE)
    titles = [(folder / name).read_text().splitlines()[0] for name in names]
    assert [(name, f"# {number} {title}") for number, name, title in listed] == list(zip(names, titles, strict=True))
