"""The request to erase a person."""

from __future__ import annotations

from typing import Annotated

from pydantic import ConfigDict, Field

from docservice.domain.requests.field_types import BlankText, Boolean
from docservice.domain.requests.tracking import Request

LONGEST_REASON = 1000


class ErasePerson(Request):
    """Erase a person. What cannot be undone is not done for a request with a field that is not known.

    Attributes:
        reason: for the receipt, which is all that keeps it.
        dry_run: only count what would be removed.
    """

    model_config = ConfigDict(extra="forbid")

    reason: Annotated[BlankText, Field(max_length=LONGEST_REASON)] = ""
    dry_run: Boolean = False
