"""Every code that the product can show has its entry in docs/troubleshooting.md, and there is no other entry."""

import re
from pathlib import Path

import pytest
from django.test import Client
from django.urls import reverse

from openclaw_sms.agents.base import AgentErrorCode
from openclaw_sms.config import checks
from openclaw_sms.diagnostics.findings import Code, WebhookStatus
from openclaw_sms.diagnostics.help import PAGE, address, anchor
from openclaw_sms.models import Reason

ROOT = Path(__file__).resolve().parent.parent
TEXT = (ROOT / PAGE).read_text()
ENTRIES = dict(re.findall(r"^### (.+)\n\n((?:(?!^##).*\n?)+)", TEXT, re.MULTILINE))
# The entries of the page that this product was made from, and two of its successor's.
WHAT_PEOPLE_SEE = {
    "Twilio gets 403, or the log says `text.refused`",
    "No pairing request appears",
    "Twilio got its 200, and no pairing request appears",
    "Sending fails",
    "Twilio accepts a text, and it does not arrive",
    "The text arrives, and the agent does not answer",
}


def own_check_ids() -> set[str]:
    return {f"{checks.TAG}.{kind.id}" for kind in checks.KINDS}


def codes() -> set[str]:
    reasons = {str(reason.value) for reason in Reason if reason.value}
    agents = {str(code.value) for code in AgentErrorCode}
    probes = {str(status.value) for status in WebhookStatus}
    return reasons | agents | probes | {str(code.value) for code in Code} | own_check_ids()


def test_every_code_has_an_entry_and_every_entry_is_of_a_code() -> None:
    headings = {heading.strip("`") for heading in ENTRIES if heading.startswith("`")}
    assert headings == codes()


def test_every_trouble_that_people_see_has_an_entry() -> None:
    assert {heading for heading in ENTRIES if not heading.startswith("`")} == WHAT_PEOPLE_SEE


@pytest.mark.parametrize("heading", ENTRIES)
def test_every_entry_explains_and_says_what_to_do(heading: str) -> None:
    explained, _, remedy = ENTRIES[heading].partition("**Do:**")
    assert len(explained.split()) >= 3
    assert len(remedy.split()) >= 1


def test_anchors_differ() -> None:
    anchors = [anchor(heading) for heading in ENTRIES]
    assert len(anchors) == len(set(anchors))


def test_links_inside_the_page_lead_to_entries() -> None:
    anchors = {anchor(heading) for heading in ENTRIES}
    assert set(re.findall(r"\]\(#([\w-]+)\)", TEXT)) <= anchors
    assert address("url-mismatch").partition("#")[2] in anchors


def test_every_code_is_used_somewhere() -> None:
    written = "".join(path.read_text() for path in (ROOT / "openclaw_sms" / "diagnostics").glob("*.py"))
    unused = {code.name for code in Code if f"Code.{code.name}" not in written}
    assert unused == set()


@pytest.mark.django_db
def test_the_console_shows_the_page_with_its_anchors(admin_client: Client) -> None:
    page = admin_client.get(reverse("help", args=["troubleshooting"])).content.decode()
    missing = [heading for heading in ENTRIES if f'id="{anchor(heading)}"' not in page]
    assert missing == []
    assert f'href="{reverse("help", args=["configuration"])}"' in page


@pytest.mark.django_db
@pytest.mark.parametrize("page", ["troubleshooting", "../settings", "decisions"])
def test_nobody_reads_other_files_or_without_a_login(page: str, client: Client, admin_client: Client) -> None:
    address = f"/admin/help/{page}/"
    assert client.get(address).status_code in (302, 404)
    assert admin_client.get(address).status_code == (200 if page == "troubleshooting" else 404)
