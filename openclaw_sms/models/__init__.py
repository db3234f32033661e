"""What is stored, and which changes of it are legal. When a change happens is decided above, never in `save()`."""

from openclaw_sms.models.access import ANYONE, AllowedSender, AuditEvent, PairingRequest, SenderSource
from openclaw_sms.models.account import AccountSettings, ChannelSettings, DmPolicy, SmsAccount
from openclaw_sms.models.conversation import Conversation, FlagSource
from openclaw_sms.models.health import Counter, MailState, OwnerMail, RefusedPosts, WorkerHeartbeat
from openclaw_sms.models.inbound import UNFINISHED, WAITING, InboundMessage
from openclaw_sms.models.opt_out import OptOut, OptOutSource, OwnerNotice
from openclaw_sms.models.outbound import (
    TO_STRANGERS,
    UNSENT,
    UNSETTLED,
    DeliveryEvent,
    OutboundKind,
    OutboundMessage,
    OutboundPart,
)
from openclaw_sms.models.reasons import FIXES, Reason
from openclaw_sms.models.secret import StoredSecret
from openclaw_sms.models.states import Delivery, IllegalMove, InboundState, PairingState, PartState

__all__ = [
    "ANYONE",
    "FIXES",
    "TO_STRANGERS",
    "UNFINISHED",
    "UNSENT",
    "UNSETTLED",
    "WAITING",
    "AccountSettings",
    "AllowedSender",
    "AuditEvent",
    "ChannelSettings",
    "Conversation",
    "Counter",
    "Delivery",
    "DeliveryEvent",
    "DmPolicy",
    "FlagSource",
    "IllegalMove",
    "InboundMessage",
    "InboundState",
    "MailState",
    "OptOut",
    "OptOutSource",
    "OutboundKind",
    "OutboundMessage",
    "OutboundPart",
    "OwnerMail",
    "OwnerNotice",
    "PairingRequest",
    "PairingState",
    "PartState",
    "Reason",
    "RefusedPosts",
    "SenderSource",
    "SmsAccount",
    "StoredSecret",
    "WorkerHeartbeat",
]
