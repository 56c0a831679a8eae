"""The one description of the stored documents."""

from __future__ import annotations

SUMMARIES = "content_summary_logs"
SESSIONS = "content_session_logs"
OVERFLOW = "attempt_overflow"
