"""What can be wrong: a stable code for each, and the value that a report is made of.

Every code has its entry in docs/troubleshooting.md; a test holds the two lists together.
"""

import enum
from collections.abc import Mapping
from dataclasses import dataclass

from openclaw_sms.diagnostics import help as help_pages


class WebhookStatus(enum.StrEnum):
    """What Twilio would do with a text that comes in. All but MATCHES are problems."""

    MATCHES = "matches"
    URL_MISMATCH = "url-mismatch"
    METHOD_MISMATCH = "method-mismatch"
    MISSING = "missing"
    NUMBER_NOT_FOUND = "number-not-found"
    SERVICE_MISSING = "messaging-service-missing"
    UNAVAILABLE = "unavailable"


class Code(enum.StrEnum):
    """Everything else that status, capabilities and doctor can name."""

    # The account, by its settings alone
    NO_ACCOUNT = "no-account"
    NOT_SERVED = "account-not-served"
    MISSING_CREDENTIALS = "missing-credentials"
    MISSING_SENDER = "missing-sender"
    TOKEN_UNAVAILABLE = "token-unavailable"  # noqa: S105 - a code, not a token
    MISSING_PUBLIC_URL = "missing-public-url"
    INVALID_PUBLIC_URL = "invalid-public-url"
    NO_STATUS_CALLBACK = "no-status-callback"
    ALLOWLIST_EMPTY = "allowlist-empty"
    OPEN_WITHOUT_ANYONE = "open-without-anyone"
    OPEN_TO_ANYONE = "open-to-anyone"
    SIGNATURE_DISABLED = "signature-disabled"
    # The account, as Twilio sees it
    TWILIO_UNREACHABLE = "twilio-unreachable"
    CREDENTIALS_REFUSED = "credentials-refused"
    ACCOUNT_NOT_ACTIVE = "account-not-active"
    TRIAL_ACCOUNT = "trial-account"
    NUMBER_CANNOT_TEXT = "number-cannot-text"
    WEBHOOK_UNREACHABLE = "webhook-unreachable"
    A2P_NOT_REGISTERED = "a2p-not-registered"
    A2P_IN_PROGRESS = "a2p-in-progress"
    OUTBOUND_FAILING = "outbound-failing"
    TAILSCALE_FUNNEL = "tailscale-funnel"
    REFUSED_WEBHOOKS = "refused-webhooks"
    # The machine
    SYSTEM_CHECK = "system-check"
    DATABASE_UNREACHABLE = "database-unreachable"
    MIGRATIONS_PENDING = "migrations-pending"
    QUEUE_UNREACHABLE = "queue-unreachable"
    WORKER_MISSING = "worker-missing"
    TEXTS_WAIT = "texts-wait"
    PARTS_WAIT = "parts-wait"
    DEAD_LETTERS = "dead-letters"
    UNCERTAIN_PARTS = "uncertain-parts"
    DISK_FULL = "disk-full"
    CLOCK_SKEW = "clock-skew"
    OWNER_MAIL_FAILED = "owner-mail-failed"


class Severity(enum.StrEnum):
    PROBLEM = "problem"  # something does not work, or not safely
    NOTE = "note"  # worth knowing; nothing is broken


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing: what it means, how we know, and the command that mends it. No number, no token, no text in it."""

    code: str
    cause: str
    evidence: str = ""
    fix: str = ""
    account: str = ""
    severity: Severity = Severity.PROBLEM
    help: str = ""  # another entry than the code's own

    def as_json(self) -> Mapping[str, str]:
        return {
            "code": str(self.code),
            "severity": str(self.severity),
            "account": self.account,
            "cause": self.cause,
            "evidence": self.evidence,
            "fix": self.fix,
            "help": help_pages.address(self.help or self.code),
        }


def note(code: str, cause: str, *, evidence: str = "", fix: str = "", account: str = "") -> Finding:
    return Finding(code, cause, evidence, fix, account, Severity.NOTE)
