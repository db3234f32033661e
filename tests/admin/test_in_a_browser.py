"""The console in Chromium, on a desk and on a phone: nobody else is asked for anything, and the buttons work."""

from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest
from django.contrib.auth.models import User
from django.urls import reverse
from django.utils import timezone
from playwright.sync_api import Browser, BrowserContext, Page, sync_playwright
from pytest_django.fixtures import Settings
from pytest_django.live_server_helper import LiveServer

from openclaw_sms.access import opt_out, pairing
from openclaw_sms.models import (
    Conversation,
    InboundState,
    OptOutSource,
    OutboundMessage,
    PairingRequest,
    PartState,
    Reason,
    SmsAccount,
    StoredSecret,
)
from tests.admin.conftest import ACCOUNT_SID, ALICE, BOB, TOKEN, received, sent
from tests.support.pretend_account import PretendAccount

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

PASSWORD = "a-long-enough-password"
SCREENS = [pytest.param((1440, 900), id="desk"), pytest.param((390, 844), id="phone")]
ATTACK = '<script>document.title = "owned"</script><img src=x onerror="document.title = \'owned\'">'
PAGES = [
    "index",
    *(
        f"openclaw_sms_{model}_{page}"
        for model in (
            "conversation",
            "pairingrequest",
            "allowedsender",
            "optout",
            "smsaccount",
            "storedsecret",
            "inboundmessage",
            "outboundmessage",
            "outboundpart",
        )
        for page in ("changelist", "change")
    ),
    "openclaw_sms_auditevent_changelist",
    "openclaw_sms_ownernotice_changelist",
    "openclaw_sms_optout_add",
    "openclaw_sms_smsaccount_add",
    "openclaw_sms_channelsettings_add",
    "openclaw_sms_storedsecret_add",
    "openclaw_sms_allowedsender_add",
    "auth_user_changelist",
]


@dataclass
class Seen:
    """What a browser did and met on its way."""

    hosts: set[str] = field(default_factory=set)
    complaints: list[str] = field(default_factory=list)


@pytest.fixture
def row_keys(alice: Conversation, bob: PairingRequest, operator: User) -> dict[str, int]:
    """A row for each page, and a text that tries to be a program; collected before the browser starts."""
    text = received(alice.account, ALICE, ATTACK, InboundState.PARKED, Reason.AGENT_FAILED)
    stored = StoredSecret.objects.create(name="MY_TOKEN", value=TOKEN, updated_at=timezone.now())
    part = sent(alice, ATTACK, PartState.UNCERTAIN, reason=Reason.UNCERTAIN, answers=text)
    opt_out.suppress(alice.account_id, BOB, source=OptOutSource.OPERATOR, at=timezone.now(), reason=ATTACK)
    return {
        "optout": alice.account.opt_outs.get().pk,
        "conversation": alice.pk,
        "pairingrequest": bob.pk,
        "allowedsender": alice.account.allowed_senders.get().pk,
        "smsaccount": alice.account_id,
        "storedsecret": stored.pk,
        "inboundmessage": text.pk,
        "outboundmessage": part.message_id,
        "outboundpart": part.pk,
    }


@pytest.fixture
def chromium(row_keys: dict[str, int], monkeypatch: pytest.MonkeyPatch) -> Iterator[Browser]:
    # Playwright runs an event loop in this thread, which makes Django refuse the database's clean-up after the test.
    monkeypatch.setenv("DJANGO_ALLOW_ASYNC_UNSAFE", "true")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path="/usr/bin/chromium", args=["--no-sandbox", "--disable-gpu"]
        )
        yield browser
        browser.close()


@pytest.fixture(params=SCREENS)
def context(request: pytest.FixtureRequest, chromium: Browser, live_server: LiveServer) -> Iterator[BrowserContext]:
    width, height = request.param
    context = chromium.new_context(viewport={"width": width, "height": height}, base_url=live_server.url)
    yield context
    context.close()


@pytest.fixture
def seen(context: BrowserContext) -> Seen:
    seen = Seen()
    context.on("request", lambda request: seen.hosts.add(request.url.split("/")[2]))
    context.on("console", lambda line: seen.complaints.append(line.text) if line.type == "error" else None)
    context.on("weberror", lambda error: seen.complaints.append(str(error.error)))
    return seen


@pytest.fixture
def page(context: BrowserContext, seen: Seen) -> Page:
    """A page of the console, logged in through its own form."""
    page = context.new_page()
    page.goto(reverse("admin:index"))
    page.fill("#id_username", "olga")
    page.fill("#id_password", PASSWORD)
    page.press("#id_password", "Enter")
    page.wait_for_url(f"**{reverse('admin:index')}")
    return page


def test_no_page_asks_another_host_or_runs_what_somebody_texted(
    page: Page, seen: Seen, live_server: LiveServer, row_keys: dict[str, int]
) -> None:
    for name in PAGES:
        key = row_keys[name.split("_")[2]] if name.endswith("_change") else None
        page.goto(reverse(f"admin:{name}", args=[key] if key else []))
        page.wait_for_load_state("networkidle")
        assert page.title().strip() != "owned", name
        wider = page.evaluate("document.documentElement.scrollWidth - window.innerWidth")
        assert wider <= 0, f"{name} is {wider} pixels wider than the screen"

    assert seen.hosts == {live_server.url.removeprefix("http://")}
    assert seen.complaints == []


