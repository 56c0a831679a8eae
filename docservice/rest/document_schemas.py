"""Models of documents as answers show them, for the API description: made from the models of the logs."""

from __future__ import annotations

from functools import cache
from typing import Any, get_args

from pydantic import BaseModel, Field, create_model

from docservice.domain.logs import SyncableLog

_LISTS = ("mastery_logs", "attempts")


def _nothing() -> None:
    """A default that no schema shows: a field that was not asked for is left out."""


@cache
def document_model(model: type[SyncableLog], *, embedded: bool = False) -> type[BaseModel]:
    """The shown form of a kind of log: all fields may be left out but the `id` of the document itself; times are text.

    Rule: `store.shown.shown`.
    """
    fields: dict[str, Any] = {}
    for name, info in model.model_fields.items():
        if name == "id" and not embedded:
            fields[name] = (str, Field())
        elif name != "recorded":
            annotation: Any = info.annotation
            if name in _LISTS:
                annotation = list[document_model(get_args(annotation)[0], embedded=True)]  # type: ignore[misc]
            fields[name] = (annotation, Field(default_factory=_nothing, alias=info.alias))
    if model.model_name == "examlog":
        fields["attempt_count"] = (int, Field(default_factory=_nothing))
    return create_model(f"{model.__name__}Document", __doc__=_first_line(model), **fields)


def _first_line(model: type[SyncableLog]) -> str:
    return (model.__doc__ or "").partition("\n")[0]
