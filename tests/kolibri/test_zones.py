"""Times of zones whose offset had seconds go through every output as Kolibri shows them."""

from __future__ import annotations

import csv
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow.parquet
import pytest

from docservice import DocService, Principal
from docservice.domain.requests.document_pages import DocumentFilters
from docservice.domain.requests.lists import LogFilters
from docservice.export import CsvWriter, ParquetWriter, write_export
from docservice.export.backup import export_ndjson, import_ndjson
from docservice.kolibri import import_kolibri

from .samples import LEARNER, changing, rows

TIMES = {
    "1970-01-01 00:00:05.000000(Africa/Monrovia)": "1969-12-31T23:16:05-00:44",
    "1971-12-31 23:59:59.500000(Africa/Monrovia)": "1971-12-31T23:15:59.500000-00:44",
    "1910-06-01 00:00:00.000001(Europe/Paris)": "1910-06-01T00:09:00.000001+00:09",
    "1899-12-31 23:59:59.000000(America/New_York)": "1899-12-31T19:03:59-04:56",
    "2040-07-01 12:00:00.000000(Australia/Sydney)": "2040-07-01T23:00:00+11:00",
}
"""As a device stored them, with what Kolibri 0.19.5 answers; its CSV files have a space in place of the T."""


@pytest.fixture
def home(part: Path) -> tuple[Path, dict[str, str]]:
    """A home with such times in visits and attempts, and what is to be shown of each, by id."""
    shown = {}
    with changing(part) as database:
        for table, condition in (("logger_contentsessionlog", "kind != 'quiz'"), ("logger_attemptlog", "1")):
            query = f"SELECT id FROM {table} WHERE user_id = ? AND {condition} ORDER BY id LIMIT {len(TIMES)}"
            found = database.execute(query, (LEARNER,)).fetchall()
            for row, (text, time) in zip(found, TIMES.items(), strict=True):
                database.execute(f"UPDATE {table} SET start_timestamp = ? WHERE id = ?", (text, row["id"]))
                shown[row["id"]] = time
    return part, shown


@pytest.mark.slow
async def test_each_output_shows_what_kolibri_shows(
    empty: DocService, home: tuple[Path, dict[str, str]], mongodb_uri: str, dropping: Any, mongo: Any, tmp_path: Path
) -> None:
    """Lists, documents and CSV have Kolibri's offsets, Parquet has the moments, and a backup keeps the texts."""
    path, shown = home
    await import_kolibri(empty, path)
    learner = Principal(user_id=LEARNER)
    [facility] = rows(path, "SELECT id FROM kolibriauth_collection WHERE kind = 'facility'")

    attempts = (await empty.acting_as(learner).attempt_log_page(LogFilters(user=LEARNER))).rows
    page = await empty.acting_as(learner).document_page("contentsessionlog", DocumentFilters(), page_size=500)
    await write_export(empty, "session", facility["id"], tmp_path / "s.csv", CsvWriter)
    await write_export(empty, "session", facility["id"], tmp_path / "s.parquet", ParquetWriter)
    await export_ndjson(empty, tmp_path / "all.ndjson")

    listed = {row.id: row.start_timestamp for row in attempts}
    listed |= {document["id"]: document["start_timestamp"] for document in page.results}
    assert {log_id: listed[log_id] for log_id in shown} == shown
    with (tmp_path / "s.csv").open(encoding="utf-8-sig", newline="") as file:
        cells = {row["Time of first interaction"] for row in csv.DictReader(file)}
    assert {time.replace("T", " ") for time in TIMES.values()} <= cells
    moments = pyarrow.parquet.read_table(tmp_path / "s.parquet")["start_timestamp"].to_pylist()
    assert {datetime.fromisoformat(time) for time in TIMES.values()} <= set(moments)
    assert all(moment.utcoffset() == timedelta(0) for moment in moments)

    name = "test_zones_restored"
    async with DocService(mongodb_uri, database=name) as restored:
        report = await import_ndjson(restored, tmp_path / "all.ndjson")
        again = await restored.acting_as(learner).document_page("contentsessionlog", DocumentFilters(), page_size=500)
    await dropping(mongo[name])
    assert report.refused == 0
    assert again.results == page.results


@pytest.mark.slow
async def test_times_are_filtered_by_their_moment(empty: DocService, home: tuple[Path, dict[str, str]]) -> None:
    """A filter means the moment, whatever zone a device was in."""
    await import_kolibri(empty, home[0])
    logs = empty.content_session_logs

    early = [log async for log in logs.find(user_id=LEARNER, start_timestamp__lt="1970-01-01T00:00:06Z")]
    late = await logs.count(start_timestamp__gte=datetime(2040, 7, 1, 12, tzinfo=UTC))

    assert sorted(log.start_timestamp.year for log in early) == [1899, 1910, 1970]
    assert late == 1
