"""The list of operations. Who may do what is in `test_permission_matrix.py`, which has a row for each of them."""

from __future__ import annotations

import inspect
from functools import partial
from typing import Any, get_args, get_type_hints

import pytest
from pydantic import BaseModel

from docservice import DocService, SignIns
from docservice.domain.reports.definitions import REPORTS
from docservice.rest.app import OPERATIONS
from docservice.rest.operations import Operation
from docservice.service.acting.person_logs import ActingLogs
from docservice.service.trusted.admin import LogsAdmin

LOGGER = "/api/logger/"
CSV = f"{LOGGER}generatecsvlogrequest/"
METHODS = {
    ("POST", f"{LOGGER}trackprogress/"): "start_session",
    ("PUT", f"{LOGGER}trackprogress/{{session_id}}/"): "update_session",
    ("GET", f"{LOGGER}masterylog/"): "mastery_log_page",
    ("GET", f"{LOGGER}masterylog/{{id}}/"): "mastery_log",
    ("GET", f"{LOGGER}masterylog/{{back}}/diff/"): "mastery_diff",
    ("GET", f"{LOGGER}attemptlog/"): "attempt_log_page",
    ("GET", f"{LOGGER}attemptlog/{{id}}/"): "attempt_log",
    ("GET", f"{LOGGER}userprogress/{{id}}/"): "user_progress",
    **{
        ("GET", f"{LOGGER}{kind}/"): "document_page"
        for kind in ("contentsummarylog", "contentsessionlog", "usersessionlog", "examlog")
    },
    **{
        ("GET", f"{LOGGER}{kind}/{{id}}/"): "document"
        for kind in ("contentsummarylog", "contentsessionlog", "usersessionlog", "examlog")
    },
    ("GET", "/api/reports/"): "reports",
    **{("GET", f"/api/reports/{name}/"): "report" for name in REPORTS},
    ("POST", f"{LOGGER}examlog/"): "save_exam_log",
    ("PATCH", f"{LOGGER}examlog/{{id}}/"): "change_exam_log",
    ("POST", f"{LOGGER}examattemptlog/"): "save_exam_attempt",
    ("PATCH", f"{LOGGER}examattemptlog/{{id}}/"): "change_exam_attempt",
    ("PUT", "/api/auth/session/current/"): "update_user_session",
    ("GET", "/api/directory/{collection}/"): "directory_page",
    ("GET", "/api/directory/{collection}/{id}/"): "directory_record",
    ("POST", "/api/auth/session/"): "check_password",
    ("DELETE", "/api/auth/session/current/"): "end",
    ("GET", "/sign-in/{token}"): "linked_person",
    ("POST", "/sign-in/{token}"): "use_link",
    ("POST", "/api/directory/{collection}/"): "upsert_directory",
    ("POST", "/api/directory/users/{id}/erase/"): "erase_person",
    ("POST", "/api/directory/"): "replace_directory",
    ("DELETE", "/api/directory/{collection}/{id}/"): "remove_directory_record",
    ("GET", "/readyz"): "ping",
    ("GET", "/metrics"): "document_counts",
    ("GET", CSV): "csv_requests",
    ("POST", CSV): "create_csv_request",
    ("GET", f"{CSV}{{id}}/"): "csv_request",
    ("PUT", f"{CSV}{{id}}/"): "change_csv_request",
    ("PATCH", f"{CSV}{{id}}/"): "change_csv_request",
    ("DELETE", f"{CSV}{{id}}/"): "delete_csv_request",
    ("GET", f"{CSV}{{id}}/status/"): "csv_export",
    ("POST", f"{CSV}{{id}}/start/"): "csv_request",
    ("GET", f"{CSV}{{id}}/download/"): "csv_export",
    ("GET", "/facility/api/downloadcsvfile/{log_type}/{facility_id}/"): "latest_csv_export",
    ("GET", "/facility/api/exportedcsvinfo/{facility_id}/"): "latest_csv_export",
}
WITHOUT = {
    ("GET", "/healthz"),
    ("POST", f"{LOGGER}attemptlog/"),
    ("GET", "/metrics"),
    ("GET", "/api/openapi.json"),
    ("GET", "/api/docs/"),
    ("GET", "/api/docs/{file}"),
    ("GET", "/"),
    ("GET", "/docs/"),
    ("GET", "/docs/{page}"),
    ("GET", "/docs/files/{file}"),
}
"""Operations that ask nothing of the library: the process is alive; attempts cannot be written; the pages."""


def test_each_operation_has_a_method() -> None:
    """What the API does, a program that embeds the library can do; a new operation needs its method in the table."""
    assert {(operation.method, operation.path) for operation in OPERATIONS} == METHODS.keys() | WITHOUT


@pytest.mark.parametrize("name", sorted(set(METHODS.values())))
def test_methods_are_typed(name: str) -> None:
    """Each method is awaited, says what it takes and gives, and has a docstring."""
    owner = next(each for each in (ActingLogs, LogsAdmin, DocService, SignIns) if hasattr(each, name))
    method = getattr(owner, name)

    hints = get_type_hints(method)

    assert inspect.iscoroutinefunction(method)
    assert set(inspect.signature(method).parameters) - {"self"} == hints.keys() - {"return"}
    assert hints["return"] is not Any
    assert method.__doc__


@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda operation: operation.name)
def test_declarations_are_those_of_the_handlers(operation: Operation) -> None:
    """A handler's call has the body that is declared, and it returns the declared answer or a response of its own."""
    handler = operation.handler.func if isinstance(operation.handler, partial) else operation.handler
    hints = get_type_hints(handler)
    body, query = get_args(hints["call"])

    assert body == (type(None) if operation.body is None else Any if operation.read_body is None else operation.body)
    assert (query is type(None)) == (operation.query is None)
    assert "return" in hints
    if isinstance(hints["return"], type) and issubclass(hints["return"], BaseModel):
        assert operation.answer == hints["return"]


def test_each_operation_says_what_it_does() -> None:
    """Each operation has a summary, and no two have the same method and path."""
    summaries = [operation.summary for operation in OPERATIONS]

    assert all(summaries)
    assert len({(operation.method, operation.path) for operation in OPERATIONS}) == len(OPERATIONS)
