"""Which hosts are public, and which are this machine.

A name is judged by its form alone; what it resolves to is the business of whoever connects, at that moment.
"""

import ipaddress
import re

_HOST_LABEL = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?")
# Names that no public resolver answers. Sources: RFC 6761, RFC 6762, RFC 8375, ICANN's reservation of .internal
_NEVER_PUBLIC = ("localhost", "local", "internal", "home.arpa")

_IPAddress = ipaddress.IPv4Address | ipaddress.IPv6Address


def is_loopback(host: str) -> bool:
    """True for localhost, 127.0.0.0/8 and ::1. No name is looked up: what a name resolves to can change."""
    address = _address(host)
    return address.is_loopback if address is not None else host.lower() == "localhost"


def is_public_host(host: str) -> bool:
    """Whether a host, by its form, could be reached by Twilio: a public address, or a name of several labels."""
    host = host.removesuffix(".")
    address = _address(host)
    if address is not None:
        return _is_public(address)
    labels = host.split(".")
    return (
        len(labels) > 1
        and all(_HOST_LABEL.fullmatch(label) for label in labels)  # an underscore ends here: Twilio refuses it
        and not labels[-1].isdigit()  # 127.1 and its like: an address in disguise
        and not any(f".{host}".lower().endswith(f".{name}") for name in _NEVER_PUBLIC)
    )


def is_public_address(text: str) -> bool:
    """Whether an address in digits is one of the public internet: no private, link-local or shared (CGNAT) one."""
    address = _address(text)
    return address is not None and _is_public(address)


def _is_public(address: _IPAddress) -> bool:
    """An IPv6 address that carries an IPv4 one (mapped, 6to4, NAT64) is as public as that one."""
    carried = _carried_ipv4(address) if isinstance(address, ipaddress.IPv6Address) else None
    return address.is_global and not address.is_multicast if carried is None else _is_public(carried)


def _carried_ipv4(address: ipaddress.IPv6Address) -> ipaddress.IPv4Address | None:
    if address in _NAT64:
        return ipaddress.IPv4Address(int(address) & 0xFFFF_FFFF)
    return address.ipv4_mapped or address.sixtofour


_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")


def _address(host: str) -> _IPAddress | None:
    try:
        return ipaddress.ip_address(host)
    except ValueError:
        return None
