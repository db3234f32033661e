"""What is stored, and which changes of it are legal. When a change happens is decided above, never in `save()`."""

from openclaw_sms.models.access import ANYONE, AllowedSender, AuditEvent, PairingRequest, SenderSource
from openclaw_sms.models.account import AccountSettings, ChannelSettings, DmPolicy, SmsAccount
from openclaw_sms.models.conversation import Conversation
from openclaw_sms.models.inbound import WAITING, InboundMessage
from openclaw_sms.models.media import MediaBytes, MediaItem, MediaState
from openclaw_sms.models.outbound import UNSENT, DeliveryEvent, OutboundKind, OutboundMessage, OutboundPart
from openclaw_sms.models.reasons import FIXES, Reason
from openclaw_sms.models.states import Delivery, IllegalMove, InboundState, PairingState, PartState

__all__ = [
    "ANYONE",
    "FIXES",
    "UNSENT",
    "WAITING",
    "AccountSettings",
    "AllowedSender",
    "AuditEvent",
    "ChannelSettings",
    "Conversation",
    "Delivery",
    "DeliveryEvent",
    "DmPolicy",
    "IllegalMove",
    "InboundMessage",
    "InboundState",
    "MediaBytes",
    "MediaItem",
    "MediaState",
    "OutboundKind",
    "OutboundMessage",
    "OutboundPart",
    "PairingRequest",
    "PairingState",
    "PartState",
    "Reason",
    "SenderSource",
    "SmsAccount",
]
