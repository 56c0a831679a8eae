"""Reads and writes logs: tracking, collections, exam logs, user sessions, overflow, idempotency keys."""
