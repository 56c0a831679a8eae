"""Reads the rows of tables, and keeps the state of CSV exports."""
