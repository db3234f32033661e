"""What is stored, and which changes of it are legal. When a change happens is decided above, never in `save()`."""

from openclaw_sms.models.access import ANYONE, AllowedSender, AuditEvent, PairingRequest, SenderSource
from openclaw_sms.models.account import AccountSettings, ChannelSettings, DmPolicy, SmsAccount
from openclaw_sms.models.conversation import Conversation
from openclaw_sms.models.health import Counter, NoticeState, OwnerNotice, RefusedPosts, WorkerHeartbeat
from openclaw_sms.models.inbound import UNFINISHED, WAITING, InboundMessage
from openclaw_sms.models.outbound import UNSENT, UNSETTLED, DeliveryEvent, OutboundKind, OutboundMessage, OutboundPart
from openclaw_sms.models.reasons import FIXES, Reason
from openclaw_sms.models.states import Delivery, IllegalMove, InboundState, PairingState, PartState

__all__ = [
    "ANYONE",
    "FIXES",
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
    "IllegalMove",
    "InboundMessage",
    "InboundState",
    "NoticeState",
    "OutboundKind",
    "OutboundMessage",
    "OutboundPart",
    "OwnerNotice",
    "PairingRequest",
    "PairingState",
    "PartState",
    "Reason",
    "RefusedPosts",
    "SenderSource",
    "SmsAccount",
    "WorkerHeartbeat",
]
