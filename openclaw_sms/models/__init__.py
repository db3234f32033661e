"""What is stored, and which changes of it are legal. When a change happens is decided above, never in `save()`."""

from openclaw_sms.models.access import ANYONE, AllowedSender, AuditEvent, PairingRequest, SenderSource
from openclaw_sms.models.account import AccountSettings, ChannelSettings, DmPolicy, SecretProvider, SmsAccount
from openclaw_sms.models.automation import ApiToken, EventType, IdempotencyKey, OutgoingEvent, Scope
from openclaw_sms.models.conversation import Conversation, FlagSource
from openclaw_sms.models.health import Counter, RefusedPosts, WorkerHeartbeat
from openclaw_sms.models.inbound import PLACE, UNFINISHED, WAITING, InboundMessage
from openclaw_sms.models.media import MediaBytes, MediaItem, MediaState
from openclaw_sms.models.opt_out import OptOut, OptOutSource
from openclaw_sms.models.outbound import (
    TO_STRANGERS,
    UNSENT,
    UNSETTLED,
    DeliveryEvent,
    OutboundKind,
    OutboundMessage,
    OutboundPart,
)
from openclaw_sms.models.owner_notice import NoticeState, NoticeWay, OwnerNotice
from openclaw_sms.models.reasons import FIXES, Reason
from openclaw_sms.models.secret import StoredSecret
from openclaw_sms.models.sending import BackFillMark, Circuit, ProbeKind, SenderNumber
from openclaw_sms.models.states import Delivery, EventState, IllegalMove, InboundState, PairingState, PartState

__all__ = [
    "ANYONE",
    "FIXES",
    "PLACE",
    "TO_STRANGERS",
    "UNFINISHED",
    "UNSENT",
    "UNSETTLED",
    "WAITING",
    "AccountSettings",
    "AllowedSender",
    "ApiToken",
    "AuditEvent",
    "BackFillMark",
    "ChannelSettings",
    "Circuit",
    "Conversation",
    "Counter",
    "Delivery",
    "DeliveryEvent",
    "DmPolicy",
    "EventState",
    "EventType",
    "FlagSource",
    "IdempotencyKey",
    "IllegalMove",
    "InboundMessage",
    "InboundState",
    "MediaBytes",
    "MediaItem",
    "MediaState",
    "NoticeState",
    "NoticeWay",
    "OptOut",
    "OptOutSource",
    "OutboundKind",
    "OutboundMessage",
    "OutboundPart",
    "OutgoingEvent",
    "OwnerNotice",
    "PairingRequest",
    "PairingState",
    "PartState",
    "ProbeKind",
    "Reason",
    "RefusedPosts",
    "Scope",
    "SecretProvider",
    "SenderNumber",
    "SenderSource",
    "SmsAccount",
    "StoredSecret",
    "WorkerHeartbeat",
]
