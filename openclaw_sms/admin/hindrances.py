"""What keeps texts from going out, in sentences: an account's circuit, a number's pause, a number nobody can text."""

from dataclasses import dataclass
from datetime import datetime

from django.utils import timezone

from openclaw_sms.admin.components import settings_in_effect
from openclaw_sms.messaging import circuits, pace
from openclaw_sms.models import Circuit, Conversation, SenderNumber
from openclaw_sms.twilio.errors import fault_for


@dataclass(frozen=True, slots=True)
class Hindrance:
    """`tone` as in `components.badge`: bad when a person must mend something, busy when it passes by itself."""

    sentence: str
    tone: str


def of_account(account_pk: int, now: datetime) -> list[Hindrance]:
    found: list[Hindrance] = []
    circuit = circuits.of(account_pk)
    if circuit is not None:
        found.append(Hindrance(_circuit(circuit), "bad"))
    account = settings_in_effect()[0].by_pk(account_pk)
    address = pace.address_of(account) if account is not None else ""
    found += [Hindrance(_pause(number), "busy") for number in pace.paused(now) if number.address == address]
    return found


def of_conversation(conversation: Conversation, now: datetime) -> list[Hindrance]:
    found = of_account(conversation.account_id, now)
    if conversation.unreachable_code:
        said = fault_for(None, conversation.unreachable_code).sentence
        found.append(Hindrance(f"{said} (Twilio error {conversation.unreachable_code})", "act"))
    return found


def _circuit(circuit: Circuit) -> str:
    code = f" (Twilio error {circuit.code})" if circuit.code else ""
    return (
        f"Sending is stopped since {_clock(circuit.opened_at)}: {circuit.sentence}{code} "
        f"Texts wait, and go out by themselves once it is mended; the next look is at "
        f"{_clock(circuit.next_probe_at)}."
    )


def _pause(number: SenderNumber) -> str:
    reason = fault_for(None, number.pause_code).sentence if number.pause_code else "Twilio asked for it."
    until = _clock(number.paused_until) if number.paused_until else ""
    return f"The sending number pauses until {until}: {reason}"


def _clock(moment: datetime) -> str:
    return timezone.localtime(moment).strftime("%H:%M:%S")
