import pytest

from openclaw_sms.twilio.hosts import is_loopback, is_public_address, is_public_host


@pytest.mark.parametrize("host", ["example.com", "a.b.example.com", "example.com.", "8.8.8.8", "2606:4700::1111"])
def test_public_hosts(host: str) -> None:
    assert is_public_host(host)


@pytest.mark.parametrize(
    "host",
    [
        "",
        "localhost",
        "intranet",
        "printer.local",
        "db.internal",
        "router.home.arpa",
        "app.localhost",
        "under_score.example.com",
        "-a.example.com",
        "127.0.0.1",
        "127.1",
        "0.0.0.0",
        "10.0.0.1",
        "172.16.0.1",
        "192.168.1.1",
        "169.254.169.254",
        "100.64.0.1",
        "224.0.0.1",
        "255.255.255.255",
        "::",
        "::1",
        "fe80::1",
        "fd00::1",
        "ff02::1",
        "::ffff:127.0.0.1",
        "::ffff:10.0.0.1",
        "64:ff9b::7f00:1",
        "2002:7f00:1::",
        "2130706433",
        "0x7f.1",
    ],
)
def test_hosts_that_are_nobody_elses_business(host: str) -> None:
    assert not is_public_host(host)
    assert not is_public_address(host)


def test_an_ipv6_address_is_as_public_as_the_one_it_carries() -> None:
    assert is_public_address("64:ff9b::808:808")
    assert is_public_address("::ffff:8.8.8.8")


def test_loopback() -> None:
    assert all(map(is_loopback, ["localhost", "LOCALHOST", "127.0.0.1", "127.9.9.9", "::1"]))
    assert not any(map(is_loopback, ["", "10.0.0.1", "localhost.example.com"]))
