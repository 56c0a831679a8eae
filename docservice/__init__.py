"""docservice keeps learner logs (Kolibri's `core.logger`) as MongoDB documents."""

from docservice.domain.csv_requests import CsvLogRequest
from docservice.domain.document_query import DocumentFilters, DocumentPage, FieldChoice
from docservice.domain.exam_logs import ExamAttemptLog, ExamLog
from docservice.domain.exam_requests import ChangeExamAttempt, ChangeExamLog, SaveExamAttempt, SaveExamLog
from docservice.domain.exam_rows import ExamAttemptRow, ExamLogRow, ExamLogSaved
from docservice.domain.filters import LogFilters, Page
from docservice.domain.logs import AttemptLog, ContentSessionLog, ContentSummaryLog, MasteryLog
from docservice.domain.requests import Interaction, MasteryModel, StartSession, UpdateSession
from docservice.domain.results import AttemptAnswer, SessionStarted, SessionUpdated
from docservice.domain.rows import AttemptRow, MasteryDiffRow, MasteryRow
from docservice.domain.session_description import SessionDescription
from docservice.domain.user_sessions import UserSessionLog
from docservice.errors import DocServiceError
from docservice.identity import ANONYMOUS, Principal
from docservice.service import DocService

__version__ = "0.1.0"

__all__ = [
    "ANONYMOUS",
    "AttemptAnswer",
    "AttemptLog",
    "AttemptRow",
    "ChangeExamAttempt",
    "ChangeExamLog",
    "ContentSessionLog",
    "ContentSummaryLog",
    "CsvLogRequest",
    "DocService",
    "DocServiceError",
    "DocumentFilters",
    "DocumentPage",
    "ExamAttemptLog",
    "ExamAttemptRow",
    "ExamLog",
    "ExamLogRow",
    "ExamLogSaved",
    "FieldChoice",
    "Interaction",
    "LogFilters",
    "MasteryDiffRow",
    "MasteryLog",
    "MasteryModel",
    "MasteryRow",
    "Page",
    "Principal",
    "SaveExamAttempt",
    "SaveExamLog",
    "SessionDescription",
    "SessionStarted",
    "SessionUpdated",
    "StartSession",
    "UpdateSession",
    "UserSessionLog",
    "__version__",
]
