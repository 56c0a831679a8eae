"""Models of documents as answers show them, for the API description: made from the models of the logs."""

from __future__ import annotations

from functools import cache
from typing import Any

from pydantic import BaseModel, Field, create_model

from docservice.domain.answers.shown_fields import shown_fields
from docservice.domain.logs.content_logs import SyncableLog


def _nothing() -> None:
    """A default that no schema shows: a field that was not asked for is left out."""


@cache
def document_model(model: type[SyncableLog], *, embedded: bool = False) -> type[BaseModel]:
    """The shown form of a kind of log: all fields may be left out but the `id` of the document itself; times are text.

    Rule: `domain.answers.shown_fields`.
    """
    fields: dict[str, Any] = {}
    for field in shown_fields(model):
        if field.name == "id" and not embedded:
            fields["id"] = (str, Field())
        else:
            annotation: Any = field.annotation
            if field.embeds is not None:
                annotation = list[document_model(field.embeds, embedded=True)]  # type: ignore[misc]
            # A model has no field whose name begins with an underscore, but an alias may.
            name = field.name.lstrip("_")
            fields[name] = (annotation, Field(default_factory=_nothing, alias=field.name))
    return create_model(f"{model.__name__}Document", __doc__=_first_line(model), **fields)


def _first_line(model: type[SyncableLog]) -> str:
    return (model.__doc__ or "").partition("\n")[0]
