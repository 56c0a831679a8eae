"""The description of the API (OpenAPI 3.1), made from the list of operations, and from nothing else."""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Iterator, Mapping, Sequence
from http import HTTPStatus
from typing import Any, Literal

from pydantic import TypeAdapter

from docservice.errors import DocServiceError
from docservice.rest.idempotency import LONGEST_KEY
from docservice.rest.kolibri_errors import kolibri_answer
from docservice.rest.operations import HTML_PAGE, Operation
from docservice.rest.parameters import Parameter
from docservice.rest.problems import Problem, status_of

_REF = "#/components/schemas/{model}"
_ABOUT = """\
Keeps learner logs (Kolibri's `core.logger`) as documents. Routes under `/api/logger/` and `/api/auth/` speak Kolibri's
wire format, errors included; all others answer errors as problem JSON (RFC 9457). Every error names its class in the
header `X-Error-Code`. Any other error inside the service is a 500 with nothing but the `request_id`.

Sign in with `Authorization: Bearer TOKEN`, or with a session cookie; then requests that change something name the
CSRF token in the header `X-CSRFToken`. Without both the caller is an anonymous visitor, known by the cookie
`visitor_id`.
"""
_IDEMPOTENCY_KEY = {
    "name": "Idempotency-Key",
    "in": "header",
    "description": "A name for this request. The same request with the same key gets the first answer, adds nothing.",
    "schema": {"type": "string", "minLength": 1, "maxLength": LONGEST_KEY},
}
_HEADERS: dict[str, dict[str, Any]] = {
    "X-Request-Id": {"description": "Finds the request in the log of the service.", "schema": {"type": "string"}},
    "X-Error-Code": {"description": "Class of the error.", "schema": {"type": "string"}},
    "Retry-After": {"description": "Seconds to wait before trying again.", "schema": {"type": "string"}},
    "WWW-Authenticate": {"description": "How to sign in.", "schema": {"type": "string"}},
}
_SECURITY: dict[str, list[dict[str, list[str]]]] = {
    "none": [],
    "optional": [{"bearer": []}, {}],
    "required": [{"bearer": []}],
}

_Schema = dict[str, Any]


class _Schemas:
    """The JSON Schemas of all types that operations name: one set of components for both directions."""

    def __init__(self, operations: Iterable[Operation]) -> None:
        wanted: list[tuple[int, Literal["validation", "serialization"], TypeAdapter[Any]]] = []
        self._keys: dict[tuple[str, Any], int] = {}
        for mode, kind in _types(operations):
            if (mode, kind) not in self._keys:
                self._keys[mode, kind] = len(wanted)
                wanted.append((len(wanted), mode, TypeAdapter(kind)))
        self._found, defs = TypeAdapter.json_schemas(wanted, ref_template=_REF)
        self.components: _Schema = defs.get("$defs", {})
        self._modes = {key: mode for (mode, _), key in self._keys.items()}

    def of(self, mode: str, kind: Any) -> _Schema:
        """Return the schema of a type: a reference, where it has a name."""
        key = self._keys[mode, kind]
        return self._found[key, self._modes[key]]  # type: ignore[index]  # the mode that it was asked for


def _types(operations: Iterable[Operation]) -> Iterator[tuple[Literal["validation", "serialization"], Any]]:
    for operation in operations:
        if operation.body is not None:
            yield "validation", operation.body
        for kind in (operation.answer, *(kind for _, kind in operation.other_answers.values())):
            if kind is not None:
                yield "serialization", kind
        for error in operation.raised:
            yield "serialization", _error_answer(operation, error)[1]


def describe(operations: Sequence[Operation], version: str) -> dict[str, Any]:
    """Return the OpenAPI 3.1 document of a list of operations, without `servers`."""
    schemas = _Schemas(operations)
    paths: dict[str, dict[str, Any]] = {}
    for operation in operations:
        paths.setdefault(operation.path, {})[operation.method.lower()] = _operation(operation, schemas)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "docservice",
            "version": version,
            "summary": "Learner logs as documents",
            "description": _ABOUT,
            "license": {"name": "MIT", "identifier": "MIT"},
        },
        "tags": [{"name": tag} for tag in dict.fromkeys(operation.tag for operation in operations)],
        "paths": paths,
        "components": {
            "schemas": dict(sorted(schemas.components.items())),
            "securitySchemes": {"bearer": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"}},
            "headers": _HEADERS,
        },
    }


