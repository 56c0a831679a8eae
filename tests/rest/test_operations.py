"""The list of operations. Who may do what is in `test_permission_matrix.py`, which has a row for each of them."""

from __future__ import annotations

from docservice.rest.app import OPERATIONS


def test_each_operation_says_what_it_does() -> None:
    """Each operation has a summary, and no two have the same method and path."""
    summaries = [operation.summary for operation in OPERATIONS]

    assert all(summaries)
    assert len({(operation.method, operation.path) for operation in OPERATIONS}) == len(OPERATIONS)
