"""docservice keeps learner logs (Kolibri's `core.logger`) as MongoDB documents."""

from docservice.domain.requests import Interaction, MasteryModel, StartSession, UpdateSession
from docservice.domain.results import AttemptAnswer, SessionStarted, SessionUpdated
from docservice.errors import DocServiceError
from docservice.identity import ANONYMOUS, Principal
from docservice.service import DocService

__version__ = "0.1.0"

__all__ = [
    "ANONYMOUS",
    "AttemptAnswer",
    "DocService",
    "DocServiceError",
    "Interaction",
    "MasteryModel",
    "Principal",
    "SessionStarted",
    "SessionUpdated",
    "StartSession",
    "UpdateSession",
    "__version__",
]
