"""The machine's own health: database, migrations, queue, worker, what waits, what stopped, disk.

Each check is a function of the time that yields findings. One that cannot be made is itself a finding, and never
keeps the others from being made. Nothing here scans a large table: each count has its partial index.
"""

import shutil
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta

from django.conf import settings
from django.core import checks as system_checks
from django.db import connection
from django.db.migrations.executor import MigrationExecutor
from django.db.models import Min, Q

from openclaw_sms.config import checks
from openclaw_sms.diagnostics.findings import Code, Finding, Severity
from openclaw_sms.messaging import heartbeat, queue
from openclaw_sms.models import (
    UNSENT,
    InboundMessage,
    InboundState,
    NoticeState,
    OutboundPart,
    OwnerNotice,
    PartState,
)

# Somebody holds a phone and waits. A turn may take minutes, so what is being answered does not count.
LONGEST_WAIT = timedelta(minutes=2)
# SQLite needs room for its journal, and a full disk loses no text only because Twilio is told "not stored".
LEAST_FREE = 256 * 1024 * 1024
# What the check of each account's settings says too, with the command that mends it.
SAID_ELSEWHERE = frozenset(
    f"{checks.TAG}.{kind.id}"
    for kind in (
        *(checks.UNSIGNED, checks.NOBODY_LISTED, checks.OPEN, checks.OPEN_TO_FEW, checks.PAIRING_OFF),
        *(checks.UNREACHABLE_URL, checks.DEAF, checks.RESTS, checks.INCOMPLETE, checks.AGENT_RESTS),
        *(checks.SAME_PATH, checks.RESERVED_PATH, checks.UNUSABLE),
    )
)
MIGRATE = "manage.py migrate"
START = "manage.py gateway   (or manage.py worker, beside your web server)"


def findings(now: datetime) -> list[Finding]:
    """Everything that is wrong with this machine. Without a database that is all there is to say."""
    if unreachable := list(database(now)):
        return [*unreachable, *disk(now)]
    if pending := list(migrations(now)):
        return [*pending, *queue_engine(now), *disk(now)]
    found: list[Finding] = []
    for check in CHECKS:
        found += _made(check, now)
    return found


def database(now: datetime) -> Iterator[Finding]:
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
    except Exception as error:
        yield Finding(
            Code.DATABASE_UNREACHABLE,
            "The database cannot be used: nothing is stored, and Twilio is told so.",
            type(error).__name__,
            "start the database server, or correct DATABASE_URL",
        )


def migrations(now: datetime) -> Iterator[Finding]:
    """Steps that the code has and the database has not."""
    executor = MigrationExecutor(connection)
    pending = executor.migration_plan(executor.loader.graph.leaf_nodes())
    if pending:
        yield Finding(
            Code.MIGRATIONS_PENDING,
            "The database is older than the code.",
            f"{len(pending)} step{'s' if len(pending) > 1 else ''} to go, the first is {pending[0][0]}",
            MIGRATE,
        )


def system(now: datetime) -> Iterator[Finding]:
    """Django's system checks, ours among them: errors are problems, warnings are worth a note."""
    for message in system_checks.run_checks(databases=["default"]):
        if message.level < system_checks.WARNING or message.is_silenced() or message.id in SAID_ELSEWHERE:
            continue
        yield Finding(
            message.id or Code.SYSTEM_CHECK,
            str(message.msg),
            "manage.py check --database default",
            str(message.hint or ""),
            severity=Severity.PROBLEM if message.level >= system_checks.ERROR else Severity.NOTE,
            help="" if (message.id or "").startswith(f"{checks.TAG}.") else Code.SYSTEM_CHECK,
        )


def queue_engine(now: datetime) -> Iterator[Finding]:
    try:
        queue.turns.pending_count()
    except Exception as error:
        yield Finding(
            Code.QUEUE_UNREACHABLE,
            "The queue cannot be reached: texts are stored, and answered only as fast as the sweep finds them.",
            type(error).__name__,
            "start the queue's server, or correct SMS_QUEUE_URL",
        )


