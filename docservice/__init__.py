"""docservice keeps learner logs (Kolibri's `core.logger`) as MongoDB documents.

What the package exports is imported when it is first used: pytest loads `docservice.testing` in every run
of a host, and should not wait for a database driver.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from docservice import errors as errors
    from docservice import identity as identity
    from docservice.domain.answers.directory import Removed, Replaced, Upserted
    from docservice.domain.answers.exam_logs import ExamAttemptRow, ExamLogRow, ExamLogSaved
    from docservice.domain.answers.lists import (
        AttemptDiffRow,
        AttemptRow,
        CorrectnessDiff,
        MasteryDiffRow,
        MasteryRow,
        Rows,
        TryDiff,
    )
    from docservice.domain.answers.session_description import SessionDescription
    from docservice.domain.answers.tracking import AttemptAnswer, SessionStarted, SessionUpdated
    from docservice.domain.directory.name_lookup import (
        NamedClassroom,
        NamedFacility,
        NamedPerson,
        NamedRecord,
        RecordKind,
    )
    from docservice.domain.directory.records import DirectorySection
    from docservice.domain.exports.csv_exports import CsvExport, ExportFile, ExportState, RequestedExport
    from docservice.domain.exports.pseudonyms import Kept, Pseudonyms
    from docservice.domain.exports.self_check import DirectoryValues, ValueKind
    from docservice.domain.exports.tables import TableName
    from docservice.domain.logs.content_logs import (
        AttemptLog,
        ContentSessionLog,
        ContentSummaryLog,
        MasteryLog,
        SyncableLog,
    )
    from docservice.domain.logs.datasets import KnownDatasets
    from docservice.domain.logs.exam_logs import ExamAttemptLog, ExamLog
    from docservice.domain.logs.user_sessions import UserSessionLog
    from docservice.domain.person_logs import LogKindName, PersonLogs
    from docservice.domain.reports.definitions import (
        Report,
        ReportColumn,
        ReportDefinition,
        ReportName,
        ReportUnit,
    )
    from docservice.domain.reports.filters import CountedTries, ReportFilters, ReportPeriod, TimeSpan
    from docservice.domain.requests.csv_exports import CsvLogRequest, LogType, StoredCsvRequest
    from docservice.domain.requests.directory_pages import DirectoryFilters
    from docservice.domain.requests.document_pages import DocumentFilters, DocumentPage, FieldChoice
    from docservice.domain.requests.erasure import ErasePerson
    from docservice.domain.requests.exam_logs import ChangeExamAttempt, ChangeExamLog, SaveExamAttempt, SaveExamLog
    from docservice.domain.requests.lists import LogFilters, Page
    from docservice.domain.requests.sign_in import PasswordSignIn
    from docservice.domain.requests.tracking import Interaction, MasteryModel, StartSession, UpdateSession
    from docservice.domain.requests.user_sessions import ReportActivity, Software
    from docservice.domain.sign_in.accounts import SignInAccount
    from docservice.domain.sign_in.sessions import SignInRules
    from docservice.domain.upkeep.comparison import Difference, DifferenceKind
    from docservice.domain.upkeep.consistency import Finding
    from docservice.domain.upkeep.consolidation import ConsolidationRule
    from docservice.domain.upkeep.receipts import ErasureReceipt
    from docservice.domain.values.times import KolibriTime
    from docservice.engine import EmbeddedEngine, EngineEvent
    from docservice.errors import DocServiceError, DoesNotExist, MultipleObjectsReturned
    from docservice.identity import ANONYMOUS, Principal
    from docservice.service import DocService
    from docservice.service.acting.person_logs import ActingLogs
    from docservice.service.acting.sign_in import SignIns
    from docservice.service.base.progress import Watch
    from docservice.service.trusted.admin import LogsAdmin
    from docservice.service.trusted.backup import Backups, Restore
    from docservice.service.trusted.collections import ContentIdLookup, DocumentCollection, LogCollection
    from docservice.service.trusted.consolidation import ConsolidationReport
    from docservice.service.trusted.csv_exports import ExportJobs
    from docservice.service.trusted.data_sets import DataSet, DataSets
    from docservice.service.trusted.document_counts import Census
    from docservice.service.trusted.embedded_collections import EmbeddedCollection
    from docservice.service.trusted.sign_in import KeptPasswords, SignInAdmin
    from docservice.service.trusted.tables import RowBatch
    from docservice.store.database.activity import Activity
    from docservice.store.database.adapters import DatabaseHandle, DatabaseSource
    from docservice.store.database.traits import EngineTraits
    from docservice.store.directory.erased_people import ErasureState
    from docservice.store.indexes.applying import Index, IndexReport
    from docservice.store.indexes.views import View, ViewReport
    from docservice.store.transfer.restore import Line, LineOutcome

__version__ = "0.1.0"

__all__ = [
    "ANONYMOUS",
    "ActingLogs",
    "Activity",
    "AttemptAnswer",
    "AttemptDiffRow",
    "AttemptLog",
    "AttemptRow",
    "Backups",
    "Census",
    "ChangeExamAttempt",
    "ChangeExamLog",
    "ConsolidationReport",
    "ConsolidationRule",
    "ContentIdLookup",
    "ContentSessionLog",
    "ContentSummaryLog",
    "CorrectnessDiff",
    "CountedTries",
    "CsvExport",
    "CsvLogRequest",
    "DataSet",
    "DataSets",
    "DatabaseHandle",
    "DatabaseSource",
    "Difference",
    "DifferenceKind",
    "DirectoryFilters",
    "DirectorySection",
    "DirectoryValues",
    "DocService",
    "DocServiceError",
    "DocumentCollection",
    "DocumentFilters",
    "DocumentPage",
    "DoesNotExist",
    "EmbeddedCollection",
    "EmbeddedEngine",
    "EngineEvent",
    "EngineTraits",
    "ErasePerson",
    "ErasureReceipt",
    "ErasureState",
    "ExamAttemptLog",
    "ExamAttemptRow",
    "ExamLog",
    "ExamLogRow",
    "ExamLogSaved",
    "ExportFile",
    "ExportJobs",
    "ExportState",
    "FieldChoice",
    "Finding",
    "Index",
    "IndexReport",
    "Interaction",
    "Kept",
    "KeptPasswords",
    "KnownDatasets",
    "KolibriTime",
    "Line",
    "LineOutcome",
    "LogCollection",
    "LogFilters",
    "LogKindName",
    "LogType",
    "LogsAdmin",
    "MasteryDiffRow",
    "MasteryLog",
    "MasteryModel",
    "MasteryRow",
    "MultipleObjectsReturned",
    "NamedClassroom",
    "NamedFacility",
    "NamedPerson",
    "NamedRecord",
    "Page",
    "PasswordSignIn",
    "PersonLogs",
    "Principal",
    "Pseudonyms",
    "RecordKind",
    "Removed",
    "Replaced",
    "Report",
    "ReportActivity",
    "ReportColumn",
    "ReportDefinition",
    "ReportFilters",
    "ReportName",
    "ReportPeriod",
    "ReportUnit",
    "RequestedExport",
    "Restore",
    "RowBatch",
    "Rows",
    "SaveExamAttempt",
    "SaveExamLog",
    "SessionDescription",
    "SessionStarted",
    "SessionUpdated",
    "SignInAccount",
    "SignInAdmin",
    "SignInRules",
    "SignIns",
    "Software",
    "StartSession",
    "StoredCsvRequest",
    "SyncableLog",
    "TableName",
    "TimeSpan",
    "TryDiff",
    "UpdateSession",
    "Upserted",
    "UserSessionLog",
    "ValueKind",
    "View",
    "ViewReport",
    "Watch",
    "__version__",
]

_HOMES = {
    "docservice.domain.answers.directory": ("Removed", "Replaced", "Upserted"),
    "docservice.domain.answers.exam_logs": ("ExamAttemptRow", "ExamLogRow", "ExamLogSaved"),
    "docservice.domain.answers.lists": (
        "AttemptDiffRow",
        "AttemptRow",
        "CorrectnessDiff",
        "MasteryDiffRow",
        "MasteryRow",
        "Rows",
        "TryDiff",
    ),
    "docservice.domain.answers.session_description": ("SessionDescription",),
    "docservice.domain.answers.tracking": ("AttemptAnswer", "SessionStarted", "SessionUpdated"),
    "docservice.domain.directory.name_lookup": (
        "NamedClassroom",
        "NamedFacility",
        "NamedPerson",
        "NamedRecord",
        "RecordKind",
    ),
    "docservice.domain.directory.records": ("DirectorySection",),
    "docservice.domain.exports.csv_exports": ("CsvExport", "ExportFile", "ExportState", "RequestedExport"),
    "docservice.domain.exports.pseudonyms": ("Kept", "Pseudonyms"),
    "docservice.domain.exports.self_check": ("DirectoryValues", "ValueKind"),
    "docservice.domain.exports.tables": ("TableName",),
    "docservice.domain.logs.content_logs": (
        "AttemptLog",
        "ContentSessionLog",
        "ContentSummaryLog",
        "MasteryLog",
        "SyncableLog",
    ),
    "docservice.domain.logs.datasets": ("KnownDatasets",),
    "docservice.domain.logs.exam_logs": ("ExamAttemptLog", "ExamLog"),
    "docservice.domain.logs.user_sessions": ("UserSessionLog",),
    "docservice.domain.person_logs": ("LogKindName", "PersonLogs"),
    "docservice.domain.reports.definitions": (
        "Report",
        "ReportColumn",
        "ReportDefinition",
        "ReportName",
        "ReportUnit",
    ),
    "docservice.domain.reports.filters": ("CountedTries", "ReportFilters", "ReportPeriod", "TimeSpan"),
    "docservice.domain.requests.csv_exports": ("CsvLogRequest", "LogType", "StoredCsvRequest"),
    "docservice.domain.requests.directory_pages": ("DirectoryFilters",),
    "docservice.domain.requests.document_pages": ("DocumentFilters", "DocumentPage", "FieldChoice"),
    "docservice.domain.requests.erasure": ("ErasePerson",),
    "docservice.domain.requests.exam_logs": ("ChangeExamAttempt", "ChangeExamLog", "SaveExamAttempt", "SaveExamLog"),
    "docservice.domain.requests.lists": ("LogFilters", "Page"),
    "docservice.domain.requests.tracking": ("Interaction", "MasteryModel", "StartSession", "UpdateSession"),
    "docservice.domain.requests.sign_in": ("PasswordSignIn",),
    "docservice.domain.requests.user_sessions": ("ReportActivity", "Software"),
    "docservice.domain.sign_in.accounts": ("SignInAccount",),
    "docservice.domain.sign_in.sessions": ("SignInRules",),
    "docservice.domain.upkeep.comparison": ("Difference", "DifferenceKind"),
    "docservice.domain.upkeep.consistency": ("Finding",),
    "docservice.domain.upkeep.consolidation": ("ConsolidationRule",),
    "docservice.domain.upkeep.receipts": ("ErasureReceipt",),
    "docservice.domain.values.times": ("KolibriTime",),
    "docservice.engine": ("EmbeddedEngine", "EngineEvent"),
    "docservice.errors": ("DocServiceError", "DoesNotExist", "MultipleObjectsReturned"),
    "docservice.identity": ("ANONYMOUS", "Principal"),
    "docservice.service": ("DocService",),
    "docservice.service.acting.person_logs": ("ActingLogs",),
    "docservice.service.acting.sign_in": ("SignIns",),
    "docservice.service.base.progress": ("Watch",),
    "docservice.service.trusted.admin": ("LogsAdmin",),
    "docservice.service.trusted.backup": ("Backups", "Restore"),
    "docservice.service.trusted.collections": ("ContentIdLookup", "DocumentCollection", "LogCollection"),
    "docservice.service.trusted.consolidation": ("ConsolidationReport",),
    "docservice.service.trusted.csv_exports": ("ExportJobs",),
    "docservice.service.trusted.data_sets": ("DataSet", "DataSets"),
    "docservice.service.trusted.document_counts": ("Census",),
    "docservice.service.trusted.embedded_collections": ("EmbeddedCollection",),
    "docservice.service.trusted.sign_in": ("KeptPasswords", "SignInAdmin"),
    "docservice.service.trusted.tables": ("RowBatch",),
    "docservice.store.database.activity": ("Activity",),
    "docservice.store.database.adapters": ("DatabaseHandle", "DatabaseSource"),
    "docservice.store.database.traits": ("EngineTraits",),
    "docservice.store.directory.erased_people": ("ErasureState",),
    "docservice.store.indexes.applying": ("Index", "IndexReport"),
    "docservice.store.indexes.views": ("View", "ViewReport"),
    "docservice.store.transfer.restore": ("Line", "LineOutcome"),
}
"""The modules of the exported names; a test compares them with the imports above."""
_MODULE_OF = {name: module for module, names in _HOMES.items() for name in names}
_MODULES = ("errors", "identity")
"""Modules that are reached as attributes of the package: `docservice.errors.Unauthenticated`."""


def __getattr__(name: str) -> Any:
    """Import what is exported under a name."""
    if name in _MODULES:
        return import_module(f"docservice.{name}")
    if name not in _MODULE_OF:
        raise AttributeError(f"module 'docservice' has no attribute {name!r}")
    value = globals()[name] = getattr(import_module(_MODULE_OF[name]), name)
    return value


def __dir__() -> list[str]:
    return sorted({*__all__, *globals()})
