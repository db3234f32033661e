"""Who asks: a bearer token in the Authorization header, what it may do, and how often."""

from datetime import timedelta

from django.utils import timezone
from drf_spectacular.extensions import OpenApiAuthenticationExtension
from rest_framework.authentication import BaseAuthentication
from rest_framework.exceptions import AuthenticationFailed
from rest_framework.permissions import BasePermission
from rest_framework.request import Request
from rest_framework.throttling import BaseThrottle
from rest_framework.views import APIView

from openclaw_sms.access import tokens
from openclaw_sms.models import ApiToken, Scope

CHALLENGE = 'Bearer realm="openclaw-sms"'


class BearerAuthentication(BaseAuthentication):
    """`Authorization: Bearer ocs_…`. An unknown, expired and revoked token draw the same words."""

    def authenticate(self, request: Request) -> tuple[None, ApiToken] | None:
        scheme, _, plain = request.headers.get("Authorization", "").partition(" ")
        if scheme.lower() != "bearer":
            return None
        token = tokens.find(plain.strip(), now=timezone.now())
        if token is None:
            raise AuthenticationFailed("This token is not valid: see `manage.py tokens list`.")
        return None, token

    def authenticate_header(self, request: Request) -> str:
        return CHALLENGE


class BearerScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]
    """The same, in the schema."""

    target_class = BearerAuthentication
    name = "bearer"

    def get_security_definition(self, auto_schema: object) -> dict[str, str]:
        return {"type": "http", "scheme": "bearer", "description": "A token of `manage.py tokens create`."}


class HasScope(BasePermission):
    """The token grants one of the scopes that the view's `scopes` names for the method."""

    message = ""

    def has_permission(self, request: Request, view: APIView) -> bool:
        method = "GET" if request.method == "HEAD" else request.method
        wanted: tuple[Scope, ...] = getattr(view, "scopes", {}).get(method, ())
        token = request.auth
        if not wanted or not isinstance(token, ApiToken):
            return not wanted and isinstance(token, ApiToken)
        self.message = f"This token lacks the scope {' or '.join(scope.value for scope in wanted)}."
        return any(token.grants(scope) for scope in wanted)


class PerToken(BaseThrottle):
    """SMS_API_PER_MINUTE, counted in the token's row."""

    def __init__(self) -> None:
        self._wait: timedelta | None = None

    def allow_request(self, request: Request, view: APIView) -> bool:
        token = request.auth
        self._wait = tokens.count(token, now=timezone.now()) if isinstance(token, ApiToken) else None
        return self._wait is None

    def wait(self) -> float | None:
        return self._wait.total_seconds() if self._wait else None
