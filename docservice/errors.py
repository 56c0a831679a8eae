"""Every error that docservice raises, as one tree.

    DocServiceError
    ├── RequestError                 the caller can correct it
    │   ├── MalformedRequest         the body cannot be read at all
    │   ├── ValidationFailed         the body was read, some fields are wrong
    │   │   └── FilterInvalid        a filter of the library names no field, or its value does not fit
    │   ├── InvalidReference         an id in the request points at nothing usable
    │   ├── UnstorableValue          a value that no document can hold
    │   ├── BodyTooLarge             the request is over the body limit
    │   ├── DocumentTooLarge         the document would pass its limit
    │   ├── RequestTooSlow           the body did not arrive in time
    │   ├── TooManyRequests          one caller has too many requests under way (retryable)
    │   │   └── TooManySignIns       too many wrong passwords in the last minute (retryable)
    │   ├── UnsupportedMediaType     neither JSON nor a form
    │   │   └── UnsupportedEncoding  packed in a way that is not known
    │   ├── Unauthenticated          the token is bad, expired or without a user
    │   ├── NotSignedIn              an anonymous visitor asks for what needs a sign-in
    │   ├── CredentialsRefused       the username or the password is not right
    │   │   ├── UsernameUnknown      the facility has no person with this username
    │   │   ├── PasswordMissing      a password is needed
    │   │   └── PasswordNotSet       no password of the person is kept here
    │   ├── SignInDisabled           this service takes no passwords
    │   ├── SignInLinkUsed           the link was used, or is too old
    │   ├── PermissionDenied         the principal may not do this
    │   │   └── ForgeryRefused       a request with a cookie lacks the CSRF token
    │   ├── LogNotFound              no such log, or not the caller's
    │   │   └── DoesNotExist         no log fits; one class for each model
    │   │       ├── ContentSummaryLogDoesNotExist
    │   │       ├── ContentSessionLogDoesNotExist
    │   │       ├── MasteryLogDoesNotExist
    │   │       ├── AttemptLogDoesNotExist
    │   │       ├── UserSessionLogDoesNotExist
    │   │       ├── ExamLogDoesNotExist
    │   │       └── ExamAttemptLogDoesNotExist
    │   ├── MultipleObjectsReturned  several logs fit; one class for each model
    │   │   ├── MultipleContentSummaryLogsReturned
    │   │   ├── MultipleContentSessionLogsReturned
    │   │   ├── MultipleMasteryLogsReturned
    │   │   ├── MultipleAttemptLogsReturned
    │   │   ├── MultipleUserSessionLogsReturned
    │   │   ├── MultipleExamLogsReturned
    │   │   └── MultipleExamAttemptLogsReturned
    │   ├── CollectionNotFound       the directory has no such collection
    │   ├── RecordNotFound           the directory has no such record that the caller may read
    │   ├── WithdrawalRefused        a replacement would withdraw most people, or more than a transaction takes
    │   ├── PageNotFound             the list has no such page
    │   ├── MissingParameters        the query lacks parameters that the route requires
    │   └── IdempotencyMismatch      the key was used for another request
    ├── SignInUnavailable            the host's sign-in does not give its keys (retryable)
    ├── DirectoryIncomplete          the directory lacks what the action needs
    ├── StoreError
    │   ├── StoreUnavailable         the database does not answer (retryable)
    │   ├── StoreTimeout             the database answered too late (retryable)
    │   ├── StoreRefused             the database refused the sign-in or the command
    │   └── StandaloneServer         the database is not a replica set
    ├── ServiceBusy                  too many requests are under way, or the service is stopping (retryable)
    ├── EngineError
    │   ├── EngineNotInstalled       no URI given and no embedded engine installed
    │   ├── EngineNotBuilt           the engine's native build could not be compiled
    │   ├── EngineNotRunning         the embedded engine did not start, or has ended
    │   ├── EnginePasswordWrong      its password file is missing, or does not open its data
    │   └── EngineInUse              it runs, and what was asked needs it stopped (retryable)
    ├── ClientError                  a call over the REST API failed on its way
    │   ├── ServiceUnavailable       the service does not answer, or not now (retryable)
    │   └── UnexpectedAnswer         the response is not one of a docservice
    ├── NotEntered                   the service or client was not entered, or has been left
    ├── ExportError                  an exported file cannot be written
    │   └── ParquetNotInstalled      Parquet files need an extra that is not installed
    ├── ExtraNotInstalled            a part of docservice needs an extra that is not installed
    └── SettingsInvalid              a setting or file given by the operator is wrong

`code` is part of the API: it is stable, in kebab-case and appears in problem answers. `retryable` says whether the
same call may succeed later without a change.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, NamedTuple


class DocServiceError(Exception):
    """Something went wrong in docservice."""

    code: ClassVar[str] = "docservice-error"
    retryable: ClassVar[bool] = False

    def __init__(self, message: str = "") -> None:
        super().__init__(message or (type(self).__doc__ or "").strip().split("\n")[0])


class RequestError(DocServiceError):
    """The request cannot be carried out as it is."""

    code = "request-error"


class MalformedRequest(RequestError):
    """The request body cannot be read."""

    code = "malformed-request"


class FieldError(NamedTuple):
    """One thing wrong with one field.

    Attributes:
        path: keys and list positions from the body to the field; empty for the body as a whole.
        code: the rule that failed, as Kolibri names it in lower case (`required`, `null`, `min_value` ...).
        message: what is wrong, in a sentence. Never holds the value that was sent.
    """

    path: tuple[str | int, ...]
    code: str
    message: str

    @property
    def pointer(self) -> str:
        """The path as a JSON Pointer (RFC 6901)."""
        return "".join("/" + str(part).replace("~", "~0").replace("/", "~1") for part in self.path)


class ValidationFailed(RequestError):
    """Some fields of the request are not valid.

    Attributes:
        errors: all that is wrong, in the order of the fields.
    """

    code = "validation-failed"

    def __init__(self, errors: Sequence[FieldError]) -> None:
        self.errors = tuple(errors)
        super().__init__("; ".join(f"{e.pointer or 'body'}: {e.message}" for e in self.errors))


class FilterInvalid(ValidationFailed, ValueError):
    """A filter names no field of the logs, or its value does not fit the field."""

    code = "filter-invalid"

    def __init__(self, errors: Sequence[FieldError]) -> None:
        self.errors = tuple(errors)
        told = "; ".join(f"the filter {'.'.join(map(str, e.path))}: {e.message}" for e in self.errors)
        RequestError.__init__(self, told[:1].upper() + told[1:])


class InvalidReference(RequestError):
    """An id in the request points at nothing that the caller can use."""

    code = "invalid-reference"


class UnstorableValue(RequestError):
    """A value cannot be stored.

    Attributes:
        path: path of the value in the request.
        reason: which limit it passes, in a sentence.
    """

    code = "unstorable-value"

    def __init__(self, path: Sequence[str | int], reason: str) -> None:
        self.path = tuple(path)
        self.reason = reason
        super().__init__(f"{FieldError(self.path, '', '').pointer or 'body'}: {reason}")


class BodyTooLarge(RequestError):
    """The request body is over the limit."""

    code = "body-too-large"


class DocumentTooLarge(RequestError):
    """The document would pass the largest size that can be stored."""

    code = "document-too-large"


class RequestTooSlow(RequestError):
    """The request did not arrive in time. Send it again."""

    code = "request-too-slow"


class TooManyRequests(RequestError):
    """The caller has too many requests under way. Send fewer at a time."""

    code = "too-many-requests"
    retryable = True


class TooManySignIns(TooManyRequests):
    """There were too many wrong passwords in the last minute. Wait a minute, then try again."""

    code = "too-many-sign-ins"


class UnsupportedMediaType(RequestError):
    """The content type of the body is not supported. Send application/json."""

    code = "unsupported-media-type"


class UnsupportedEncoding(UnsupportedMediaType):
    """The Content-Encoding of the body is not known. Send the body plain or packed with gzip."""

    code = "unsupported-encoding"


class Unauthenticated(RequestError):
    """The request carries a token that does not prove who is calling."""

    code = "unauthenticated"


class NotSignedIn(RequestError):
    """This needs a sign-in: send the header `Authorization: Bearer TOKEN`."""

    code = "not-signed-in"


class CredentialsRefused(RequestError):
    """The username or the password is not right."""

    code = "credentials-refused"


class UsernameUnknown(CredentialsRefused):
    """Username not found."""

    code = "username-unknown"


class PasswordMissing(CredentialsRefused):
    """Username is valid, but password is missing."""

    code = "password-missing"


class PasswordNotSet(CredentialsRefused):
    """Username is valid, but password needs to be set before login."""

    code = "password-not-set"


class SignInDisabled(RequestError):
    """This service takes no passwords, unless DOCSERVICE_KOLIBRI_SIGN_IN says so."""

    code = "sign-in-disabled"


class SignInLinkUsed(RequestError):
    """The link was used, or is too old. Ask for a new one."""

    code = "sign-in-link-used"


class PermissionDenied(RequestError):
    """The caller may not do this."""

    code = "permission-denied"


class ForgeryRefused(PermissionDenied):
    """A request that is known by a cookie and changes something needs the CSRF token in the header X-CSRFToken."""

    code = "forgery-refused"


class LogNotFound(RequestError):
    """There is no such log, or it is not the caller's."""

    code = "log-not-found"


