"""`/api/reports/`: what learners do, within the rights of the caller, as JSON or CSV."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Literal, get_args

from aiohttp import web
from pydantic import BaseModel

from docservice.domain.reports.definitions import REPORTS, Report, ReportDefinition, ReportName
from docservice.domain.reports.filters import LEAST_LEARNERS, CountedTries, ReportFilters, ReportPeriod
from docservice.errors import PermissionDenied
from docservice.export.report_csv import report_csv
from docservice.rest.calls import Call
from docservice.rest.operations import PUBLIC, Access, Operations
from docservice.rest.parameters import Parameter, Refused, integer_between, uuid
from docservice.rest.query_strings import QueryString
from docservice.rest.responses import json_answer

COLLECTION = "/api/reports/"
_MOST_LEARNERS = 1_000_000

operations = Operations(tag="Reports")


class ReportList(BaseModel):
    """The reports that there are."""

    results: list[ReportDefinition]


@dataclass(frozen=True)
class ReportQuery:
    """What is asked of a report.

    Attributes:
        format: None: what the `Accept` header says.
    """

    filters: ReportFilters
    format: Literal["json", "csv"] | None


def _one_of(words: tuple[str, ...]) -> tuple[dict[str, Any], Any]:
    def read(text: str) -> str:
        if text not in words:
            raise Refused(f"One of {', '.join(words)} is expected.")
        return text

    return {"type": "string", "enum": list(words)}, read


def _by_name(*parameters: Parameter) -> dict[str, Parameter]:
    return {parameter.name: parameter for parameter in parameters}


_DAY = {"type": "string", "format": "date"}
_PARAMETERS = _by_name(
    Parameter("facility", "Learners of this facility.", read=uuid),
    Parameter("classroom", "Learners of this class.", read=uuid),
    Parameter("learner_group", "Learners of this group.", read=uuid),
    Parameter("user", "This learner.", read=uuid),
    Parameter("channel", "Content of this channel.", read=uuid),
    Parameter("topic", "Content below this node in its channel.", read=uuid),
    Parameter("content", "This content.", read=uuid),
    Parameter("lesson", "The resources of this lesson, and the learners whom it is assigned to.", read=uuid),
    Parameter("quiz", "This quiz of a coach.", read=uuid),
    Parameter("since", "The first day, as 2024-09-02.", _DAY),
    Parameter("until", "The last day.", _DAY),
    Parameter("zone", "Name of the time zone that days begin in; UTC if it is not sent.", {"type": "string"}),
    Parameter("by", "What a row is.", *_one_of(get_args(ReportPeriod))),
    Parameter("tries", "Which tries count.", *_one_of(get_args(CountedTries))),
    Parameter(
        "least_learners",
        "A statistic of fewer learners is not shown.",
        {"type": "integer", "minimum": 1, "maximum": _MOST_LEARNERS, "default": LEAST_LEARNERS},
        integer_between(1, _MOST_LEARNERS),
    ),
)
"""Every filter that a report may have."""

_FORMAT = Parameter("format", "`csv` for a file for spreadsheets, as `Accept: text/csv`.", *_one_of(("json", "csv")))


@operations.get(COLLECTION, access=PUBLIC, auth="none", answer=ReportList)
async def definitions(call: Call[None, None]) -> ReportList:
    """The reports that there are, each with its definition."""
    return ReportList(results=list(REPORTS.values()))


async def report(name: ReportName, call: Call[None, ReportQuery]) -> web.Response:
    """A report."""
    made = await call.logs.report(name, call.query.filters)
    if _wants_csv(call):
        file_name = f"{name}-{made.generated:%Y-%m-%d}.csv"
        headers = {"Content-Disposition": f'attachment; filename="{file_name}"', "Vary": "Accept"}
        return web.Response(text=report_csv(made), content_type="text/csv", charset="utf-8", headers=headers)
    return json_answer(made, headers={"Vary": "Accept"})


def _wants_csv(call: Call[None, ReportQuery]) -> bool:
    if call.query.format is not None:
        return call.query.format == "csv"
    accepted = [part.partition(";")[0].strip().lower() for part in call.request.headers.get("Accept", "").split(",")]
    return "text/csv" in accepted and "application/json" not in accepted


def _query(values: dict[str, Any]) -> ReportQuery:
    wanted = values.pop("format", None)
    return ReportQuery(ReportFilters(**values), wanted)


def _declare(name: ReportName, definition: ReportDefinition) -> None:
    parameters = [
        replace(each, description=f"{each.description} Needed.") if each.name in definition.required else each
        for each in map(_PARAMETERS.__getitem__, definition.filters)
    ]
    operations.get(
        f"{COLLECTION}{name}/",
        access=Access("readers", "class work" if "classroom" in definition.required else "report", refused=None),
        auth="required",
        summary=f"Report: {definition.title.lower()}",
        description="\n\n".join((definition.about, f"Source: {definition.source}", *_narrowed(definition))),
        query=QueryString((*parameters, _FORMAT), _query),
        answer=Report,
        other_media_types=("text/csv",),
        errors=(PermissionDenied,),
    )(partial(report, name))


def _narrowed(definition: ReportDefinition) -> tuple[str, ...]:
    return (f"One of {', '.join(definition.one_of)} is needed.",) if definition.one_of else ()


for _name, _definition in REPORTS.items():
    _declare(_name, _definition)
