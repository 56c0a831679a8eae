"""Logs as documents, documents as JSON, and the kinds of log."""
