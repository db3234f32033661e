"""Pictures in both directions, seen on the phone, in the console's thread, and in what the agent was asked."""

import base64
import re
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser.conftest import RunningSandbox, running_sandbox
from tests.browser.test_first_text import log_in, text_as
from tests.support.pictures import png
from tests.support.pretend_agent import PretendAgent, Said, Turn

pytestmark = pytest.mark.browser

THEIRS, OURS, BY_HAND = png((30, 90, 200)), png((20, 160, 80)), png((220, 120, 20))
IS_DRAWN = "image => image.complete && image.naturalWidth === 64"


def paints(turn: Turn) -> Said:
    """An agent that answers a picture with a picture."""
    if not turn.pictures:
        return "Send me a picture."
    url = f"data:image/png;base64,{base64.b64encode(OURS).decode()}"
    return [{"type": "text", "text": "**Mine** is green."}, {"type": "image_url", "image_url": {"url": url}}]


def see(page: Page, selector: str, count: int) -> None:
    """Wait until that many pictures are there and drawn."""
    pictures = page.locator(selector)
    expect(pictures).to_have_count(count, timeout=20_000)
    for number in range(count):
        pictures.nth(number).scroll_into_view_if_needed()
        handle = pictures.nth(number).element_handle()
        page.wait_for_function(IS_DRAWN, arg=handle, timeout=10_000)


def walk(page: Page, console: Page, sandbox: RunningSandbox, agent: PretendAgent, pictures: Path) -> None:
    (pictures / "theirs.png").write_bytes(THEIRS)
    (pictures / "by_hand.png").write_bytes(BY_HAND)
    page.goto(f"{sandbox.address}/sandbox/")
    text_as(page, "Alice", "hello")
    expect(page.locator("#texts")).to_contain_text("Your pairing code is", timeout=15_000)
    sandbox.manage("pairing", "approve", "sms", sandbox.manage("pairing", "list", "sms").split()[0])

    # A picture without a word reaches the agent as it is.
    page.get_by_label("Attach a picture").set_input_files(pictures / "theirs.png")
    see(page, "#attached img", 1)
    page.get_by_role("button", name="Send").click()
    see(page, "#texts .outgoing .pictures img", 1)
    # The agent's comes back to the phone, by way of a signed address.
    see(page, "#texts .incoming .pictures img", 1)
    expect(page.locator("#texts")).to_contain_text("Mine is green.")
    assert agent.turns[-1].pictures == [("image/png", THEIRS)]

    # Both are in the thread, and a third is sent from there.
    log_in(console, sandbox)
    console.goto(f"{sandbox.address}/admin/openclaw_sms/conversation/")
    console.get_by_role("link", name=re.compile(r"\+?1? ?555")).first.click()
    see(console, ".sms-theirs .sms-picture img", 1)
    see(console, ".sms-ours .sms-picture img", 1)
    console.get_by_label("Attach pictures").set_input_files(pictures / "by_hand.png")
    console.get_by_role("button", name="Send", exact=True).click()
    expect(console.locator("body")).to_contain_text("Your text is in the outbox.")
    see(console, ".sms-ours .sms-picture img", 2)
    see(page, "#texts .incoming .pictures img", 2)


def test_pictures_go_both_ways(browser: Browser, tmp_path: Path) -> None:
    with PretendAgent(token="for-tests-only") as agent:
        agent.replies(paints)
        variables = {"SMS_AGENT": "chat_completions", "SMS_AGENT_URL": agent.url, "SMS_AGENT_TOKEN": agent.token}
        with running_sandbox(tmp_path, **variables) as sandbox:
            context = browser.new_context(viewport={"width": 1280, "height": 900})
            errors: list[str] = []
            context.on("console", lambda said: errors.append(said.text) if said.type == "error" else None)
            page, console = context.new_page(), context.new_page()
            walk(page, console, sandbox, agent, tmp_path)
            page.screenshot(path=tmp_path / "phone.png")
            console.screenshot(path=tmp_path / "thread.png", full_page=True)
            context.close()
            assert errors == []
