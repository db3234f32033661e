"""Asking Twilio, and the agent, how things stand: all questions at once, within a time limit.

What Twilio does not answer in time is reported as not answered, beside what it did answer and what our own rows say.
"""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings

from openclaw_sms.agents.reachability import Reach, reach
from openclaw_sms.config.accounts import Account
from openclaw_sms.config.sources import ConfigurationError
from openclaw_sms.diagnostics import webhook
from openclaw_sms.diagnostics.findings import Code, Finding, WebhookStatus, note
from openclaw_sms.diagnostics.parallel import UNANSWERED, Answer, ask_all
from openclaw_sms.diagnostics.webhook import NUMBER, Webhook
from openclaw_sms.messaging import heartbeat
from openclaw_sms.messaging.worker import agent_settings
from openclaw_sms.models import Delivery, OutboundPart, PartState
from openclaw_sms.text.web_address import host_of, without_secrets
from openclaw_sms.twilio.client import InsecureApiBase
from openclaw_sms.twilio.errors import ErrorClass, TwilioError, fault_for
from openclaw_sms.twilio.lookup import AccountFacts, InboundFacts, TwilioLookup

DEFAULT_TIMEOUT = timedelta(seconds=10)
LONGEST_TIMEOUT = timedelta(seconds=30)
# What is left of the time limit for writing the report: a tenth, but no more than this.
SPARED = timedelta(milliseconds=100)
# Twilio's codes for "the text came in, and the webhook did not take it".
WEBHOOK_FAULTS = frozenset(
    {11200, 11205, 11206, 11210, 11215, 11220, 11235, 11236, 11237, 12100, 12200, 12300, 57012}
)
A2P = {30034: Code.A2P_NOT_REGISTERED, 30035: Code.A2P_IN_PROGRESS}
AGENT = ("", "agent")


@dataclass(frozen=True, slots=True)
class Outbound:
    """The last text that Twilio took from us, or refused. `error_code` 0: none."""

    sid: str
    status: str
    at: datetime | None
    error_code: int

    def as_json(self) -> Mapping[str, Any]:
        shown: dict[str, Any] = {
            "messageSid": self.sid or None,
            "status": self.status,
            "lastObservedAt": self.at and self.at.isoformat(),
        }
        if self.error_code:
            shown["errorCode"] = self.error_code
        if self.status == Delivery.CONFLICTED:
            shown["conflict"] = True
        return shown


@dataclass(frozen=True, slots=True)
class Probe:
    """One account's probe. `credentials`: accepted, refused or unknown. `error` "" means that all is well."""

    credentials: str
    facts: AccountFacts | None
    webhook: Webhook
    inbound: InboundFacts | None
    outbound: Outbound | None
    findings: tuple[Finding, ...]
    clock_skew: timedelta | None
    elapsed: timedelta

    @property
    def error(self) -> str:
        return next((finding.cause for finding in self.findings if finding.severity == "problem"), "")

    @property
    def hints(self) -> list[str]:
        return [f"{finding.cause} {_as_step(finding.fix)}".strip() for finding in self.findings]

    def as_json(self) -> Mapping[str, Any]:
        return {
            "ok": not self.error,
            "error": self.error or None,
            "elapsedMs": round(self.elapsed.total_seconds() * 1000),
            "credentials": self.credentials,
            "twilioAccount": self.facts and {"status": self.facts.status, "type": self.facts.type},
            "webhook": self.webhook.as_json(),
            "recentInbound": self.inbound and _inbound_json(self.inbound),
            "recentOutbound": self.outbound and self.outbound.as_json(),
            "hints": self.hints,
            "findings": [finding.as_json() for finding in self.findings],
        }


@dataclass(frozen=True, slots=True)
class Probes:
    by_account: Mapping[str, Probe]
    agent: Reach | None


def probe_all(accounts: Sequence[Account], *, timeout: timedelta = DEFAULT_TIMEOUT) -> Probes:
    """Probe every account that has credentials, and the agent. Takes `timeout` at most."""
    began = time.monotonic()
    outbound = {account.id: last_outbound(account) for account in accounts}
    serving_at = heartbeat.serving_address()
    spent = timedelta(seconds=time.monotonic() - began)
    budget = max(timeout - min(SPARED, timeout / 10) - spent, timedelta(milliseconds=1))
    lookups = {account.id: found for account in accounts if (found := _lookup(account, budget)) is not None}
    questions: dict[tuple[str, str], Callable[[], Any]] = {AGENT: lambda: reach(agent_settings(), timeout=budget)}
    for account in accounts:
        if account.id in lookups:
            questions |= _questions(account, lookups[account.id])
    answers = ask_all(questions, within=budget)
    elapsed = timedelta(seconds=time.monotonic() - began)
    return Probes(
        {
            account.id: _probe(
                account,
                {name: answer for (owner, name), answer in answers.items() if owner == account.id},
                outbound=outbound[account.id],
                skew=lookups[account.id].clock_skew if account.id in lookups else None,
                serving_at=serving_at,
                elapsed=elapsed,
            )
            for account in accounts
        },
        _agent(answers[AGENT], budget),
    )