class DoesNotExist(LogNotFound):
    """No log fits the filters."""

    code = "does-not-exist"


class ContentSummaryLogDoesNotExist(DoesNotExist):
    """No content summary log fits the filters."""

    code = "content-summary-log-does-not-exist"


class ContentSessionLogDoesNotExist(DoesNotExist):
    """No content session log fits the filters."""

    code = "content-session-log-does-not-exist"


class MasteryLogDoesNotExist(DoesNotExist):
    """No mastery log fits the filters."""

    code = "mastery-log-does-not-exist"


class AttemptLogDoesNotExist(DoesNotExist):
    """No attempt log fits the filters."""

    code = "attempt-log-does-not-exist"


class UserSessionLogDoesNotExist(DoesNotExist):
    """No user session log fits the filters."""

    code = "user-session-log-does-not-exist"


class ExamLogDoesNotExist(DoesNotExist):
    """No exam log fits the filters."""

    code = "exam-log-does-not-exist"


class ExamAttemptLogDoesNotExist(DoesNotExist):
    """No exam attempt log fits the filters."""

    code = "exam-attempt-log-does-not-exist"


class MultipleObjectsReturned(RequestError):
    """Several logs fit the filters, and one was asked for."""

    code = "multiple-objects-returned"


class MultipleContentSummaryLogsReturned(MultipleObjectsReturned):
    """Several content summary logs fit the filters, and one was asked for."""

    code = "multiple-content-summary-logs-returned"


