"""Where each code is explained: its entry of docs/troubleshooting.md, which the console shows too."""

import re

PAGE = "docs/troubleshooting.md"


def anchor(code: str) -> str:
    """The anchor that GitHub and the console give the heading `code`: small letters, no dots."""
    return re.sub(r"[^\w-]", "", code.lower().replace(" ", "-"))


def address(code: str) -> str:
    """`docs/troubleshooting.md#url-mismatch`; "" for no code."""
    return f"{PAGE}#{anchor(code)}" if code else ""