def last_outbound(account: Account) -> Outbound | None:
    """From our own rows: the newest part that has left, or was refused."""
    parts = OutboundPart.objects.filter(conversation__account_id=account.pk)
    part = parts.filter(state__in=(PartState.ACCEPTED, PartState.FAILED)).order_by("-id").first()
    if part is None:
        return None
    reported = part.events.order_by("-id").values_list("received_at", flat=True).first()
    return Outbound(
        sid=part.sid,
        status=part.delivery or part.state,
        at=reported or part.accepted_at or part.posted_at,
        error_code=part.error_code or 0,
    )


def _lookup(account: Account, budget: timedelta) -> TwilioLookup | None:
    """None for an account that cannot ask anything."""
    if not (account.account_sid and account.auth_token):
        return None
    try:
        return TwilioLookup(account.credentials, base_url=settings.TWILIO_API_BASE_URL, timeout=budget)
    except InsecureApiBase:
        return None


def _questions(account: Account, lookup: TwilioLookup) -> dict[tuple[str, str], Callable[[], Any]]:
    questions: dict[tuple[str, str], Callable[[], Any]] = {(account.id, "account"): lookup.account}
    if account.from_number:
        questions[account.id, "webhook"] = lambda: webhook.of_number(account, lookup.number(account.from_number))
        questions[account.id, "inbound"] = lambda: lookup.inbound(to=account.from_number)
    elif account.messaging_service_sid:
        service = account.messaging_service_sid
        questions[account.id, "webhook"] = lambda: webhook.of_service(account, lookup.service(service))
        questions[account.id, "inbound"] = lambda: lookup.inbound(service_sid=service)
    return questions


def _probe(
    account: Account,
    answers: Mapping[str, Answer],
    *,
    outbound: Outbound | None,
    skew: timedelta | None,
    serving_at: str,
    elapsed: timedelta,
) -> Probe:
    asked = answers.get("webhook")
    found = asked.value if asked is not None and asked.value is not None else None
    state = found or webhook.unknown(account, _why_unknown(account, asked))
    facts: AccountFacts | None = answers.get("account", UNANSWERED).value
    inbound = (answers.get("inbound", UNANSWERED).value or [None])[0]
    refused = any(_is_refusal(answer.error) for answer in answers.values())
    credentials = "refused" if refused else "accepted" if facts or found else "unknown"
    trouble = list(_about_twilio(account, answers, refused=refused))
    findings = [
        *trouble,
        *_about_account(account, facts),
        *([] if trouble and not found else _about_webhook(account, state)),
        *_about_inbound(account, inbound),
        *_about_outbound(account, outbound),
        *_about_tunnel(account, serving_at),
    ]
    return Probe(credentials, facts, state, inbound, outbound, tuple(findings), skew, elapsed)


def _agent(answer: Answer, budget: timedelta) -> Reach | None:
    if isinstance(answer.value, Reach):
        return answer.value
    seconds = budget.total_seconds()
    if isinstance(answer.error, ConfigurationError):
        return Reach("agent", False, None, 0, "agent_not_configured", str(answer.error))
    return Reach(
        "agent", False, None, seconds, "agent_timeout", f"The agent did not answer within {seconds:g} seconds."
    )


def agent_finding(found: Reach | None) -> Iterator[Finding]:
    if found is not None and found.code:
        yield Finding(found.code, found.sentence, f"asked for {found.seconds:.1f} s", "manage.py doctor, after that")


def _is_refusal(error: Exception | None) -> bool:
    return isinstance(error, TwilioError) and (error.http_status == 401 or error.code == 20003)


def _why_unknown(account: Account, asked: Answer | None) -> str:
    if asked is None:
        if not (account.account_sid and account.auth_token):
            return "Twilio was not asked: the credentials are not complete."
        return "Neither a number nor a Messaging Service is configured."
    return _sentence(asked)


def _sentence(answer: Answer) -> str:
    """Why a question has no answer, in words that fit a question."""
    error = answer.error
    if not answer.in_time or (isinstance(error, TwilioError) and error.http_status is None and not error.code):
        connected = not isinstance(error, TwilioError) or "could not be" not in str(error)
        return "Twilio did not answer in time." if connected else str(error)
    if isinstance(error, TwilioError) and error.http_status == 404:
        return "Twilio does not know what it was asked for (HTTP 404): check TWILIO_API_BASE_URL and the Account SID."
    return str(error) if isinstance(error, TwilioError) else f"Twilio could not be asked ({type(error).__name__})."


def _about_twilio(account: Account, answers: Mapping[str, Answer], *, refused: bool) -> Iterator[Finding]:
    if refused:
        yield _refused(account, token_works=answers.get("account", UNANSWERED).value is not None)
        return
    silent = [answer for answer in answers.values() if not answer.in_time or _is_unreachable(answer.error)]
    if silent:
        yield Finding(
            Code.TWILIO_UNREACHABLE,
            "Twilio did not answer; what follows is from this machine's own records.",
            _sentence(silent[0]),
            "curl -sS -o /dev/null -w '%{http_code}\\n' https://api.twilio.com",
            account.id,
        )