def worker(now: datetime) -> Iterator[Finding]:
    if heartbeat.alive(now).exists():
        return
    seen = heartbeat.last_seen()
    yield Finding(
        Code.WORKER_MISSING,
        "No worker is alive: texts are stored and nobody answers them.",
        f"the last one was seen {_ago(now, seen)}" if seen else "none was ever seen",
        START,
    )


def texts(now: datetime) -> Iterator[Finding]:
    """Texts that are due and that nobody has taken up."""
    due = Q(next_attempt_at__isnull=True) | Q(next_attempt_at__lte=now - LONGEST_WAIT)
    waiting = InboundMessage.objects.filter(due, state=InboundState.RECEIVED)
    oldest = waiting.aggregate(oldest=Min("received_at"))["oldest"]
    if oldest is not None and now - oldest > LONGEST_WAIT:
        yield Finding(
            Code.TEXTS_WAIT,
            "Texts wait that should have been answered by now.",
            f"{waiting.count()} wait, the oldest came {_ago(now, oldest)}",
            START,
        )


def parts(now: datetime) -> Iterator[Finding]:
    """Parts that are due and have not gone out."""
    due = Q(next_attempt_at__isnull=True) | Q(next_attempt_at__lte=now - LONGEST_WAIT)
    waiting = OutboundPart.objects.filter(due, state__in=UNSENT, message__created_at__lt=now - LONGEST_WAIT)
    count = waiting.count()
    if count:
        yield Finding(
            Code.PARTS_WAIT,
            "Texts of ours wait that should have gone out by now.",
            f"{count} part{'s' if count > 1 else ''} older than {LONGEST_WAIT.seconds // 60} minutes",
            START,
        )


def dead_letters(now: datetime) -> Iterator[Finding]:
    count = InboundMessage.objects.filter(state=InboundState.PARKED).count()
    if count:
        yield Finding(
            Code.DEAD_LETTERS,
            "Texts were put aside unanswered until somebody mends what stopped them.",
            f"{count} text{'s' if count > 1 else ''}",
            "manage.py channels dead-letters list",
        )


def uncertain(now: datetime) -> Iterator[Finding]:
    count = OutboundPart.objects.filter(state=PartState.UNCERTAIN).count()
    if count:
        yield Finding(
            Code.UNCERTAIN_PARTS,
            "Twilio may or may not have taken some texts; they are not sent a second time by themselves.",
            f"{count} part{'s' if count > 1 else ''}",
            "in the console, Texts sent: choose Mark as sent or Send again",
        )


def disk(now: datetime) -> Iterator[Finding]:
    free = shutil.disk_usage(settings.DATA_DIR).free
    if free < LEAST_FREE:
        yield Finding(
            Code.DISK_FULL,
            "The disk with the gateway's data is almost full; then no text can be stored.",
            f"{free // (1024 * 1024)} MB are free",
            "make room on the disk that holds SMS_DATA_DIR",
        )


def owner_mail(now: datetime) -> Iterator[Finding]:
    count = OwnerNotice.objects.filter(state=NoticeState.FAILED, at__gt=now - timedelta(days=7)).count()
    if count:
        yield Finding(
            Code.OWNER_MAIL_FAILED,
            "Mails that should have told you about waiting strangers were not taken by the mail server.",
            f"{count} in the last seven days",
            "manage.py sendtestemail YOUR-ADDRESS, and correct EMAIL_URL",
        )


CHECKS: tuple[Callable[[datetime], Iterator[Finding]], ...] = (
    system,
    queue_engine,
    worker,
    texts,
    parts,
    dead_letters,
    uncertain,
    disk,
    owner_mail,
)


def _made(check: Callable[[datetime], Iterator[Finding]], now: datetime) -> list[Finding]:
    try:
        return list(check(now))
    except Exception as error:
        cause = f"The check “{check.__name__.replace('_', ' ')}” could not be made."
        return [Finding(Code.SYSTEM_CHECK, cause, type(error).__name__, "see the gateway's log")]


def _ago(now: datetime, then: datetime) -> str:
    minutes = int((now - then).total_seconds() // 60)
    if minutes < 1:
        return "less than a minute ago"
    return f"{minutes} min ago" if minutes < 120 else f"{minutes // 60} h ago"
