"""What is stored, and which changes of it are legal. When a change happens is decided above, never in `save()`."""

from openclaw_sms.models.access import ANYONE, AllowedSender, AuditEvent, PairingRequest, SenderSource
from openclaw_sms.models.account import AccountSettings, ChannelSettings, DmPolicy, SmsAccount
from openclaw_sms.models.conversation import Conversation
from openclaw_sms.models.inbound import PLACE, WAITING, InboundMessage
from openclaw_sms.models.outbound import UNSENT, DeliveryEvent, OutboundKind, OutboundMessage, OutboundPart
from openclaw_sms.models.reasons import FIXES, Reason
from openclaw_sms.models.sending import BackFillMark, Circuit, ProbeKind, SenderNumber
from openclaw_sms.models.states import Delivery, IllegalMove, InboundState, PairingState, PartState

__all__ = [
    "ANYONE",
    "FIXES",
    "PLACE",
    "UNSENT",
    "WAITING",
    "AccountSettings",
    "AllowedSender",
    "AuditEvent",
    "BackFillMark",
    "ChannelSettings",
    "Circuit",
    "Conversation",
    "Delivery",
    "DeliveryEvent",
    "DmPolicy",
    "IllegalMove",
    "InboundMessage",
    "InboundState",
    "OutboundKind",
    "OutboundMessage",
    "OutboundPart",
    "PairingRequest",
    "PairingState",
    "PartState",
    "ProbeKind",
    "Reason",
    "SenderNumber",
    "SenderSource",
    "SmsAccount",
]
