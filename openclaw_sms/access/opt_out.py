"""Who has opted out. The audit trail is the record: rows are only ever added to it."""

from datetime import datetime

from openclaw_sms.access import audit
from openclaw_sms.access.audit import GATEWAY
from openclaw_sms.models import AuditEvent

SUPPRESSED = "opt_out.suppressed"


def suppress(account_pk: int, number: str, *, source: str, at: datetime) -> bool:
    """Never text `number` from this account again. False when that was so already."""
    if is_suppressed(account_pk, number):
        return False
    audit.record(SUPPRESSED, actor=GATEWAY, at=at, account_id=account_pk, subject=number, source=source)
    return True


def is_suppressed(account_pk: int, number: str) -> bool:
    return AuditEvent.objects.filter(action=SUPPRESSED, account_id=account_pk, subject=number).exists()
