"""What reports have in common: their arguments, and how they read on a terminal and as JSON."""

import json
from argparse import ArgumentParser, ArgumentTypeError
from collections.abc import Iterable, Mapping
from datetime import timedelta
from typing import Any

from django.core.management.base import OutputWrapper

from openclaw_sms.config import accounts
from openclaw_sms.config.accounts import Account
from openclaw_sms.diagnostics import help as help_pages
from openclaw_sms.diagnostics.findings import Finding, Severity
from openclaw_sms.diagnostics.probes import DEFAULT_TIMEOUT, LONGEST_TIMEOUT
from openclaw_sms.management.terminal import Paint

CHANNEL = "sms"


def add_common(parser: ArgumentParser, *, timeout: bool = False) -> None:
    parser.add_argument("--channel", choices=[CHANNEL], default=CHANNEL)
    parser.add_argument("--account", metavar="ID")
    parser.add_argument("--json", action="store_true")
    if timeout:
        parser.add_argument("--timeout", metavar="MS", type=milliseconds, default=DEFAULT_TIMEOUT)


def milliseconds(word: str) -> timedelta:
    most = LONGEST_TIMEOUT // timedelta(milliseconds=1)
    if not (word.isascii() and word.isdigit() and len(word) <= 9 and int(word) > 0):
        raise ArgumentTypeError(f"give milliseconds, from 1 to {most}")
    return timedelta(milliseconds=min(int(word), most))


def chosen(account_id: str | None) -> tuple[accounts.Accounts, list[Account]]:
    """All accounts, and those asked for: one, or every one. Raises `NoAccount`."""
    known = accounts.load()
    if account_id is None:
        return known, list(known.by_id.values())
    wanted = accounts.choose(account_id).id
    return known, [known.by_id[wanted]]


def write_json(stdout: OutputWrapper, value: Mapping[str, Any]) -> None:
    stdout.write(json.dumps(value, indent=2, ensure_ascii=False))


def finding_lines(findings: Iterable[Finding], paint: Paint) -> list[str]:
    """Two or three lines each: what, how we know, what to do and where to read more."""
    lines = []
    for finding in findings:
        problem = finding.severity is Severity.PROBLEM
        mark = paint("bad", "✗") if problem else paint("act", "!")
        lines.append(f"{mark} {paint('bad' if problem else 'act', finding.cause)}")
        if finding.evidence:
            lines.append(f"    {finding.evidence}")
        if finding.fix:
            lines.append(f"    fix: {finding.fix}")
        lines.append(paint("quiet", f"    {finding.code}: {help_pages.address(finding.help or finding.code)}"))
    return lines