def _refused(account: Account, *, token_works: bool) -> Finding:
    if token_works:
        cause = "Twilio refuses the account's API key: nothing is sent. The auth token works."
        what = "the API key's SID and secret"
    else:
        cause = "Twilio refuses the account's credentials: nothing is sent, and no signature can be trusted to match."
        what = "the Account SID and the auth token"
    fix = f"copy {what} from Twilio's console once more"
    return Finding(Code.CREDENTIALS_REFUSED, cause, "Twilio error 20003", fix, account.id)


def _is_unreachable(error: Exception | None) -> bool:
    if not isinstance(error, TwilioError):
        return error is not None
    return error.http_status is None or error.http_status >= 500


def _about_account(account: Account, facts: AccountFacts | None) -> Iterator[Finding]:
    if facts is None:
        return
    if facts.status and facts.status != "active":
        yield Finding(
            Code.ACCOUNT_NOT_ACTIVE,
            "Twilio has taken the account out of service.",
            f"its status at Twilio is {facts.status}",
            "see the messages in Twilio's console",
            account.id,
        )
    if facts.type == "Trial":
        yield note(
            Code.TRIAL_ACCOUNT,
            "This is a trial account: it texts verified recipients only, and puts a sentence in front of each text.",
            evidence="its type at Twilio is Trial",
            fix="verify each recipient under Verified Caller IDs in Twilio's console, or upgrade the account",
            account=account.id,
        )


def _about_webhook(account: Account, state: Webhook) -> Iterator[Finding]:
    if not state.takes_texts:
        yield Finding(
            Code.NUMBER_CANNOT_TEXT,
            "The number can neither receive nor send texts.",
            f"its capabilities at Twilio leave SMS out ({state.sid})",
            "choose a number with SMS in Twilio's console",
            account.id,
        )
    if state.status is WebhookStatus.MATCHES or not account.enabled:
        return
    shown = state.as_json()
    at_twilio = f"at Twilio: {shown['method'] or '-'} {shown['url'] or 'none'}; here: POST {shown['expectedUrl']}"
    repaired = state.sid and (state.status is not WebhookStatus.UNAVAILABLE)
    yield Finding(
        state.status,
        state.sentence,
        at_twilio if state.sid else "",
        f"manage.py channels setup --account {account.id}" if repaired else "",
        account.id,
    )


def _about_inbound(account: Account, newest: InboundFacts | None) -> Iterator[Finding]:
    if newest is None or newest.error_code not in WEBHOOK_FAULTS:
        return
    came = f" at {newest.created_at:%Y-%m-%d %H:%M} UTC" if newest.created_at else ""
    yield Finding(
        Code.WEBHOOK_UNREACHABLE,
        f"Twilio accepted the last text that came in, but the webhook did not take it: "
        f"{fault_for(None, newest.error_code).sentence}",
        f"error {newest.error_code} on {newest.sid}{came}",
        f"curl -sS -X POST -o /dev/null -w '%{{http_code}}\\n' {_visible(account)}"
        if account.public_webhook_url
        else "",
        account.id,
    )


def _visible(account: Account) -> str:
    return without_secrets(account.public_webhook_url).partition("#")[0].partition("?")[0]


def _about_outbound(account: Account, last: Outbound | None) -> Iterator[Finding]:
    if last is None or not last.error_code:
        return
    fault = fault_for(None, last.error_code)
    broken = last.error_code in A2P or fault.kind is ErrorClass.OPERATOR_CONFIG
    make = Finding if broken else note
    yield make(
        A2P.get(last.error_code, Code.OUTBOUND_FAILING),
        f"The last text sent did not arrive: {fault.sentence}",
        evidence=f"error {last.error_code} on {last.sid or 'a text that Twilio did not take'}",
        fix=f"https://www.twilio.com/docs/api/errors/{last.error_code}",
        account=account.id,
    )


def _about_tunnel(account: Account, serving_at: str) -> Iterator[Finding]:
    if not host_of(account.public_webhook_url).endswith(".ts.net"):
        return
    path = account.webhook_path
    yield note(
        Code.TAILSCALE_FUNNEL,
        "The public URL is a Tailscale name: Twilio reaches it only while Funnel serves exactly this path.",
        evidence=f"the host is {host_of(account.public_webhook_url)}",
        fix=f"tailscale funnel --bg --set-path {path} http://{serving_at}{path}",
        account=account.id,
    )


def _inbound_json(newest: InboundFacts) -> Mapping[str, Any]:
    return {
        "sid": newest.sid,
        "direction": newest.direction,
        "status": newest.status,
        "errorCode": newest.error_code,
        "dateCreated": newest.created_at and newest.created_at.isoformat(),
        "dateSent": newest.sent_at and newest.sent_at.isoformat(),
    }


def _as_step(fix: str) -> str:
    return f"→ {fix}" if fix else ""


__all__ = ["NUMBER", "Probe", "Probes", "agent_finding", "last_outbound", "probe_all"]
