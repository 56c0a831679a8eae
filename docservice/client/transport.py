"""Sends requests, retries them where a retry is useful, and converts responses to values or errors."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

import aiohttp
from pydantic import BaseModel
from yarl import URL

from docservice.client.failures import answered_error
from docservice.client.retries import RETRIED_STATUSES, Retries
from docservice.errors import DocServiceError, NotEntered, ServiceUnavailable, UnexpectedAnswer, UnstorableValue

TokenProvider = Callable[[], Awaitable[str]]
"""Gives the token to send; asked before each request, so that it can renew one that is about to expire."""


@dataclass(frozen=True)
class ApiResponse:
    """A good answer: its status and JSON body."""

    status: int
    body: Any


class Transport:
    """Requests to one service, by one caller."""

    def __init__(
        self,
        base_url: str,
        *,
        token: str | TokenProvider | None,
        visitor_id: str,
        retries: Retries,
        timeout_seconds: float,
        session: aiohttp.ClientSession | None,
    ) -> None:
        """See `LogClient`."""
        base = URL(base_url)
        if base.scheme not in ("http", "https") or not base.host:
            raise ValueError(f"{base_url!r} is not an http or https URL")
        if base.raw_user is not None or base.raw_password is not None:
            raise ValueError("Name and password do not belong into the base URL; the service takes a token.")
        self._base = str(base.with_query(None).with_fragment(None)).rstrip("/")
        self._token = token
        self._visitor_id = visitor_id
        self._retries = retries
        self._timeout = aiohttp.ClientTimeout(total=timeout_seconds)
        self._session = session
        self._owns_session = session is None
        self._open = False

    def open(self) -> None:
        """Begin; needs a running event loop."""
        if self._owns_session:
            self._session = aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar())
        self._open = True

    async def close(self) -> None:
        """End; a session that was lent stays open."""
        self._open = False
        if self._owns_session and self._session is not None:
            await self._session.close()

    async def send(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, str] | None = None,
        body: Any = None,
        key: str | None = None,
    ) -> ApiResponse:
        """Send a request until it is answered or tried often enough.

        Args:
            method: HTTP method.
            path: below the base URL, quoted.
            query: parameters.
            body: what to send; only the fields that are set.
            key: sent as `Idempotency-Key`, the same one each time, so that the request is carried out once.

        Raises:
            NotEntered: the client was not entered, or has been left.
            DocServiceError: what the service raised.
            ServiceUnavailable: the service does not answer.
            UnexpectedAnswer: the server is not a docservice.
        """
        url = URL(self._base + path, encoded=True).with_query(query)
        headers = {"Accept": "application/json, application/problem+json"}
        data = None
        if body is not None:
            headers["Content-Type"] = "application/json"
            data = _json(body)
        if key is not None:
            headers["Idempotency-Key"] = key
        attempt = 0
        while True:
            attempt += 1
            retry_after = None
            session = self._opened()
            sent = {**headers, **await self._identity()}
            try:
                return await self._once(session, method, url, sent, data)
            except _NotNow as refused:
                failure, cause, retry_after = refused.error, None, refused.retry_after
            except (aiohttp.ClientConnectionError, aiohttp.ClientPayloadError, TimeoutError) as error:
                failure = ServiceUnavailable(f"The service at {self._base} does not answer: {_said(error)}.")
                cause = error
            except aiohttp.ClientError as error:
                raise UnexpectedAnswer(0, None, str(error)) from error
            delay = self._retries.delay_seconds(attempt, retry_after)
            if delay is None:
                raise failure from cause
            await asyncio.sleep(delay)

    def _opened(self) -> aiohttp.ClientSession:
        if not self._open or self._session is None or self._session.closed:
            raise NotEntered()
        return self._session

    async def _once(
        self, session: aiohttp.ClientSession, method: str, url: URL, headers: Mapping[str, str], data: bytes | None
    ) -> ApiResponse:
        async with session.request(
            method, url, headers=headers, data=data, timeout=self._timeout, allow_redirects=False
        ) as response:
            raw = await response.read()
            found = response.headers
        try:
            body = json.loads(raw) if raw else None
            readable = True
        except ValueError:
            body, readable = None, False
        request_id = found.get("X-Request-Id")
        if response.status >= 400:
            error = answered_error(response.status, found.get("X-Error-Code"), body, request_id)
            if response.status in RETRIED_STATUSES:
                raise _NotNow(error, found.get("Retry-After"))
            raise error
        if not readable or response.status >= 300:
            raise UnexpectedAnswer(
                response.status, request_id, "The answer is not JSON of docservice. Check the base URL."
            )
        return ApiResponse(response.status, body)

    async def _identity(self) -> dict[str, str]:
        if self._token is None:
            return {"Cookie": f"visitor_id={self._visitor_id}"}
        token = self._token if isinstance(self._token, str) else await self._token()
        return {"Authorization": f"Bearer {token}"}


class _NotNow(Exception):
    """The service asks to come back later."""

    def __init__(self, error: DocServiceError, retry_after: str | None) -> None:
        self.error = error
        self.retry_after = retry_after


def _said(error: Exception) -> str:
    return str(error) or type(error).__name__


def _json(body: Any) -> bytes:
    sent = body.model_dump(exclude_unset=True) if isinstance(body, BaseModel) else body
    try:
        return json.dumps(sent, allow_nan=False).encode()
    except (TypeError, ValueError, RecursionError) as error:
        raise UnstorableValue((), f"it has no form in JSON ({error})") from None
