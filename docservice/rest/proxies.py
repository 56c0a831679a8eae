"""Reverse proxies: what their `X-Forwarded-*` headers say is believed from trusted addresses only."""

from __future__ import annotations

import re
from collections.abc import Iterable
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from typing import Any

from aiohttp import web
from aiohttp.typedefs import Handler

PREFIX: web.RequestKey[str] = web.RequestKey("PREFIX")
"""The path below which the proxy shows the API, without a slash at the end."""

_HOST = re.compile(r"[A-Za-z0-9.-]{1,253}(:[0-9]{1,5})?|\[[0-9a-fA-F:.]{2,45}\](:[0-9]{1,5})?")
_PREFIX = re.compile(r"(/[A-Za-z0-9._~-]+)+")
_SCHEMES = ("http", "https")


class Proxies:
    """The proxies in front of the service."""

    def __init__(self, trusted: Iterable[str]) -> None:
        """Trust these addresses and networks (`10.0.0.7`, `10.0.0.0/8`, `fd00::/8`)."""
        self._networks = [ip_network(network) for network in trusted]

    @web.middleware
    async def believed(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Give the handler the client's address, scheme and host in place of the proxy's; see also `PREFIX`.

        Only the last value of each header counts, which the nearest proxy wrote: earlier ones may come from any client.
        """
        if not self._trusts(_address(request.remote)):
            return await handler(request)
        changes: dict[str, Any] = {}
        client = self._client(request)
        if client is not None:
            changes["remote"] = str(client)
        scheme, host = _last(request, "X-Forwarded-Proto").lower(), _last(request, "X-Forwarded-Host")
        if scheme in _SCHEMES:
            changes["scheme"] = scheme
        if _HOST.fullmatch(host):
            changes["host"] = host
        prefix = _last(request, "X-Forwarded-Prefix").rstrip("/")
        if _PREFIX.fullmatch(prefix):
            request[PREFIX] = prefix
        return await handler(request.clone(**changes) if changes else request)

    def _trusts(self, address: IPv4Address | IPv6Address | None) -> bool:
        return address is not None and any(address in network for network in self._networks)

    def _client(self, request: web.Request) -> IPv4Address | IPv6Address | None:
        """Return the last address that no trusted proxy has."""
        client = None
        for value in reversed(_values(request, "X-Forwarded-For")):
            address = _address(value)
            if address is None:
                return client
            client = address
            if not self._trusts(address):
                return client
        return client


def _address(text: str | None) -> IPv4Address | IPv6Address | None:
    try:
        address = ip_address(text or "")
    except ValueError:
        return None
    # A socket that listens on both families shows IPv4 clients so.
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return mapped or address


def _values(request: web.Request, name: str) -> list[str]:
    return [part.strip() for line in request.headers.getall(name, []) for part in line.split(",")]


def _last(request: web.Request, name: str) -> str:
    return (_values(request, name) or [""])[-1]
