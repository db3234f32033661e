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
    OWN_NUMBER = "own_number", "The text came from this account's own number."
    EMPTY = "empty_text", "The text has neither words nor pictures."
    THROTTLED = "throttled", "The sender wrote more texts in a minute than the account answers."
    # Access
    AWAITING_APPROVAL = "awaiting_approval", "The sender was not approved yet when this text came."
    PAIRING_FULL = "pairing_full", "Too many strangers are already waiting for approval on this account."
    NOT_LISTED = "not_on_allowlist", "The sender is not on the account's list of allowed senders."
    CHANNEL_DISABLED = "policy_disabled", "The account's policy is to answer nobody."
    ACCOUNT_UNAVAILABLE = "account_unavailable", "The account is switched off or not fully configured."
    # The turn
    AGENT_DECLINED = "agent_declined", "The agent chose not to reply."
    AGENT_FAILED = "agent_failed", "The agent could not answer."
    REPLY_TOO_LONG = "reply_too_long", "The agent's reply was far too long for texts, and was not sent."
    CRASHED = "internal_error", "The gateway itself failed while answering."
    # The part
    UNCERTAIN = "uncertain", "Twilio may or may not have taken this text; it was not sent a second time."
    TWILIO_REFUSED = "twilio_refused", "Twilio refused the text."
    TRIES_EXHAUSTED = "tries_exhausted", "Twilio could not be reached in many tries."


FIXES: Mapping[Reason, str] = {
    Reason.WRONG_ACCOUNT_SID: "Compare the account's SID with the one on Twilio's console, then answer the text.",
    Reason.WRONG_NUMBER: "Correct the account's number, or point the other number's webhook elsewhere.",
    Reason.WRONG_SERVICE: "Correct the account's Messaging Service SID, then answer the text.",
    Reason.UNUSABLE_SENDER: "Nothing to do: only phone numbers can be answered.",
    Reason.SHORT_CODE: "Nothing to do: short codes belong to machines.",
    Reason.ALPHANUMERIC: "Nothing to do: a name cannot receive texts.",
    Reason.OWN_NUMBER: "Check for a forwarding rule that sends the number's texts back to itself.",
    Reason.EMPTY: "Nothing to do.",
    Reason.THROTTLED: "Choose Answer now; raise inboundPerMinute if people write that fast.",
    Reason.AWAITING_APPROVAL: "Approve the sender, if that is not done yet, then choose Answer now.",
    Reason.PAIRING_FULL: "Approve or dismiss a waiting sender; the next text of this one then draws a code.",
    Reason.NOT_LISTED: "Add the number to the account's allowed senders if the person should get in.",
    Reason.CHANNEL_DISABLED: "Change the account's policy if texts should be answered.",
    Reason.ACCOUNT_UNAVAILABLE: "Complete the account's settings, then answer the text.",
    Reason.AGENT_DECLINED: "Nothing to do: the agent saw the text and wanted no reply.",
    Reason.AGENT_FAILED: "Check the agent, then choose Answer now.",
    Reason.REPLY_TOO_LONG: "Tell the agent to answer in a few sentences, then choose Answer now.",
    Reason.CRASHED: "See the gateway's log for this text's sid, then choose Answer now.",
    Reason.UNCERTAIN: "Look at Twilio's log for the recipient, then choose Mark as sent or Send again.",
    Reason.TWILIO_REFUSED: "Mend what Twilio names, then choose Send again.",
    Reason.TRIES_EXHAUSTED: "Check this machine's network and Twilio's status page, then choose Send again.",
}
