"""Why a text was not answered, or a part not sent: a stable code, one sentence, and what to do about it.

The codes are part of the product's outside (console, JSON, docs/reference.md); the sentences may improve.
"""

from collections.abc import Mapping

from django.db import models


class Reason(models.TextChoices):
    NONE = "", ""
    # The text itself
    WRONG_ACCOUNT_SID = (
        "wrong_account_sid",
        "The text names another Twilio account than the one configured here.",
    )
    WRONG_NUMBER = "wrong_number", "The text was sent to another number than the one configured here."
    WRONG_SERVICE = (
        "wrong_messaging_service",
        "The text came through another Messaging Service than configured.",
    )
    UNUSABLE_SENDER = "unusable_sender", "The sender's address is not one this gateway can answer."
    SHORT_CODE = "short_code_sender", "The sender is a short code, which is never answered."
    ALPHANUMERIC = "alphanumeric_sender", "The sender is a name instead of a number and cannot be answered."
    WHATSAPP_DISABLED = "whatsapp_disabled", "The sender wrote on WhatsApp, which this account does not take."
    OWN_NUMBER = "own_number", "The number is one of this gateway's own."
    EMPTY = "empty_text", "The text has neither words nor pictures."
    STOP_WORD = "stop_word", "The sender opted out with this text; this account texts them no more."
    START_WORD = "start_word", "The sender asked with this text to be texted again."
    HELP_WORD = "help_word", "The sender asked for help; such texts never reach the agent."
    THROTTLED = "throttled", "The sender wrote more texts in a minute than the account answers."
    # Access
    OPTED_OUT = "opted_out", "This number has opted out; they can text START."
    AWAITING_APPROVAL = "awaiting_approval", "The sender was not approved yet when this text came."
    PAIRING_FULL = "pairing_full", "Too many strangers are already waiting for approval on this account."
    COUNTRY = "country_not_allowed", "Strangers from this country get no pairing code on this account."
    PAIRING_SPENT = "pairing_spent", "This account has sent as many pairing codes as it may in a day."
    PAIRING_SPENT_SENDER = (
        "pairing_spent_sender",
        "This sender has drawn as many pairing codes as one sender may in a day.",
    )
    NOT_LISTED = "not_on_allowlist", "The sender is not on the account's list of allowed senders."
    CHANNEL_DISABLED = "policy_disabled", "The account's policy is to answer nobody."
    ACCOUNT_UNAVAILABLE = "account_unavailable", "The account is switched off or not fully configured."
    SECRET_UNAVAILABLE = "secret_unavailable", "A secret of the account cannot be had now; the text waits."
    # The turn
    MEDIA_DELAYED = "media_delayed", "Twilio could not hand over the text's pictures yet; they are fetched again."
    AGENT_DECLINED = "agent_declined", "The agent chose not to reply."
    ANSWER_LATER = "answer_later", "The agent took this text and said that it would answer later."
    NO_LATER_ANSWER = "no_later_answer", "The agent said that it would answer later, and has not in time."
    AGENT_FAILED = "agent_failed", "The agent could not answer."
    REPLY_CAP = "reply_cap", "The agent has answered this sender as often as it may in an hour."
    REPLY_TOO_LONG = "reply_too_long", "The agent's reply was far too long for texts, and was not sent."
    MEDIA_UNSENDABLE = "media_unsendable", "The agent's reply was pictures alone, and none of them can be sent."
    CRASHED = "internal_error", "The gateway itself failed while answering."
    # The part
    QUIET_HOURS = "quiet_hours", "These are quiet hours where the recipient is; the text waits for their end."
    ERASED = "erased", "The words of this text were erased."
    UNCERTAIN = "uncertain", "Twilio may or may not have taken this text; it was not sent a second time."
    MEDIA_UNSERVED = "media_unserved", "Twilio could not fetch this text's pictures from this gateway."
    TWILIO_REFUSED = "twilio_refused", "Twilio refused the text."
    CIRCUIT_OPEN = "circuit_open", "Twilio refuses this account's texts; this one waits until that is mended."
    SENDER_PAUSED = "sender_paused", "Twilio asked the sending number to pause; the text goes out by itself."
    SENT_ANEW = "sent_anew", "The text did not arrive; an operator sent it again as a new text."
    TRIES_EXHAUSTED = "tries_exhausted", "Twilio could not be reached in many tries."


