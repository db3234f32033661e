"""Who may talk: requests to be let in, and the list of allowed senders."""

from django.utils import timezone
from drf_spectacular.utils import OpenApiResponse, extend_schema
from rest_framework import status
from rest_framework.exceptions import NotFound
from rest_framework.request import Request
from rest_framework.response import Response

from openclaw_sms.access import pairing, senders
from openclaw_sms.config import accounts
from openclaw_sms.messaging import admission, automation, pages, wire
from openclaw_sms.models import AllowedSender, Scope, SenderSource
from openclaw_sms.text.phone import normalise_number
from openclaw_sms.web.api import shapes
from openclaw_sms.web.api.base import ApiView


class PairingRequestsView(ApiView):
    scopes = {"GET": (Scope.PAIR,)}

    @extend_schema(
        operation_id="listPairingRequests",
        summary="Who waits to be let in, longest first",
        parameters=[shapes.AccountQuery],
        responses=shapes.PairingRequests,
    )
    def get(self, request: Request) -> Response:
        account_pk = self.account_pk(self.query(shapes.AccountQuery)["account"])
        waiting = pairing.pending(timezone.now(), account_pk=account_pk)
        return Response({"items": [wire.pairing_request(each) for each in waiting]})


class ApproveView(ApiView):
    scopes = {"POST": (Scope.PAIR,)}

    @extend_schema(
        operation_id="approvePairingRequest",
        summary="Let the sender with this code in",
        request=shapes.ApproveRequest,
        responses={200: shapes.Approved},
    )
    def post(self, request: Request) -> Response:
        asked = self.asked(shapes.ApproveRequest)
        done = admission.approve(
            asked["code"],
            actor=self.actor,
            now=timezone.now(),
            account_pk=self.account_pk(asked.get("account")),
            notify=asked["notify"],
        )
        account_id = done.request.account.account_id
        return Response({"sender": done.sender.number, "account": account_id, "warning": done.warning})


class DismissView(ApiView):
    scopes = {"POST": (Scope.PAIR,)}

    @extend_schema(
        operation_id="dismissPairingRequest",
        summary="Drop the request with this code, without blocking the sender",
        request=shapes.DismissRequest,
        responses={200: shapes.Dismissed},
    )
    def post(self, request: Request) -> Response:
        asked = self.asked(shapes.DismissRequest)
        account_pk = self.account_pk(asked.get("account"))
        done = pairing.dismiss(asked["code"], actor=self.actor, now=timezone.now(), account_pk=account_pk)
        return Response({"sender": done.sender, "account": done.account.account_id})


class AllowedSendersView(ApiView):
    scopes = {"GET": (Scope.PAIR,), "POST": (Scope.PAIR,)}

    @extend_schema(
        operation_id="listAllowedSenders",
        summary="The list of allowed senders",
        description="What the environment or a configuration file lists is not in here.",
        parameters=[shapes.AccountPage],
        responses=shapes.AllowedSenderPage,
    )
    def get(self, request: Request) -> Response:
        asked = self.query(shapes.AccountPage)
        rows = AllowedSender.objects.select_related("account")
        if (account_pk := self.account_pk(asked["account"])) is not None:
            rows = rows.filter(account_id=account_pk)
        if (before := pages.key(asked["cursor"])) is not None:
            rows = rows.filter(pk__lt=before)
        found = list(rows.order_by("-pk")[: asked["limit"] + 1])
        return Response(pages.page(found, asked["limit"], wire.allowed_sender, lambda row: pages.at_key(row.pk)))

    @extend_schema(
        operation_id="addAllowedSender",
        summary="Let a number talk",
        request=shapes.AllowRequest,
        responses={201: shapes.AllowedSender},
    )
    def post(self, request: Request) -> Response:
        asked = self.asked(shapes.AllowRequest)
        account = automation.permitted(asked.get("account"), self.token.account_id)
        sender = AllowedSender(
            account_id=account.pk,
            number=normalise_number(asked["number"], region=accounts.default_region()),
            source=SenderSource.API,
            note=asked["note"],
        )
        senders.add(sender, actor=self.actor, now=timezone.now())
        return Response(wire.allowed_sender(sender), status=status.HTTP_201_CREATED)


class AllowedSenderView(ApiView):
    scopes = {"DELETE": (Scope.PAIR,)}

    @extend_schema(
        operation_id="removeAllowedSender",
        summary="Take a number off the list",
        responses={204: OpenApiResponse(None, "It is off the list.")},
    )
    def delete(self, request: Request, pk: int) -> Response:
        sender = AllowedSender.objects.filter(pk=pk, **self.mine("account_id")).first()
        if sender is None:
            raise NotFound("There is no such allowed sender.")
        senders.remove(sender, actor=self.actor, now=timezone.now())
        return Response(status=status.HTTP_204_NO_CONTENT)
