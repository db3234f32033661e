"""What is stored, and which changes of it are legal. When a change happens is decided above, never in `save()`."""

from openclaw_sms.models.access import ANYONE, AllowedSender, AuditEvent, PairingRequest, SenderSource
from openclaw_sms.models.account import AccountSettings, ChannelSettings, DmPolicy, SmsAccount
from openclaw_sms.models.conversation import Conversation, FlagSource
from openclaw_sms.models.inbound import WAITING, InboundMessage
from openclaw_sms.models.opt_out import OptOut, OptOutSource, OwnerNotice
from openclaw_sms.models.outbound import (
    TO_STRANGERS,
    UNSENT,
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
    "FlagSource",
    "IllegalMove",
    "InboundMessage",
    "InboundState",
    "OptOut",
    "OptOutSource",
    "OutboundKind",
    "OutboundMessage",
    "OutboundPart",
    "OwnerNotice",
    "PairingRequest",
    "PairingState",
    "PartState",
    "Reason",
    "SenderSource",
    "SmsAccount",
    "StoredSecret",
]