def _operation(operation: Operation, schemas: _Schemas) -> _Schema:
    described: _Schema = {
        "operationId": operation.name,
        "summary": operation.summary,
        "tags": [operation.tag],
        "security": _SECURITY[operation.auth],
        "responses": _responses(operation, schemas),
    }
    if operation.description:
        described["description"] = operation.description
    parameters = [_parameter(parameter, "path") for parameter in operation.path_parameters]
    parameters += [_parameter(parameter, "query") for parameter in operation.query_parameters]
    if operation.idempotent:
        parameters.append(_IDEMPOTENCY_KEY)
    if parameters:
        described["parameters"] = parameters
    if operation.body is not None:
        content: _Schema = {"schema": schemas.of("validation", operation.body)}
        if operation.example is not None:
            content["example"] = operation.example
        described["requestBody"] = {"required": True, "content": {"application/json": content}}
    return described


def _parameter(parameter: Parameter, place: str) -> _Schema:
    described: _Schema = {
        "name": parameter.name,
        "in": place,
        "description": parameter.description,
        "schema": dict(parameter.schema),
    }
    if parameter.required or place == "path":
        described["required"] = True
    if place == "query":
        described["allowEmptyValue"] = True  # an empty parameter counts as one that is not there
    if parameter.schema.get("type") == "array":
        described |= {"style": "form", "explode": False}  # separated by commas
    return described


def _responses(operation: Operation, schemas: _Schemas) -> _Schema:
    by_status: dict[int, _Schema] = {}
    for status in operation.statuses:
        by_status[status] = _response(HTTPStatus(status).phrase, ["X-Request-Id"])
        if operation.answer is not None:
            schema = schemas.of("serialization", operation.answer)
            texts = {name: {"schema": {"type": "string"}} for name in operation.other_media_types}
            by_status[status]["content"] = {operation.media_type: {"schema": schema}, **texts}
    for status, (meaning, kind) in operation.other_answers.items():
        by_status[status] = _response(meaning, ["X-Request-Id"])
        media_type = "application/problem+json" if kind is Problem else "application/json"
        media_type = "text/html" if kind == HTML_PAGE else media_type
        by_status[status]["content"] = {media_type: {"schema": schemas.of("serialization", kind)}}
    for status, errors in _by_status(operation).items():
        meaning = "\n\n".join(f"`{error.code}`: {_first_line(error)}" for error in errors)
        headers = ["X-Request-Id", "X-Error-Code"]
        headers += ["Retry-After"] * (status in (503, 504)) + ["WWW-Authenticate"] * (status == 401)
        by_status[status] = _response(meaning, headers)
        media_type = "application/json" if operation.kolibri_view else "application/problem+json"
        by_status[status]["content"] = {media_type: {"schema": _any_of(operation, errors, schemas)}}
    return {str(status): by_status[status] for status in sorted(by_status)}


def _response(meaning: str, headers: Sequence[str]) -> _Schema:
    return {
        "description": meaning,
        "headers": {name: {"$ref": f"#/components/headers/{name}"} for name in headers},
    }


def _by_status(operation: Operation) -> Mapping[int, list[type[DocServiceError]]]:
    by_status: dict[int, list[type[DocServiceError]]] = {}
    for error in operation.raised:
        by_status.setdefault(_error_answer(operation, error)[0], []).append(error)
    return by_status


def _error_answer(operation: Operation, error: type[DocServiceError]) -> tuple[int, Any]:
    return kolibri_answer(error) if operation.kolibri_view else (status_of(error), Problem)


def _any_of(operation: Operation, errors: Iterable[type[DocServiceError]], schemas: _Schemas) -> _Schema:
    kinds = [schemas.of("serialization", _error_answer(operation, error)[1]) for error in errors]
    distinct = [kind for position, kind in enumerate(kinds) if kind not in kinds[:position]]
    return distinct[0] if len(distinct) == 1 else {"anyOf": distinct}


def _first_line(error: type[DocServiceError]) -> str:
    return (inspect.getdoc(error) or "").partition("\n")[0]
