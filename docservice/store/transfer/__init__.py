"""Whole documents on their way in and out: backups, imports, verification."""
