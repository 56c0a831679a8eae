"""Exports to files, and imports of these files."""

from docservice.export.csv_exports import BackgroundExports
from docservice.export.csv_writer import CsvWriter
from docservice.export.parquet_writer import ParquetWriter
from docservice.export.tables import TableReport, TableWriter, write_export

__all__ = ["BackgroundExports", "CsvWriter", "ParquetWriter", "TableReport", "TableWriter", "write_export"]
