"""The first ten minutes, as somebody who has never seen the product walks through them."""

import re

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import RunningSandbox

pytestmark = pytest.mark.browser


def log_in(page: Page, sandbox: RunningSandbox) -> None:
    name, password = sandbox.login
    page.goto(f"{sandbox.address}/admin/")
    page.get_by_label("Username").fill(name)
    page.locator("input[name=password]").fill(password)
    page.get_by_role("button", name=re.compile("log in|sign in", re.IGNORECASE)).click()
    page.wait_for_url(f"{sandbox.address}/admin/")


def text_as(page: Page, name: str, words: str) -> None:
    page.get_by_role("button", name=re.compile(f"^{name}")).click()
    page.get_by_label("Text to your assistant").fill(words)
    page.keyboard.press("Enter")


def test_a_stranger_is_paired_in_the_console_and_answered(page: Page, sandbox: RunningSandbox) -> None:
    simulator, console = page, page.context.new_page()
    simulator.goto(f"{sandbox.address}/sandbox/")
    thread = simulator.locator("#texts")

    text_as(simulator, "Bob", "hello")
    expect(thread).to_contain_text("Your pairing code is", timeout=15_000)
    found = re.search(r"code is ([A-Z2-9]{8})", thread.inner_text())
    assert found is not None

    log_in(console, sandbox)
    console.goto(f"{sandbox.address}/admin/openclaw_sms/pairingrequest/")
    expect(console.locator("body")).to_contain_text(found[1])
    expect(console.locator("body")).to_contain_text("hello")
    console.get_by_role("button", name="Approve", exact=True).first.click()
    expect(console.locator("body")).to_contain_text("pproved")

    text_as(simulator, "Bob", "what can you do?")
    expect(thread).to_contain_text("what can you do?", timeout=15_000)
    expect(thread.locator("li")).to_have_count(4, timeout=15_000)
    assert "**" not in thread.inner_text()
    # Ticks: the webhook took both texts, the pretend Twilio delivered both replies.
    expect(thread.locator(".fate")).to_have_count(4)

    console.goto(f"{sandbox.address}/admin/openclaw_sms/conversation/")
    console.get_by_role("link", name=re.compile(r"\+?1? ?555")).first.click()
    expect(console.locator("body")).to_contain_text("what can you do?")


def test_the_command_line_does_the_same(page: Page, sandbox: RunningSandbox) -> None:
    page.goto(f"{sandbox.address}/sandbox/")
    text_as(page, "Alice", "hello")
    thread = page.locator("#texts")
    expect(thread).to_contain_text("Your pairing code is", timeout=15_000)
    code = sandbox.manage("pairing", "list", "sms").split()[0]
    assert "Approved" in sandbox.manage("pairing", "approve", "sms", code.lower())
    text_as(page, "Alice", "and now?")
    expect(thread.locator("li")).to_have_count(4, timeout=15_000)
    sandbox.manage("message", "send", "--target", "sms:+15550002222", "--message", "Hello from the shell")
    page.get_by_role("button", name=re.compile("^Bob")).click()
    expect(thread).to_contain_text("Hello from the shell", timeout=15_000)


def test_it_prints_three_lines(sandbox: RunningSandbox) -> None:
    simulator, console, now = sandbox.lines
    assert f"{sandbox.address}/sandbox/" in simulator
    assert f"{sandbox.address}/admin/" in console
    assert "pairing approve sms CODE" in now
