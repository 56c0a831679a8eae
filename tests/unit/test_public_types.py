"""The library as a reader of its signatures sees it: every type has a name that can be imported from `docservice`."""

from __future__ import annotations

import dataclasses
import inspect
import pydoc
import types
import typing
from collections.abc import Callable, Iterator
from typing import Any, Literal, get_args, get_origin

import pytest
from pydantic import BaseModel

import docservice
from docservice import ContentIdLookup, DirectorySection, DocService, LogKindName, client
from docservice.client import LogClient
from docservice.domain.directory.records import SECTIONS
from docservice.store.mapping.log_kinds import KINDS

EXPORTED = {
    **{name: getattr(client, name) for name in client.__all__},
    **{name: getattr(docservice, name) for name in docservice.__all__},
}
LITERALS = {frozenset(get_args(value)) for value in EXPORTED.values() if get_origin(value) is Literal}
CONSTRUCTED = (DocService, LogClient)
"""Classes that a program makes itself. Others it is given: how they are made is not its business."""

OUR_OWN = {("LogsAdmin", "database"), ("LogsAdmin", "eraser")}
"""What is for packages of docservice and says so."""

COLLECTIONS = [
    "content_summary_logs",
    "content_session_logs",
    "mastery_logs",
    "attempt_logs",
    "user_session_logs",
    "exam_logs",
    "exam_attempt_logs",
]


def parts(annotation: Any) -> Iterator[Any]:
    """The classes and texts to choose from that an annotation is made of."""
    if get_origin(annotation) is Literal:
        yield annotation
        return
    for part in get_args(annotation):
        for inner in part if isinstance(part, list) else [part]:
            yield from parts(inner)
    origin = get_origin(annotation)
    if inspect.isclass(origin or annotation):
        yield origin or annotation


def methods(cls: type) -> Iterator[tuple[str, Callable[..., Any]]]:
    """The public functions of a class, properties among them; not those that make it from inner things (`of`)."""
    for name, member in inspect.getmembers_static(cls):
        function = member.fget if isinstance(member, property) else getattr(member, "__func__", member)
        wanted = not name.startswith("_") or (name == "__init__" and cls in CONSTRUCTED)
        made_by_us = isinstance(member, classmethod) and name == "of"
        ours = inspect.isfunction(function) and function.__module__.startswith("docservice.")
        if wanted and ours and not made_by_us:
            yield name, typing.cast("Callable[..., Any]", function)


def annotations_of(cls: type) -> Iterator[tuple[str, Any]]:
    """What is annotated in the public part of a class: arguments, results, attributes."""
    for name, function in methods(cls):
        for annotation in typing.get_type_hints(function).values():
            yield name, annotation
    if dataclasses.is_dataclass(cls) or issubclass(cls, BaseModel) or cls in EXPORTED.values():
        for name, annotation in typing.get_type_hints(cls).items():
            if not name.startswith("_") and (cls.__name__, name) not in OUR_OWN:
                yield name, annotation


def public_annotations() -> Iterator[tuple[str, Any]]:
    """All annotations that can be reached from what is exported, with the place of each."""
    seen: set[type] = set()
    waiting: list[type] = [cls for cls in (*EXPORTED.values(), LogClient) if inspect.isclass(cls)]
    while waiting:
        cls = waiting.pop()
        if cls in seen:
            continue
        seen.add(cls)
        for name, annotation in annotations_of(cls):
            for part in parts(annotation):
                yield f"{cls.__name__}.{name}", part
                if inspect.isclass(part) and part.__module__.startswith("docservice."):
                    waiting.append(part)


def test_each_type_of_a_signature_is_exported() -> None:
    """Classes in signatures of the library, and in those of what it returns, can be imported from `docservice`."""
    found = list(public_annotations())

    missing = {
        f"{place}: {part.__module__}.{part.__qualname__}"
        for place, part in found
        if inspect.isclass(part)
        and part.__module__.startswith("docservice.")
        and EXPORTED.get(part.__name__) is not part
    }
    assert len(found) > 500
    assert sorted(missing) == []


def test_texts_to_choose_from_have_a_name() -> None:
    """Where a text chooses, the signature lists the choices, and the list has an exported name."""
    choices = {frozenset(get_args(part)) for _, part in public_annotations() if get_origin(part) is Literal}

    assert {frozenset(get_args(ContentIdLookup)), frozenset(get_args(DirectorySection))} <= choices
    # One text alone is a mark of a class, no choice.
    assert {choice for choice in choices if len(choice) > 1} - LITERALS == set()


def test_choices_are_what_there_is() -> None:
    """The texts that type checkers offer are those that the service knows."""
    assert set(get_args(LogKindName)) == set(KINDS)
    assert set(get_args(DirectorySection)) == set(SECTIONS)


def test_help_shows_everything() -> None:
    """`help(DocService)` shows what people and operators may do, and the seven collections, each explained."""
    text = pydoc.render_doc(DocService, renderer=vars(pydoc)["plaintext"])

    members = [name for name in vars(DocService) if not name.startswith("_")]
    assert {*COLLECTIONS, "acting_as", "admin"} <= set(members)
    for name in members:
        assert name in text
        assert (inspect.getdoc(getattr(DocService, name)) or "").strip()


@pytest.mark.parametrize(
    "cls", [value for value in EXPORTED.values() if inspect.isclass(value)], ids=lambda cls: cls.__name__
)
def test_each_exported_class_is_explained(cls: type) -> None:
    """A class says what it is, and so does each of its public methods."""
    assert cls.__doc__
    assert [name for name, function in methods(cls) if not (function.__doc__ or "").strip()] == []


def test_a_service_says_what_it_has() -> None:
    """What help shows is there before the service is entered, for completion in a shell."""
    assert {*COLLECTIONS, "acting_as", "admin"} <= set(dir(DocService("mongodb://127.0.0.1:1")))
    assert isinstance(DocService.mastery_logs, property)
    assert isinstance(docservice, types.ModuleType)
