"""Take the pictures in the docs anew: `python -m tests.browser.screenshots`. Needs Debian's Chromium."""

import re
import tempfile
from pathlib import Path

from playwright.sync_api import Page, sync_playwright

from tests.browser.conftest import ARGUMENTS, ROOT, RunningSandbox, chromium, running_sandbox
from tests.browser.test_first_text import log_in, text_as

IMAGES = ROOT / "docs" / "images"


def main() -> None:
    IMAGES.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder, running_sandbox(Path(folder)) as sandbox, sync_playwright() as pw:
        browser = pw.chromium.launch(executable_path=chromium(), args=ARGUMENTS)
        page = browser.new_page(viewport={"width": 1280, "height": 860})
        walk_the_main_job(page, sandbox)
        page.screenshot(path=IMAGES / "simulator.png")
        log_in(page, sandbox)
        page.goto(f"{sandbox.address}/admin/openclaw_sms/conversation/")
        page.get_by_role("link", name=re.compile(r"\+?1? ?555")).first.click()
        page.screenshot(path=IMAGES / "conversation.png")
        browser.close()


def walk_the_main_job(page: Page, sandbox: RunningSandbox) -> None:
    page.goto(f"{sandbox.address}/sandbox/")
    text_as(page, "Bob", "hello")
    page.get_by_text("Your pairing code is").first.wait_for()
    code = sandbox.manage("pairing", "list", "sms").split()[0]
    sandbox.manage("pairing", "approve", "sms", code)
    text_as(page, "Bob", "what can you do?")
    page.locator("#texts li").nth(3).wait_for()
    page.wait_for_timeout(2_500)  # until the delivery reports are in


if __name__ == "__main__":
    main()
