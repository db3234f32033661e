"""What all views of the API share: JSON in and out, a bearer token, its scope, its throttle, one form of refusal."""

import json
from collections.abc import Callable, Mapping
from typing import IO, Any, TypeVar

from drf_spectacular.openapi import AutoSchema
from rest_framework.exceptions import NotFound, ParseError
from rest_framework.parsers import BaseParser
from rest_framework.renderers import JSONRenderer
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.serializers import Serializer
from rest_framework.views import APIView

from openclaw_sms.access.audit import Actor
from openclaw_sms.messaging import automation
from openclaw_sms.models import ApiToken, Scope
from openclaw_sms.web.api import errors, shapes
from openclaw_sms.web.api.authentication import BearerAuthentication, HasScope, PerToken
from openclaw_sms.web.bodies import BodyTooLarge, read_body

LARGEST_BODY = 512 * 1024  # 40,000 characters, each as \\u1234\\u1234, and room
Handler = Callable[[Exception, dict[str, Any]], Response | None]
Shape = TypeVar("Shape", bound="Serializer[Any]")


class BoundedJSONParser(BaseParser):
    """JSON, at most 512 KB."""

    media_type = "application/json"

    def parse(
        self, stream: IO[Any], media_type: str | None = None, parser_context: Mapping[str, Any] | None = None
    ) -> Any:
        request = (parser_context or {}).get("request")
        http_request = request._request if isinstance(request, Request) else None
        try:
            body = read_body(http_request, limit=LARGEST_BODY) if http_request is not None else stream.read()
            return json.loads(body.decode("utf-8"), parse_constant=_no_constant)
        except BodyTooLarge:
            raise errors.TooLarge from None
        except (ValueError, RecursionError):
            raise ParseError("The body is not JSON in UTF-8.") from None


class ApiSchema(AutoSchema):
    """The schema of a view: what it says of itself, and the refusals that every view can answer with."""

    REFUSALS: Mapping[str, str] = {
        "400": "The request is not of this form; `field` names what is wrong.",
        "401": "No valid token.",
        "403": "The token lacks the scope that the message names.",
        "404": "There is no such thing, or not for this token.",
        "405": "Not with this method.",
        "406": "Only JSON is given.",
        "409": "It cannot be done as things are; the code says why.",
        "413": "The request is too large.",
        "415": "Only application/json is read.",
        "422": "The Idempotency-Key was used for another request.",
        "429": "Too many requests with this token; see Retry-After.",
        "503": "The database or the settings cannot be used now.",
    }

    def _get_response_bodies(self, direction: Any = "response") -> dict[str, Any]:
        bodies: dict[str, Any] = super()._get_response_bodies(direction)
        error = self.resolve_serializer(shapes.Error, direction).ref
        for status, description in self.REFUSALS.items():
            content = {"application/json": {"schema": error}}
            bodies.setdefault(status, {"description": description, "content": content})
        return bodies


class ApiView(APIView):
    """`scopes` names, for each method, the scopes of which a token needs one."""

    scopes: Mapping[str, tuple[Scope, ...]] = {}
    authentication_classes = [BearerAuthentication]
    permission_classes = [HasScope]
    throttle_classes = [PerToken]
    parser_classes = [BoundedJSONParser]
    renderer_classes = [JSONRenderer]
    schema: Any = ApiSchema()

    def get_exception_handler(self) -> Handler:
        return errors.answer

    @property
    def token(self) -> ApiToken:
        token = self.request.auth
        if not isinstance(token, ApiToken):
            raise TypeError("a view runs only with a token")
        return token

    @property
    def actor(self) -> Actor:
        return Actor.with_token(self.token.name)

    @property
    def may_read(self) -> bool:
        return self.token.grants(Scope.READ)

    def asked(self, shape: type[Shape]) -> dict[str, Any]:
        """The request's body in the form of `shape`. Raises DRF's `ValidationError`."""
        return _validated(shape(data=self.request.data))

    def query(self, shape: type[Shape]) -> dict[str, Any]:
        """The query in the form of `shape`. Raises DRF's `ValidationError`."""
        return _validated(shape(data=self.request.query_params.dict()))

    def account_pk(self, account_id: str | None) -> int | None:
        """The account to look at: the one named, the token's own, or None for all. Raises `NoAccount`."""
        if not account_id and self.token.account_id is None:
            return None
        return automation.permitted(account_id or None, self.token.account_id).pk

    def mine(self, lookup: str) -> dict[str, int]:
        """A filter that leaves only what belongs to the token's account, if it has one."""
        return {} if self.token.account_id is None else {lookup: self.token.account_id}


class NoSuchPath(ApiView):
    """Every other path under /api/v1/, with a token or without."""

    authentication_classes = []
    permission_classes = []
    throttle_classes = []
    schema = None

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        raise NotFound("There is nothing at this path: see /api/v1/schema/.")


def _validated(given: "Serializer[Any]") -> dict[str, Any]:
    given.is_valid(raise_exception=True)
    return dict(given.validated_data)


def _no_constant(name: str) -> None:
    """NaN and Infinity are not JSON."""
    raise ValueError(name)
