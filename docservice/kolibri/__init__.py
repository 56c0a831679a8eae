"""Brings a Kolibri's data into documents: its SQLite tables are read and never written to."""

from docservice.kolibri.importing import import_kolibri
from docservice.kolibri.report import ImportReport, RecordCounts

__all__ = ["ImportReport", "RecordCounts", "import_kolibri"]
