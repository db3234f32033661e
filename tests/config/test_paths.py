"""Webhook paths: any shape, one spelling, and none of the gateway's own."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from openclaw_sms.config import paths
from openclaw_sms.config.paths import UnusablePath


@pytest.mark.parametrize(
    ("raw", "path"),
    [
        ("", "/webhooks/sms"),
        ("  ", "/webhooks/sms"),
        ("webhooks/sms/", "/webhooks/sms"),
        ("/webhooks/%73ms", "/webhooks/sms"),
        ("/caf%C3%A9", "/café"),
        ("/a%2Fb", "/a/b"),
        ("/a%2F", "/a"),
        ("/A/b", "/A/b"),
        ("/a//b", "/a//b"),
        ("/" + "x/" * 90, "/" + "/".join("x" * 90)),
        ("/100%25", "/100%"),
        ("/administrivia", "/administrivia"),
        ("/;v=1,@('!*~')/:x+y", "/;v=1,@('!*~')/:x+y"),
    ],
)
def test_spellings_of_one_path_are_one(raw: str, path: str) -> None:
    paths.refuse_unusable(raw)
    assert paths.normalise_path(raw) == path
    assert paths.normalise_path(paths.spelled(raw)) == path


@pytest.mark.parametrize(
    ("raw", "why"),
    [
        ("/", "belongs to the gateway"),
        ("//", "belongs to the gateway"),
        ("%2F", "belongs to the gateway"),
        ("/admin", "belongs to the gateway"),
        ("api/v1/sms", "belongs to the gateway"),
        ("/%61dmin/login", "belongs to the gateway"),
        ("/healthz/", "belongs to the gateway"),
        ("/sms?x=1", "without ? and #"),
        ("/sms#x", "without ? and #"),
        ("https://gateway.example.com/sms", "publicWebhookUrl"),
        ("/a/../admin", "which web servers resolve"),
        ("/a/%2e%2e/admin", "which web servers resolve"),
        ("/a%0Ab", "control character"),
        ("/a\u2028b", "control character"),
        ("/a%FFb", "not UTF-8"),
    ],
)
def test_what_cannot_be_served_is_refused(raw: str, why: str) -> None:
    with pytest.raises(UnusablePath, match=why.replace("?", r"\?")):
        paths.refuse_unusable(raw)


@settings(deadline=None)
@given(st.text(max_size=40))
def test_a_usable_path_never_reaches_the_gateways_own(raw: str) -> None:
    try:
        paths.refuse_unusable(raw)
    except UnusablePath:
        return
    path = paths.normalise_path(raw)
    assert path.startswith("/")
    assert not path.endswith("/")
    assert not paths.is_reserved(path)
