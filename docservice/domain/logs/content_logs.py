"""Models of Kolibri's logs of content: content sessions, summaries, mastery logs and attempts.

Fields and checks are those of Kolibri's models. Times are aware UTC in milliseconds, durations are seconds, ids 32 hex
characters. A summary holds its mastery logs, a mastery log its attempts, as in the stored document; every log
also keeps its own Morango fields, because on the wire each is a record of its own.
Rule: kolibri/core/logger/models.py.
"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, ClassVar, Self

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, WithJsonSchema

from docservice import errors
from docservice.domain.logs.datasets import KnownDatasets, dataset_of_anonymous, required
from docservice.domain.values.ids import is_hex_id, record_id
from docservice.domain.values.json_columns import stored_history
from docservice.domain.values.partitions import log_partition
from docservice.domain.values.times import to_milliseconds


def _hex_id(value: str) -> str:
    if not is_hex_id(value):
        raise ValueError("an id has 32 lower-case hex characters")
    return value


HexId = Annotated[str, AfterValidator(_hex_id), WithJsonSchema({"type": "string", "pattern": "^[0-9a-f]{32}$"})]
Timestamp = Annotated[datetime, AfterValidator(to_milliseconds)]
NonNegative = Annotated[float, Field(ge=0, allow_inf_nan=False)]
AnyJson = dict[str, Any] | list[Any] | str | bool | int | float | None
History = Annotated[list[Any], BeforeValidator(stored_history)]
MasteryLevel = Annotated[int, Field(ge=-(2**31), lt=2**31)]


class SyncableLog(BaseModel):
    """What all logs have: an id, a dataset, Morango's fields.

    Attributes:
        id: computed from the three below; empty until `identified` gave it.
        dataset_id: the facility's dataset.
        morango_source_id: what makes the record unique in its partition; given or random.
        morango_partition: which devices the record may travel to.
        morango_dirty_bit: true since the last change that sync has not picked up.
        recorded: for each time that came from a Kolibri device, its own text with microseconds and zone.
    """

    model_config = ConfigDict(extra="forbid", validate_by_name=True, validate_by_alias=True)
    model_name: ClassVar[str]
    DoesNotExist: ClassVar[type[errors.DoesNotExist]] = errors.DoesNotExist
    """What `get` and `delete` raise when no log of this model fits."""
    MultipleObjectsReturned: ClassVar[type[errors.MultipleObjectsReturned]] = errors.MultipleObjectsReturned
    """What `get` raises when several logs of this model fit."""

    id: str = ""
    dataset_id: HexId
    user_id: HexId | None = None
    morango_source_id: Annotated[str, Field(max_length=96)] = Field(default="", alias="_morango_source_id")
    morango_partition: Annotated[str, Field(max_length=128)] = Field(default="", alias="_morango_partition")
    morango_dirty_bit: bool = Field(default=True, alias="_morango_dirty_bit")
    recorded: dict[str, str] = Field(default_factory=dict, alias="_recorded")

    def infer_dataset(self, known: KnownDatasets) -> str:
        """Return the dataset that the log belongs to, whatever its own `dataset_id` says.

        It is the learner's. An anonymous log keeps its own dataset if a facility has it, and else goes to the default
        facility. Attempts go where the log goes that they belong to.

        Args:
            known: the datasets that the directory and the stored logs have for the log.

        Raises:
            DirectoryIncomplete: the one that decides is not known.

        Rule: kolibri/core/logger/models.py, `infer_dataset` of the models.

        >>> summary = await logs.content_summary_logs.get(user_id=learner.user_id)
        >>> summary.infer_dataset(KnownDatasets(of_learner=school.dataset_id)) == school.dataset_id
        True
        """
        if self.user_id:
            return required(known.of_learner, "The directory has no person with the user_id of the log.")
        return dataset_of_anonymous(self.dataset_id, known)

    def calculate_partition(self) -> str:
        """Return the partition that the record belongs to: `<dataset>:user-rw:<user>`, or `<dataset>:anonymous`."""
        return log_partition(self.dataset_id, self.user_id)

    def calculate_source_id(self) -> str | None:
        """Return the source id that follows from the record; None where the model takes a random one.

        >>> summary = await logs.content_summary_logs.get(user_id=learner.user_id)
        >>> summary.calculate_source_id() == summary.content_id
        True
        >>> summary.calculate_partition() == f"{school.dataset_id}:user-rw:{learner.user_id}"
        True
        """
        return None

    def identified(self, random_source_id: str | None = None) -> Self:
        """Return the same log with source id, partition and id filled in.

        Args:
            random_source_id: 32 hex characters for models whose source id is random; not used by the others.

        Raises:
            ValueError: the model needs a random source id and got none.
        """
        source_id = self.calculate_source_id() or self.morango_source_id or random_source_id
        if not source_id:
            raise ValueError(f"a {self.model_name} needs a random source id")
        partition = self.calculate_partition()
        return self.model_copy(
            update={
                "id": record_id(partition, source_id, self.model_name),
                "morango_source_id": source_id,
                "morango_partition": partition,
            }
        )


class BaseAttemptLog(SyncableLog):
    """What attempts at questions have in common, in content sessions and in the exams of old.

    Attributes:
        correct: how right the first answer was, 0..1; a later answer counts only if it replaces.
        answer: an object, if Kolibri's own front end made it; other writers gave texts and lists.
        interaction_history: one entry for each answer, hint or error, oldest first.
    """

    item: Annotated[str, Field(min_length=1)]
    start_timestamp: Timestamp
    end_timestamp: Timestamp
    completion_timestamp: Timestamp | None = None
    time_spent: NonNegative = 0.0
    complete: bool = False
    correct: Annotated[float, Field(ge=0, le=1)]
    hinted: bool = False
    error: bool = False
    answer: AnyJson = Field(default_factory=dict)
    simple_answer: str | None = ""
    interaction_history: History = Field(default_factory=list)


class AttemptLog(BaseAttemptLog):
    """One answered question.

    Attributes:
        masterylog_id: the try it belongs to; None for anonymous visitors and content without a mastery model.
        sessionlog_id: the content session that made it.
    """

    model_name = "attemptlog"
    DoesNotExist = errors.AttemptLogDoesNotExist
    MultipleObjectsReturned = errors.MultipleAttemptLogsReturned

    sessionlog_id: HexId
    masterylog_id: HexId | None = None

    def infer_dataset(self, known: KnownDatasets) -> str:
        """Return the dataset of the content session that made the attempt; see `SyncableLog.infer_dataset`."""
        return required(known.of_parent, "There is no content session with the sessionlog_id of the attempt.")


class MasteryLog(SyncableLog):
    """One try at an assessment.

    Attributes:
        mastery_level: 1, 2, 3 ... for tries at an exercise; random and negative for tries at a quiz.
        time_spent: seconds; None in records from before the field existed.
        attempt_count: all attempts of the mastery log, wherever they are stored.
        correct_sum: sum of `correct` over all attempts of the mastery log.
        attempts: those embedded in the summary; the oldest of many are kept elsewhere.
    """

    model_name = "masterylog"
    DoesNotExist = errors.MasteryLogDoesNotExist
    MultipleObjectsReturned = errors.MultipleMasteryLogsReturned

    user_id: HexId
    summarylog_id: HexId
    mastery_criterion: dict[str, Any] = Field(default_factory=dict)
    start_timestamp: Timestamp
    end_timestamp: Timestamp | None = None
    completion_timestamp: Timestamp | None = None
    mastery_level: MasteryLevel
    complete: bool = False
    time_spent: NonNegative | None = 0.0
    attempt_count: Annotated[int, Field(ge=0)] = 0
    correct_sum: float = 0.0
    attempts: list[AttemptLog] = Field(default_factory=list)

    def calculate_source_id(self) -> str:
        """Return one mastery log for each summary and level."""
        return f"{self.summarylog_id}:{self.mastery_level}"


class ContentSummaryLog(SyncableLog):
    """All content sessions of one learner to one content, with the mastery logs at it.

    Attributes:
        channel_id: the channel of the latest content session; None for quizzes.
        progress: 0..1 (up to 1.01 in old records).
        completion_timestamp: when progress last reached 1; stays when progress falls again.
    """

    model_name = "contentsummarylog"
    DoesNotExist = errors.ContentSummaryLogDoesNotExist
    MultipleObjectsReturned = errors.MultipleContentSummaryLogsReturned

    user_id: HexId
    content_id: HexId
    channel_id: HexId | None = None
    start_timestamp: Timestamp
    end_timestamp: Timestamp | None = None
    completion_timestamp: Timestamp | None = None
    time_spent: NonNegative = 0.0
    progress: Annotated[float, Field(ge=0, le=1.01)] = 0.0
    kind: Annotated[str, Field(min_length=1, max_length=200)]
    extra_fields: dict[str, Any] = Field(default_factory=dict)
    mastery_logs: list[MasteryLog] = Field(default_factory=list)

    def calculate_source_id(self) -> str:
        """Return one summary for each learner and content."""
        return self.content_id


class ContentSessionLog(SyncableLog):
    """One content session: one visit of one content.

    Attributes:
        user_id: None for an anonymous visit.
        visitor_id: the browser of an anonymous visit, if it said which.
        extra_fields: `{"context": {...}}`: what was visited, and in which lesson, quiz, course or try.
        attempts: attempts that belong to no try.
    """

    model_name = "contentsessionlog"
    DoesNotExist = errors.ContentSessionLogDoesNotExist
    MultipleObjectsReturned = errors.MultipleContentSessionLogsReturned

    visitor_id: HexId | None = None
    content_id: HexId
    channel_id: HexId | None = None
    start_timestamp: Timestamp
    end_timestamp: Timestamp | None = None
    time_spent: NonNegative = 0.0
    progress: NonNegative = 0.0
    kind: Annotated[str, Field(min_length=1, max_length=200)]
    extra_fields: dict[str, Any] = Field(default_factory=dict)
    attempts: list[AttemptLog] = Field(default_factory=list)

    @property
    def context(self) -> dict[str, Any]:
        """What was visited: `node_id`, `quiz_id`, `lesson_id`, `mastery_level`, `course_session_id`, `unit_id`."""
        context = self.extra_fields.get("context")
        return context if isinstance(context, dict) else {}
