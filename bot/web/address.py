"""Addresses: of those who ask, and the one at which the web chat can be opened."""

import socket
from contextlib import suppress
from ipaddress import IPv4Address, IPv6Address, ip_address
from urllib.parse import urlsplit

# The network card that leads to these addresses, which are for documents, leads to others too.
ELSEWHERE = {"0.0.0.0": "192.0.2.1", "::": "2001:db8::1"}
LOOPBACK = {"0.0.0.0": "127.0.0.1", "::": "::1"}


def parse(text: str) -> IPv4Address | IPv6Address | None:
    """Return an address, with or without a port after it; None if it is none."""
    for host in (text, hostname(text)):  # some proxies add the port
        with suppress(ValueError):
            address = ip_address(host)
            return getattr(address, "ipv4_mapped", None) or address
    return None


def hostname(host: str) -> str:
    """Return a host without the port."""
    try:
        return urlsplit(f"//{host}").hostname or ""
    except ValueError:
        return ""


def is_loopback(host: str) -> bool:
    """Return whether a host is this machine, for this machine alone."""
    address = parse(host)
    return address.is_loopback if address else host.lower() == "localhost"


def here(host: str) -> str:
    """Return where this machine's browser finds what listens on a host."""
    return _in_url(LOOPBACK.get(host, host))


def elsewhere(host: str) -> str | None:
    """Return where other machines find what listens on every address; None if on one alone."""
    if host not in ELSEWHERE:
        return None
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with suppress(OSError), socket.socket(family, socket.SOCK_DGRAM) as card:
        card.connect((ELSEWHERE[host], 9))  # which chooses the card, and sends nothing
        return _in_url(card.getsockname()[0])
    return None


def _in_url(host: str) -> str:
    return f"[{host}]" if ":" in host else host
