"""docservice keeps learner logs (Kolibri's `core.logger`) as MongoDB documents."""

from docservice.domain.exam_requests import ChangeExamAttempt, ChangeExamLog, SaveExamAttempt, SaveExamLog
from docservice.domain.exam_rows import ExamAttemptRow, ExamLogRow, ExamLogSaved
from docservice.domain.requests import Interaction, MasteryModel, StartSession, UpdateSession
from docservice.domain.results import AttemptAnswer, SessionStarted, SessionUpdated
from docservice.domain.session_description import SessionDescription
from docservice.domain.user_sessions import UserSessionLog
from docservice.errors import DocServiceError
from docservice.identity import ANONYMOUS, Principal
from docservice.service import DocService

__version__ = "0.1.0"

__all__ = [
    "ANONYMOUS",
    "AttemptAnswer",
    "ChangeExamAttempt",
    "ChangeExamLog",
    "DocService",
    "DocServiceError",
    "ExamAttemptRow",
    "ExamLogRow",
    "ExamLogSaved",
    "Interaction",
    "MasteryModel",
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
