"""STOP, START and HELP: what a text that is one of these words does.

STOP is obeyed in the transaction that stores the text, before Twilio is answered: an agent that is still thinking
about an earlier text must not get a word in after it. Its turn comes later, like that of the others, and says what
became of it.
"""

from datetime import datetime

from openclaw_sms.access import limits, opt_out, pairing
from openclaw_sms.access.policy import UNANSWERABLE
from openclaw_sms.config.accounts import Account
from openclaw_sms.messaging import outbox
from openclaw_sms.messaging.gate import Withheld
from openclaw_sms.messaging.sentences import say
from openclaw_sms.models import (
    Conversation,
    InboundMessage,
    OptOutSource,
    OutboundKind,
    OutboundPart,
    PartState,
    Reason,
)
from openclaw_sms.text.keywords import OPT_OUT_TYPES, Keyword, recognise
from openclaw_sms.text.phone import parse_sender
from openclaw_sms.twilio import payloads
from openclaw_sms.twilio.payloads import InboundText

REASONS = {Keyword.STOP: Reason.STOP_WORD, Keyword.START: Reason.START_WORD, Keyword.HELP: Reason.HELP_WORD}


def keyword_of(account: Account, payload: InboundText, sender: str) -> Keyword | None:
    """The keyword that a text of `sender` is. YES counts for those who are out, and then is a START."""
    if parse_sender(sender).kind in UNANSWERABLE:
        return None
    word = recognise(payload.body, opt_out_type=payload.opt_out_type)
    if word is Keyword.YES:
        return Keyword.START if opt_out.is_out(account.pk, sender) else None
    return word


def stop_at_once(account: Account, payload: InboundText, text: InboundMessage) -> None:
    """Obey a STOP that has just been stored. Call it in the transaction that stores it."""
    if payloads.identity_mismatch(payload, account.expected) is not None:
        return  # perhaps not for this account: its turn will show it to the operator
    if keyword_of(account, payload, text.sender) is Keyword.STOP:
        _stop(account, payload, text)


def obey(
    word: Keyword,
    account: Account,
    payload: InboundText,
    text: InboundMessage,
    conversation: Conversation,
    *,
    now: datetime,
) -> Reason:
    """Do what `word` says and, where Twilio does not, answer it. Call it in the transaction that ends the turn."""
    if word is Keyword.STOP:
        _stop(account, payload, text)
        if account.answer_opt_out and _were_texted(conversation) and _is_latest_word(account, text):
            _answer("stopped", account, text, conversation, now)
    elif word is Keyword.START:
        won = opt_out.restore(account.pk, text.sender, source=_source(payload), at=text.received_at, sid=text.sid)
        if won and account.answer_opt_out:
            _answer("started", account, text, conversation, now)
    elif account.answer_opt_out:
        _answer("help", account, text, conversation, now, words=account.help_text)
    return REASONS[word]


def _stop(account: Account, payload: InboundText, text: InboundMessage) -> None:
    opt_out.suppress(account.pk, text.sender, source=_source(payload), at=text.received_at, sid=text.sid)


def _source(payload: InboundText) -> OptOutSource:
    told = payload.opt_out_type.strip().upper() in OPT_OUT_TYPES
    return OptOutSource.TWILIO_OPT_OUT_TYPE if told else OptOutSource.KEYWORD


def _is_latest_word(account: Account, text: InboundMessage) -> bool:
    """Whether it is this very text that they are out by: a second STOP draws no second answer."""
    return opt_out.listed(account.pk).filter(number=text.sender, sid=text.sid).exists()


def _were_texted(conversation: Conversation) -> bool:
    """Nobody has to be told that the texts end which never began: a stranger's STOP costs nothing."""
    return OutboundPart.objects.filter(conversation_id=conversation.pk, state=PartState.ACCEPTED).exists()


def _answer(
    name: str, account: Account, text: InboundMessage, conversation: Conversation, now: datetime, *, words: str = ""
) -> None:
    """Once a text, and within what anybody may draw from us in a day."""
    pairing.lock(account.pk)
    if limits.of_strangers(account, text.sender, now=now) is not Reason.NONE:
        return
    if text.replies.filter(kind=OutboundKind.KEYWORD).exists():
        return
    try:
        outbox.write(
            conversation,
            words or say(name),
            kind=OutboundKind.KEYWORD,
            author="gateway",
            limit=account.text_chunk_limit,
            now=now,
            in_reply_to=text,
        )
    except Withheld:
        return