def test_a_stranger_is_let_in_from_the_list(page: Page, bob: PairingRequest) -> None:
    page.goto(reverse("admin:openclaw_sms_pairingrequest_changelist"))
    page.get_by_role("button", name="Approve").click()

    page.get_by_text(f"{BOB} may talk from now on.").wait_for()
    assert page.get_by_role("button", name="Approve").count() == 0
    assert pairing.is_paired(bob.account_id, BOB)


def test_a_reply_by_hand_is_sent_once_however_often_one_presses(page: Page, alice: Conversation) -> None:
    before = OutboundMessage.objects.count()
    page.goto(reverse("admin:openclaw_sms_conversation_change", args=[alice.pk]))
    page.get_by_role("textbox", name="Reply by hand").fill("On my way")
    page.get_by_role("button", name="Send", exact=True).dblclick()

    page.get_by_text("Your text is in the outbox.").wait_for()
    assert OutboundMessage.objects.count() == before + 1
    assert page.locator(".sms-ours", has_text="On my way").count() == 1


def test_a_parked_text_is_answered_from_the_thread(page: Page, alice: Conversation) -> None:
    page.goto(reverse("admin:openclaw_sms_conversation_change", args=[alice.pk]))
    page.get_by_role("button", name="Answer now").click()

    page.get_by_text("The text is on its way to the agent.").wait_for()
    assert page.get_by_role("button", name="Answer now").count() == 0


@pytest.mark.parametrize("context", SCREENS[:1], indirect=True)
class TestTheAccountsForm:
    @pytest.fixture
    def form(self, page: Page, alice: Conversation) -> Page:
        page.goto(reverse("admin:openclaw_sms_smsaccount_change", args=[alice.account_id]))
        return page

    def test_copies_the_exact_address(self, form: Page, context: BrowserContext, alice: Conversation) -> None:
        url = "https://sms.example.org/webhooks/sms?tenant=7&x=%41"
        SmsAccount.objects.update(public_webhook_url=url)
        context.grant_permissions(["clipboard-read", "clipboard-write"])
        form.reload()
        form.get_by_role("button", name="Copy").click()

        form.get_by_text("Copied.").wait_for()
        assert form.evaluate("navigator.clipboard.readText()") == url

    def test_copies_where_there_is_no_clipboard_api(self, form: Page, context: BrowserContext) -> None:
        form.evaluate("delete Navigator.prototype.clipboard")
        form.get_by_role("button", name="Copy").click()

        form.get_by_text("Copied.").wait_for()
        context.grant_permissions(["clipboard-read", "clipboard-write"])
        fresh = context.new_page()
        fresh.goto(form.url)
        assert fresh.evaluate("navigator.clipboard.readText()") == "https://sms.example.org/webhooks/sms"

    def test_keeps_what_is_typed_while_it_tests(self, form: Page, settings: Settings) -> None:
        with PretendAccount(ACCOUNT_SID, TOKEN, "+15550009999") as twilio:
            settings.TWILIO_API_BASE_URL = twilio.origin
            form.fill("#id_name", "Not saved yet")
            form.get_by_role("button", name="Test").click()

            form.get_by_text("The from number belongs to the account.").wait_for()
            assert form.locator(".sms-answers p").all_inner_texts() == [
                "The auth token works.",
                "The from number belongs to the account.",
            ]
            assert form.input_value("#id_name") == "Not saved yet"
            twilio.auth_token = "another"
            form.get_by_role("button", name="Test").click()
            form.get_by_text("Twilio refused the auth token").wait_for()
            assert form.locator(".sms-answers p").count() == 1

    def test_says_when_one_is_logged_out(self, form: Page, context: BrowserContext) -> None:
        context.clear_cookies()
        form.get_by_role("button", name="Test").click()
        form.get_by_text("reload the page and try again").wait_for()

    def test_warns_in_red_while_one_chooses(self, form: Page) -> None:
        opened, starred = form.locator("[data-warns=open]"), form.locator("[data-warns=star]")
        assert not opened.is_visible()
        assert not starred.is_visible()

        form.fill("#id_allow_from", "+15550001111\n*")
        assert starred.is_visible()
        form.select_option("#id_dm_policy", "open")
        assert opened.is_visible()
        assert not starred.is_visible()
        red = form.evaluate("getComputedStyle(document.querySelector('[data-warns=open]')).color")
        assert red == "rgb(185, 28, 28)"

    def test_saves_a_reference_and_says_what_it_lacks(self, form: Page) -> None:
        form.select_option("#id_auth_token_source", "store")
        form.fill("#id_auth_token_id", "TWILIO_TOKEN")
        form.get_by_role("button", name="Save and continue editing").click()

        form.get_by_text("secret unavailable").first.wait_for()
        assert form.get_by_text("manage.py secrets set TWILIO_TOKEN").count() > 0