class MultipleContentSessionLogsReturned(MultipleObjectsReturned):
    """Several content session logs fit the filters, and one was asked for."""

    code = "multiple-content-session-logs-returned"


class MultipleMasteryLogsReturned(MultipleObjectsReturned):
    """Several mastery logs fit the filters, and one was asked for."""

    code = "multiple-mastery-logs-returned"


class MultipleAttemptLogsReturned(MultipleObjectsReturned):
    """Several attempt logs fit the filters, and one was asked for."""

    code = "multiple-attempt-logs-returned"


class MultipleUserSessionLogsReturned(MultipleObjectsReturned):
    """Several user session logs fit the filters, and one was asked for."""

    code = "multiple-user-session-logs-returned"


class MultipleExamLogsReturned(MultipleObjectsReturned):
    """Several exam logs fit the filters, and one was asked for."""

    code = "multiple-exam-logs-returned"


class MultipleExamAttemptLogsReturned(MultipleObjectsReturned):
    """Several exam attempt logs fit the filters, and one was asked for."""

    code = "multiple-exam-attempt-logs-returned"


class CollectionNotFound(RequestError):
    """The directory has no such collection."""

    code = "collection-not-found"


class RecordNotFound(RequestError):
    """The directory has no such record, or it is not yours to read."""

    code = "record-not-found"


