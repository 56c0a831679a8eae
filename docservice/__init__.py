"""docservice keeps learner logs (Kolibri's `core.logger`) as MongoDB documents."""

from docservice.domain.answers.exam_logs import ExamAttemptRow, ExamLogRow, ExamLogSaved
from docservice.domain.answers.lists import AttemptRow, MasteryDiffRow, MasteryRow
from docservice.domain.answers.session_description import SessionDescription
from docservice.domain.answers.tracking import AttemptAnswer, SessionStarted, SessionUpdated
from docservice.domain.logs.content_logs import AttemptLog, ContentSessionLog, ContentSummaryLog, MasteryLog
from docservice.domain.logs.exam_logs import ExamAttemptLog, ExamLog
from docservice.domain.logs.user_sessions import UserSessionLog
from docservice.domain.person_logs import LogKindName, PersonLogs
from docservice.domain.requests.csv_exports import CsvLogRequest
from docservice.domain.requests.document_pages import DocumentFilters, DocumentPage, FieldChoice
from docservice.domain.requests.exam_logs import ChangeExamAttempt, ChangeExamLog, SaveExamAttempt, SaveExamLog
from docservice.domain.requests.lists import LogFilters, Page
from docservice.domain.requests.tracking import Interaction, MasteryModel, StartSession, UpdateSession
from docservice.domain.requests.user_sessions import ReportActivity
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
    "LogKindName",
    "MasteryDiffRow",
    "MasteryLog",
    "MasteryModel",
    "MasteryRow",
    "Page",
    "PersonLogs",
    "Principal",
    "ReportActivity",
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
