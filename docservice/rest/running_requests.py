"""Limits of running requests: their number, their time, and waiting for the last one to end."""

from __future__ import annotations

import asyncio
from base64 import urlsafe_b64decode
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

from aiohttp import web
from aiohttp.typedefs import Handler

from docservice.errors import RequestTooSlow, ServiceBusy, StoreTimeout, TooManyRequests
from docservice.rest.cookie_names import SESSION_COOKIES

UNMATCHED = "(none)"
"""The route of requests that fit none."""

_WATCHING = ("/healthz", "/readyz", "/metrics")
"""Paths of monitors, which get a response even when the service is busy."""

_DEADLINE: web.RequestKey[asyncio.Timeout] = web.RequestKey("DEADLINE")


def route_of(request: web.Request) -> str:
    """Return the template of the path (`/api/logger/masterylog/{id}/`), which has no ids in it."""
    resource = request.match_info.route.resource
    return UNMATCHED if resource is None else resource.canonical


def is_watching(request: web.Request) -> bool:
    """Whether the request is one of a monitor."""
    return route_of(request).endswith(_WATCHING)


class RequestLimits:
    """The requests of one application.

    Attributes:
        in_flight: how many have begun and are not answered.
        draining: the service is about to stop: it is not ready, and connections end with their next answer.
    """

    def __init__(
        self,
        *,
        max_in_flight: int | None = None,
        max_in_flight_per_token: int | None = None,
        timeout_seconds: float | None = None,
    ) -> None:
        """Choose limits; None disables one.

        Args:
            max_in_flight: for all together; more are answered with 503.
            max_in_flight_per_token: for the requests with one `Authorization` header, or one session cookie; more are
                answered with 429. Visitors without both are not counted: a school is often one address.
            timeout_seconds: how long a request may take until its answer begins, its body's arrival included.
        """
        self.in_flight = 0
        self.draining = False
        self._max_in_flight = max_in_flight
        self._max_in_flight_per_token = max_in_flight_per_token
        self._timeout_seconds = timeout_seconds
        self._by_token: Counter[str] = Counter()
        self._idle = asyncio.Event()
        self._idle.set()

    @contextmanager
    def _counted(self, token: str | None) -> Iterator[None]:
        if self._max_in_flight is not None and self.in_flight >= self._max_in_flight:
            raise ServiceBusy("The service has as many requests under way as it takes. Try again a little later.")
        if token and self._max_in_flight_per_token is not None:
            if self._by_token[token] >= self._max_in_flight_per_token:
                raise TooManyRequests(
                    f"This token has {self._max_in_flight_per_token} requests under way. Send fewer at a time."
                )
            self._by_token[token] += 1
        self.in_flight += 1
        self._idle.clear()
        try:
            yield
        finally:
            self.in_flight -= 1
            if not self.in_flight:
                self._idle.set()
            if token and token in self._by_token:
                self._by_token[token] -= 1
                if not self._by_token[token]:
                    del self._by_token[token]

    async def run(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Answer a request within the limits.

        Raises:
            RequestTooSlow: the body did not arrive in time.
            ServiceBusy, TooManyRequests: there are too many requests.
            StoreTimeout: the answer did not begin in time.
        """
        with self._counted(_token_of(request)):
            return await self._in_time(request, handler)

    async def _in_time(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        try:
            async with asyncio.timeout(self._timeout_seconds) as deadline:
                request[_DEADLINE] = deadline
                return await handler(request)
        except TimeoutError:
            if not deadline.expired():
                raise
            if not request.content.is_eof():
                raise RequestTooSlow(
                    f"The request did not arrive within {self._timeout_seconds:g} seconds. Send it again."
                ) from None
            raise StoreTimeout(
                f"The request took longer than {self._timeout_seconds:g} seconds. What it had begun may be finished: "
                "send it again with the same Idempotency-Key."
            ) from None
        finally:
            del request[_DEADLINE]

    async def idle(self, timeout_seconds: float) -> bool:
        """Wait until no request is under way; whether that was in time."""
        try:
            async with asyncio.timeout(timeout_seconds):
                while self.in_flight:
                    await self._idle.wait()
        except TimeoutError:
            return False
        return True


def _token_of(request: web.Request) -> str | None:
    """Return the token that a request sends, in one form of the several in which it is accepted.

    A client could pass the limit with one token written in many ways: the scheme's case, spaces, and characters of the
    signature that base64 ignores. The signature stays in it: without it, any client could use up the limit of others.
    """
    header = request.headers.get("Authorization")
    if header is None:
        return next((request.cookies[name] for name in SESSION_COOKIES if name in request.cookies), None)
    token = header.partition(" ")[2].strip()
    signed, _, signature = token.rpartition(".")
    if signed.count(".") != 1:  # no JWT: a host's own kind
        return token or header
    try:
        return f"{signed}.{urlsafe_b64decode(signature + '=' * (-len(signature) % 4)).hex()}"
    except ValueError:
        return token


LIMITS = web.AppKey("LIMITS", RequestLimits)


@web.middleware
async def limited(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Hold requests to the limits of `RequestLimits`; monitors are free of them."""
    if is_watching(request):
        return await handler(request)
    return await request.config_dict[LIMITS].run(request, handler)


async def lift_deadline(request: web.Request, response: web.StreamResponse) -> None:
    """An answer that has begun may take as long as its reader needs."""
    deadline = request.get(_DEADLINE)
    if deadline is not None and not deadline.expired():
        deadline.reschedule(None)