class WithdrawalRefused(RequestError):
    """This would remove too much of the directory at once. Nothing was changed."""

    code = "withdrawal-refused"


class PageNotFound(RequestError):
    """The list has no such page."""

    code = "page-not-found"


class MissingParameters(RequestError):
    """The query lacks parameters that are required; they may be empty.

    Attributes:
        names: the missing ones.
    """

    code = "missing-parameters"

    def __init__(self, names: Sequence[str]) -> None:
        self.names = tuple(names)
        super().__init__(f"The following parameters were missing and are required: {', '.join(self.names)}")


class IdempotencyMismatch(RequestError):
    """The Idempotency-Key was used before, for a different request. Take a new key for a new request."""

    code = "idempotency-mismatch"


class SignInUnavailable(DocServiceError):
    """The sign-in does not answer, so that the token cannot be checked. Try again soon."""

    code = "sign-in-unavailable"
    retryable = True


class DirectoryIncomplete(DocServiceError):
    """The directory lacks a record that this action needs."""

    code = "directory-incomplete"


class StoreError(DocServiceError):
    """The database could not do what was asked."""

    code = "store-error"


class StoreUnavailable(StoreError):
    """The database does not answer."""

    code = "store-unavailable"
    retryable = True


class StoreTimeout(StoreError):
    """The database did not answer in time."""

    code = "store-timeout"
    retryable = True


class StoreRefused(StoreError):
    """The database refused the sign-in or the command."""

    code = "store-refused"


class StandaloneServer(StoreError):
    """The MongoDB server is a standalone, but transactions need a replica set."""

    code = "standalone-server"


class ServiceBusy(DocServiceError):
    """The service has too many requests under way, or is stopping. Try again a little later."""

    code = "service-busy"
    retryable = True


class EngineError(DocServiceError):
    """The embedded engine could not do what was asked."""

    code = "engine-error"


class EngineNotInstalled(EngineError):
    """No MongoDB address was given and the embedded engine is not installed."""

    code = "engine-not-installed"


class EngineNotBuilt(EngineError):
    """The native build of the embedded engine could not be compiled."""

    code = "engine-not-built"


class EngineNotRunning(EngineError):
    """The embedded engine is not running."""

    code = "engine-not-running"
    retryable = True


class EnginePasswordWrong(EngineError):
    """The password file of the embedded engine is missing, or does not open its data."""

    code = "engine-password-wrong"


class EngineInUse(EngineError):
    """The embedded engine is running. Stop all commands that use its data directory first."""

    code = "engine-in-use"
    retryable = True


class NotEntered(DocServiceError):
    """Enter it before you use it: `async with DocService(...) as logs: ...`."""

    code = "not-entered"


class ClientError(DocServiceError):
    """A call over the REST API failed on its way."""

    code = "client-error"


class ServiceUnavailable(ClientError):
    """The service does not answer. Whether a write was carried out is not known."""

    code = "service-unavailable"
    retryable = True


class UnexpectedAnswer(ClientError):
    """The response is not one of a docservice.

    Attributes:
        status: HTTP status, 0 if there was none.
        request_id: finds the request in the log of the service; None if the answer names none.
    """

    code = "unexpected-answer"

    def __init__(self, status: int, request_id: str | None, message: str = "") -> None:
        self.status = status
        self.request_id = request_id
        place = f" (request {request_id})" if request_id else ""
        super().__init__(f"The service answered {status}{place}. {message}".strip())


class ExportError(DocServiceError):
    """An exported file cannot be written."""

    code = "export-error"


class ParquetNotInstalled(ExportError):
    """Parquet files need pyarrow. Install it with `pip install 'docservice[parquet]'`, or export CSV."""

    code = "parquet-not-installed"


class ExtraNotInstalled(DocServiceError, ImportError):
    """This part of docservice needs an extra that is not installed."""

    code = "extra-not-installed"


class SettingsInvalid(DocServiceError):
    """A setting or a file given by the operator is not valid."""

    code = "settings-invalid"
