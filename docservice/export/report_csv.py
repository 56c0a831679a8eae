"""Reports as CSV: UTF-8 with BOM, CRLF, the titles of the columns first, one line a row."""

from __future__ import annotations

import csv
from collections.abc import Callable
from datetime import datetime
from io import StringIO
from typing import Any

from docservice.domain.reports.definitions import Report, ReportUnit
from docservice.export.csv_writer import harmless

_BOM = "\ufeff"


def _time(moment: datetime) -> str:
    return moment.isoformat(sep=" ", timespec="seconds")


_SHOWN: dict[ReportUnit, Callable[[Any], Any]] = {
    "text": lambda value: harmless(str(value)),
    "time": _time,
    "flag": lambda value: "true" if value else "false",
}
"""How values are written that are not written as `str` shows them."""


def report_csv(report: Report) -> str:
    """Return a report as the text of a CSV file; a cell that a spreadsheet would run begins with an apostrophe."""
    file = StringIO()
    writer = csv.writer(file)
    columns = report.definition.columns
    writer.writerow([column.title for column in columns])
    for row in report.rows:
        writer.writerow([_cell(column.unit, row[column.name]) for column in columns])
    return _BOM + file.getvalue()


def _cell(unit: ReportUnit, value: Any) -> Any:
    if value is None:
        return ""
    shown = _SHOWN.get(unit)
    return value if shown is None else shown(value)
