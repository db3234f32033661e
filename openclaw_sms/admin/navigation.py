"""The console's sidebar: where operators go most comes first, and only where they may go."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from django.db.models import QuerySet
from django.http import HttpRequest
from django.urls import reverse, reverse_lazy
from django.utils import timezone

from openclaw_sms.admin.help import TROUBLESHOOTING
from openclaw_sms.models import InboundMessage, InboundState, PairingRequest, PairingState


@dataclass(frozen=True, slots=True)
class Place:
    """A list of the console: its model as `app.model`, and an icon of the theme's own set.

    `only` narrows the list, `badge` counts what waits there.
    """

    title: str
    model: str
    icon: str
    only: str = ""
    badge: Callable[[], str] | None = None


def waiting() -> str:
    """How many strangers wait for a decision; "" when none does. It only counts: pages must not write."""
    return _count(PairingRequest.objects.filter(state=PairingState.PENDING, expires_at__gt=timezone.now()))


def dead_letters() -> str:
    """How many texts cannot be answered before something is mended."""
    return _count(InboundMessage.objects.filter(state=InboundState.PARKED))


def _count(rows: QuerySet[Any]) -> str:
    return str(number) if (number := rows.count()) else ""


EVERY_DAY = (
    Place("Conversations", "openclaw_sms.conversation", "forum"),
    Place("Pairing requests", "openclaw_sms.pairingrequest", "person_add", badge=waiting),
    Place(
        "Dead letters",
        "openclaw_sms.inboundmessage",
        "report",
        only=f"?state__exact={InboundState.PARKED.value}",
        badge=dead_letters,
    ),
    Place("Allowed senders", "openclaw_sms.allowedsender", "group"),
    Place("Opt-outs", "openclaw_sms.optout", "do_not_disturb_on"),
)
NOW_AND_THEN = (
    Place("Accounts", "openclaw_sms.smsaccount", "settings_phone"),
    Place("Channel settings", "openclaw_sms.channelsettings", "tune"),
    Place("Stored secrets", "openclaw_sms.storedsecret", "key"),
    Place("Texts received", "openclaw_sms.inboundmessage", "call_received"),
    Place("Texts sent", "openclaw_sms.outboundmessage", "call_made"),
    Place("Notices to the owner", "openclaw_sms.ownernotice", "campaign"),
    Place("API tokens", "openclaw_sms.apitoken", "key"),
    Place("Outgoing events", "openclaw_sms.outgoingevent", "webhook"),
    Place("Audit trail", "openclaw_sms.auditevent", "history"),
    Place("Users", "auth.user", "manage_accounts"),
)
HELP = {"title": "Help", "icon": "help", "link": reverse_lazy("help", args=[TROUBLESHOOTING])}


def sidebar(request: HttpRequest) -> list[dict[str, Any]]:
    """The theme's navigation: groups of items."""
    return [
        {"items": _items(request, EVERY_DAY)},
        {"title": "Behind the scenes", "separator": True, "items": [*_items(request, NOW_AND_THEN), HELP]},
    ]


def _items(request: HttpRequest, places: tuple[Place, ...]) -> list[dict[str, Any]]:
    return [_item(request, place) for place in places if _may_see(request, place.model)]


def _item(request: HttpRequest, place: Place) -> dict[str, Any]:
    address = reverse(f"admin:{place.model.replace('.', '_')}_changelist")
    item = {
        "title": place.title,
        "icon": place.icon,
        "link": address + place.only,
        "active": request.path.startswith(address) and _narrowed_to(request) == place.only,
    }
    if place.badge is not None and (count := place.badge()):
        item["badge"] = count
    return item


def _narrowed_to(request: HttpRequest) -> str:
    """The `only` of the one place that shows the list as this request asks for it; "" for the whole list's."""
    narrower = {place.only for place in EVERY_DAY if place.only}
    return next((only for only in narrower if only == f"?{request.GET.urlencode()}"), "")


def _may_see(request: HttpRequest, model: str) -> bool:
    app, name = model.split(".")
    return any(request.user.has_perm(f"{app}.{right}_{name}") for right in ("view", "change"))