FIXES: Mapping[Reason, str] = {
    Reason.WRONG_ACCOUNT_SID: "Compare the account's SID with the one on Twilio's console, then answer the text.",
    Reason.WRONG_NUMBER: "Correct the account's number, or point the other number's webhook elsewhere.",
    Reason.WRONG_SERVICE: "Correct the account's Messaging Service SID, then answer the text.",
    Reason.UNUSABLE_SENDER: "Nothing to do: only phone numbers can be answered.",
    Reason.SHORT_CODE: "Nothing to do: short codes belong to machines.",
    Reason.ALPHANUMERIC: "Nothing to do: a name cannot receive texts.",
    Reason.WHATSAPP_DISABLED: "Switch WhatsApp on for the account if such texts should be answered.",
    Reason.OWN_NUMBER: "Check for a forwarding rule that sends the number's texts back to itself.",
    Reason.EMPTY: "Nothing to do.",
    Reason.STOP_WORD: "Nothing to do: they can text START.",
    Reason.START_WORD: "Nothing to do.",
    Reason.HELP_WORD: "Nothing to do.",
    Reason.OPTED_OUT: "Nothing to do. If they asked you in another way, bring them back in the conversation.",
    Reason.COUNTRY: "Add the country to the account's allowCountries, or the number to its allowed senders.",
    Reason.PAIRING_SPENT: "Add the number to the allowed senders, or raise the account's pairingRepliesPerDay.",
    Reason.PAIRING_SPENT_SENDER: "Approve an earlier code of theirs in time, or add them to the allowed senders.",
    Reason.THROTTLED: "Choose Answer now; raise inboundPerMinute if people write that fast.",
    Reason.AWAITING_APPROVAL: "Approve the sender, if that is not done yet, then choose Answer now.",
    Reason.PAIRING_FULL: "Approve or dismiss a waiting sender; the next text of this one then draws a code.",
    Reason.NOT_LISTED: "Add the number to the account's allowed senders if the person should get in.",
    Reason.CHANNEL_DISABLED: "Change the account's policy if texts should be answered.",
    Reason.ACCOUNT_UNAVAILABLE: "Complete the account's settings, then answer the text.",
    Reason.SECRET_UNAVAILABLE: "Mend what the account's page names; the text then goes out by itself.",
    Reason.MEDIA_DELAYED: "Nothing to do: it is tried again by itself.",
    Reason.AGENT_DECLINED: "Nothing to do: the agent saw the text and wanted no reply.",
    Reason.ANSWER_LATER: "Nothing to do yet: it comes through the API, or the text is parked when its time is over.",
    Reason.NO_LATER_ANSWER: "Look at the agent's log for this text's sid, then choose Answer now or reply by hand.",
    Reason.AGENT_FAILED: "Check the agent, then choose Answer now.",
    Reason.REPLY_CAP: "See that no machine answers at the other end. After the hour, choose Answer now.",
    Reason.REPLY_TOO_LONG: "Tell the agent to answer in a few sentences, then choose Answer now.",
    Reason.MEDIA_UNSENDABLE: "Have the agent send smaller pictures or public addresses, then choose Answer now.",
    Reason.CRASHED: "See the gateway's log for this text's sid, then choose Answer now.",
    Reason.QUIET_HOURS: "Nothing to do: it goes out by itself.",
    Reason.ERASED: "Nothing to do.",
    Reason.UNCERTAIN: "Look at Twilio's log for the recipient, then choose Mark as sent or Send again.",
    Reason.MEDIA_UNSERVED: "Set the account's public webhook URL to an https address, then choose Send again.",
    Reason.TWILIO_REFUSED: "Mend what Twilio names, then choose Send again.",
    Reason.CIRCUIT_OPEN: "Mend what the account's page shows in red; the text then goes out by itself.",
    Reason.SENDER_PAUSED: "Nothing to do: sending goes on at the time shown.",
    Reason.SENT_ANEW: "Nothing to do: see the newer text.",
    Reason.TRIES_EXHAUSTED: "Check this machine's network and Twilio's status page, then choose Send again.",
}
