"""The gateway itself: its accounts, and the events it posts to others."""

from django.utils import timezone
from drf_spectacular.renderers import OpenApiJsonRenderer2, OpenApiYamlRenderer2
from drf_spectacular.utils import extend_schema
from drf_spectacular.views import SpectacularAPIView
from rest_framework.exceptions import NotFound
from rest_framework.request import Request
from rest_framework.response import Response

from openclaw_sms.config import accounts
from openclaw_sms.config.accounts import Account
from openclaw_sms.messaging import event_delivery, pages, wire
from openclaw_sms.messaging.wire import Json
from openclaw_sms.models import OutgoingEvent, Scope
from openclaw_sms.web.api import shapes
from openclaw_sms.web.api.base import ApiView


class StatusView(ApiView):
    scopes = {"GET": (Scope.READ,)}

    @extend_schema(operation_id="getStatus", summary="The accounts, as they are set up", responses=shapes.Status)
    def get(self, request: Request) -> Response:
        known = accounts.load()
        mine = self.token.account_id
        shown = [account for account in known.by_id.values() if mine in (None, account.pk)]
        # The sentences name accounts; whoever may see one only is not told of the others.
        problems = list(known.conflicts) if mine is None else []
        return Response({"accounts": [_facts(account) for account in shown], "problems": problems})


class EventsView(ApiView):
    scopes = {"GET": (Scope.ADMIN,)}

    @extend_schema(
        operation_id="listEvents",
        summary="Outgoing events, newest first",
        parameters=[shapes.EventPage],
        responses=shapes.EventsPage,
    )
    def get(self, request: Request) -> Response:
        asked = self.query(shapes.EventPage)
        rows = OutgoingEvent.objects.filter(**self.mine("account_id")).select_related("account")
        if "state" in asked:
            rows = rows.filter(state=asked["state"])
        if (before := pages.key(asked["cursor"])) is not None:
            rows = rows.filter(pk__lt=before)
        found = list(rows.order_by("-pk")[: asked["limit"] + 1])
        return Response(pages.page(found, asked["limit"], wire.event, lambda row: pages.at_key(row.pk)))


class SendEventAgainView(ApiView):
    scopes = {"POST": (Scope.ADMIN,)}

    @extend_schema(
        operation_id="sendEventAgain",
        summary="Post an event again that was given up",
        request=None,
        responses={200: shapes.Event},
    )
    def post(self, request: Request, event_id: str) -> Response:
        rows = OutgoingEvent.objects.filter(event_id=event_id, **self.mine("account_id"))
        event = rows.select_related("account").first()
        if event is None:
            raise NotFound("There is no such event.")
        event_delivery.send_again(event, actor=self.actor, now=timezone.now())
        return Response(wire.event(event))


class SchemaView(SpectacularAPIView):
    """OpenAPI 3.1 of this API. It holds nothing that the documentation does not, so it needs no token."""

    renderer_classes = [OpenApiJsonRenderer2, OpenApiYamlRenderer2]


def _facts(account: Account) -> Json:
    return {
        "id": account.id,
        "name": account.name,
        "enabled": account.enabled,
        "configured": account.configured,
        "servesWebhook": account.serves_webhook,
        "webhookPath": account.webhook_path,
        "policy": account.dm_policy.value,
        "fromNumber": account.from_number,
        "defaultTo": account.default_to,
        "unavailable": account.unavailable,
    }
