import pytest
from django.test import RequestFactory

from openclaw_sms.sandbox.this_machine import is_from_this_machine


@pytest.mark.parametrize(
    ("peer", "name"), [("127.0.0.1", "127.0.0.1:8000"), ("127.0.0.1", "localhost:8000"), ("::1", "[::1]:8000")]
)
def test_a_program_on_this_machine_is_let_in(peer: str, name: str) -> None:
    assert is_from_this_machine(RequestFactory().get("/sandbox/", REMOTE_ADDR=peer, HTTP_HOST=name))


@pytest.mark.parametrize("peer", ["203.0.113.9", "10.0.0.7", "::ffff:10.0.0.7", ""])
def test_another_machine_is_not(peer: str) -> None:
    assert not is_from_this_machine(RequestFactory().get("/sandbox/", REMOTE_ADDR=peer, HTTP_HOST="127.0.0.1"))


@pytest.mark.parametrize("header", ["Forwarded", "X-Forwarded-For", "X-Forwarded-Host"])
def test_nor_is_the_visitor_of_a_proxy_on_this_machine(header: str) -> None:
    request = RequestFactory().get("/sandbox/", HTTP_HOST="127.0.0.1", headers={header: "203.0.113.9"})
    assert not is_from_this_machine(request)


def test_nor_whoever_came_under_a_public_name() -> None:
    request = RequestFactory().get("/sandbox/", HTTP_HOST="testserver")
    assert not is_from_this_machine(request)
