"""Middleware for every request: an id, a line in the log, a count, and responses for errors."""

from __future__ import annotations

import logging
import re
import time
import uuid
from typing import Any

from aiohttp import web
from aiohttp.typedefs import Handler

from docservice.errors import DocServiceError, RequestTooSlow, Unauthenticated, UnsupportedEncoding
from docservice.rest.app_keys import MAX_BODY_BYTES, METRICS, OPERATION, REQUEST_ID
from docservice.rest.bodies import ENCODINGS
from docservice.rest.kolibri_errors import kolibri_error
from docservice.rest.problems import ERROR_CODE_HEADER, INTERNAL_ERROR, problem, status_of
from docservice.rest.proxies import PREFIX
from docservice.rest.responses import json_answer
from docservice.rest.running_requests import LIMITS, is_watching, route_of

logger = logging.getLogger(__name__)
access_logger = logging.getLogger("docservice.access")
"""One event for each request."""

CLIENT_GONE = 499
"""The status that counts for a request that ended without an answer, because its sender went away."""

_RETRY_AFTER_SECONDS = "1"
_GIVEN_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")
_KOLIBRI_PATHS = ("/api/logger/", "/api/auth/")


@web.middleware
async def identified(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Give the request an id (its own `X-Request-Id`, if it is a sane one) and name it in the answer."""
    request_id = request.headers.get("X-Request-Id", "")
    request = _limited(request)
    request[REQUEST_ID] = request_id if _GIVEN_ID.fullmatch(request_id) else uuid.uuid4().hex
    began, status = time.perf_counter(), CLIENT_GONE
    try:
        response = await handler(request)
        status = response.status
    except web.HTTPException as redirect:
        status = redirect.status
        raise
    finally:
        _note(request, status, time.perf_counter() - began)
    if not response.prepared:
        response.headers["X-Request-Id"] = request[REQUEST_ID]
        if request.config_dict[LIMITS].draining:
            response.force_close()
    return response


async def name_request(request: web.Request, response: web.StreamResponse) -> None:
    """Name the request in a stream, whose headers are sent before `identified` gets it."""
    if REQUEST_ID in request:
        response.headers["X-Request-Id"] = request[REQUEST_ID]


def _note(request: web.Request, status: int, seconds: float) -> None:
    """Count the request and log it: no path, query, address or user, for these name people."""
    metrics = request.config_dict.get(METRICS)
    if metrics is not None:
        metrics.count(request, status, seconds)
    if status < 400 and is_watching(request):
        return
    fields = {"request_id": request[REQUEST_ID], "method": request.method[:16], "route": route_of(request)}
    access_logger.info("request", extra={**fields, "status": status, "elapsed_ms": round(seconds * 1000, 1)})


def _limited(request: web.Request) -> web.Request:
    """Return the request with this application's body limit; aiohttp gives it the one of the outermost application."""
    limit = request.config_dict[MAX_BODY_BYTES]
    if request.client_max_size == limit:
        return request
    try:
        return request.clone(client_max_size=limit)
    except RuntimeError:  # a middleware of the host has read the body: it is in memory, and was within the host's limit
        return request


@web.middleware
async def answering_errors(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Convert errors of handlers to responses; handlers never build an error body."""
    try:
        return await handler(request)
    except DocServiceError as error:
        return _answer(request, error)
    except web.HTTPException as error:
        if error.status < 400:
            raise
        return _http_answer(request, error)
    except Exception:  # the last resort: whatever it is, the client gets an answer and the log the traceback
        logger.exception("request failed", extra={"request_id": request[REQUEST_ID]})
        return _internal_error(request)


def _answer(request: web.Request, error: DocServiceError) -> web.Response:
    status = status_of(type(error))
    operation = request.get(OPERATION)
    kolibri = kolibri_error(error, _view(request)) if operation and operation.kolibri_view else None
    if kolibri is not None:
        response = json_answer(kolibri[1], kolibri[0])
    elif status == INTERNAL_ERROR:
        logger.error("request failed", exc_info=error, extra={"request_id": request[REQUEST_ID]})
        return _internal_error(request)
    else:
        response = _problem(request, status, error)
    response.headers[ERROR_CODE_HEADER] = error.code
    if isinstance(error, Unauthenticated):
        response.headers["WWW-Authenticate"] = 'Bearer realm="docservice"'
    if isinstance(error, UnsupportedEncoding):  # only then: RFC 9110, 12.5.3
        response.headers["Accept-Encoding"] = ", ".join(ENCODINGS)
    if isinstance(error, RequestTooSlow):
        response.force_close()  # what is left of the body is not waited for
    if response.status in (429, 503, 504):
        response.headers["Retry-After"] = _RETRY_AFTER_SECONDS
    if response.status in (503, 504):
        logger.warning("request not served: %s", error, extra={"request_id": request[REQUEST_ID]})
    return response


def _view(request: web.Request) -> str:
    operation = request[OPERATION]
    is_one = request.match_info or operation.path.endswith("/current/")
    return f"{operation.kolibri_view} {'Instance' if is_one else 'List'}"


def _http_answer(request: web.Request, error: web.HTTPException) -> web.Response:
    if isinstance(error, web.HTTPMethodNotAllowed) and any(path in request.path for path in _KOLIBRI_PATHS):
        response = json_answer({"detail": f'Method "{request.method}" not allowed.'}, error.status)
        response.headers[ERROR_CODE_HEADER] = f"http-{error.status}"
    else:
        response = _problem(request, error.status)
    if isinstance(error, web.HTTPMethodNotAllowed):
        response.headers["Allow"] = ", ".join(sorted(error.allowed_methods))
    return response


def _problem(request: web.Request, status: int, error: DocServiceError | None = None) -> web.Response:
    body: dict[str, Any] = problem(
        status, instance=request.get(PREFIX, "") + request.path, request_id=request[REQUEST_ID], error=error
    )
    response = json_answer(body, status, "application/problem+json")
    response.headers[ERROR_CODE_HEADER] = body["code"]
    return response


def _internal_error(request: web.Request) -> web.Response:
    return _problem(request, INTERNAL_ERROR)
