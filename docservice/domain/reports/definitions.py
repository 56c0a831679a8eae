"""The reports that there are: what each says, where its rule comes from, its columns and its filters.

Nothing here says how a report looks; REST, the command line and pages show the same rows.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime
from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict, model_validator

ReportName = Literal[
    "class-progress",
    "lesson-progress",
    "learners-needing-help",
    "difficult-questions",
    "item-analysis",
    "quiz-statistics",
    "wrong-answers",
    "activity",
    "learner-timeline",
    "data-quality",
]

ReportUnit = Literal["id", "text", "count", "number", "share", "percent", "seconds", "time", "date", "flag"]
"""What a column holds: an id, for programs; a text; an integer; a number; a number from 0 to 1; a number of
percent; a number of seconds; a moment with its zone; a day; true or false. Any of them may be empty (null)."""


class ReportColumn(BaseModel):
    """One column of a report.

    Attributes:
        name: key of its values in a row.
        title: heading for people.
        unit: what it holds.
    """

    model_config = ConfigDict(frozen=True)

    name: str
    title: str
    unit: ReportUnit


class ReportDefinition(BaseModel):
    """What a report is.

    Attributes:
        name: as people ask for it.
        title: heading for people.
        about: what it says, in one sentence.
        source: where the rule comes from.
        columns: in order.
        filters: that it can be narrowed with.
        required: those of them that it needs.
        one_of: those of them of which it needs one at least; empty: none.
    """

    model_config = ConfigDict(frozen=True)

    name: str
    title: str
    about: str
    source: str
    columns: tuple[ReportColumn, ...]
    filters: tuple[str, ...]
    required: tuple[str, ...] = ()
    one_of: tuple[str, ...] = ()


class Report(BaseModel):
    """A report: its definition and its rows.

    Attributes:
        definition: what it is.
        filters: that it was narrowed with.
        generated: when the rows were made.
        notes: what the reader has to know, in sentences: what was left out, and why.
        rows: the value of each column by its name, None if there is none.
    """

    definition: ReportDefinition
    filters: dict[str, Any]
    generated: datetime
    notes: list[str] = []
    rows: list[dict[str, Any]]

    @model_validator(mode="after")
    def _read_times(self) -> Self:
        """Make times of the texts that JSON has in their place."""
        for column in self.definition.columns:
            read = _READ.get(column.unit)
            if read is not None:
                for row in self.rows:
                    if isinstance(row[column.name], str):
                        row[column.name] = read(row[column.name])
        return self


_READ: Mapping[ReportUnit, Any] = {"time": datetime.fromisoformat, "date": date.fromisoformat}


def _columns(*columns: tuple[str, str, ReportUnit]) -> tuple[ReportColumn, ...]:
    return tuple(ReportColumn(name=name, title=title, unit=unit) for name, title, unit in columns)


_PEOPLE = ("facility", "classroom", "learner_group", "user")
_CONTENT = ("channel", "topic", "content")
_DAYS = ("since", "until", "zone")

_QUESTIONS = ("content", "quiz", "lesson", "topic", "classroom", "learner_group", "user")
"""A report of questions needs one of these."""

_STATISTIC_FILTERS = (*_PEOPLE, *_CONTENT, "lesson", "quiz", "tries", "least_learners")

_LEARNER = _columns(("learner_id", "Learner id", "id"), ("learner", "Learner", "text"))
_LESSON = _columns(("lesson_id", "Lesson id", "id"), ("lesson", "Lesson", "text"))
_TITLED = _columns(("content_id", "Content id", "id"), ("title", "Title", "text"), ("kind", "Kind", "text"))
_QUESTION = _columns(("item", "Question id", "id"), ("question", "Question", "text"), ("number", "Number", "count"))

_COACH = "Kolibri 0.19: the coach's"

CLASS_PROGRESS = ReportDefinition(
    name="class-progress",
    title="Class progress",
    about=(
        "How far each learner of a class is with each lesson, each resource of a lesson and each quiz: not started, "
        "started, needs help or completed."
    ),
    source=(
        f"{_COACH} class summary (plugins/coach/class_summary_api.py); that a learner needs help, "
        "core/notifications/api.py: four wrong or hinted answers in one try at an exercise of a lesson that the "
        "learner has not completed; the status of a lesson, coach frontend, modules/classSummary."
    ),
    columns=(
        *_LEARNER,
        *_columns(("groups", "Groups", "text"), ("unit", "Row is a", "text")),
        *_LESSON,
        *_TITLED,
        *_columns(
            ("assigned", "Assigned", "flag"),
            ("status", "Status", "text"),
            ("last_activity", "Last activity", "time"),
            ("time_spent", "Time spent", "seconds"),
            ("tries", "Tries", "count"),
            ("num_correct", "Correct answers", "number"),
            ("num_answered", "Answers", "count"),
            ("previous_num_correct", "Correct answers in the try before", "count"),
            ("question_count", "Questions", "count"),
        ),
    ),
    filters=("classroom", "learner_group", "user", "lesson", "quiz"),
    required=("classroom",),
)
LESSON_PROGRESS = ReportDefinition(
    name="lesson-progress",
    title="Lesson progress",
    about="How many of the learners whom a lesson is assigned to have completed or started each of its resources.",
    source=f"{_COACH} lesson report (plugins/coach/serializers.py) and the statuses of `class-progress`.",
    columns=(
        *_LESSON,
        *_TITLED,
        *_columns(
            ("learners", "Learners", "count"),
            ("completed", "Completed", "count"),
            ("started", "Started", "count"),
            ("help_needed", "Need help", "count"),
            ("not_started", "Not started", "count"),
        ),
    ),
    filters=("classroom", "learner_group", "user", "lesson"),
    required=("classroom",),
)
LEARNERS_NEEDING_HELP = ReportDefinition(
    name="learners-needing-help",
    title="Learners needing help",
    about="Which learners of a class need help with which exercise of their lessons, those with the latest work first.",
    source="The status `HelpNeeded` of `class-progress`.",
    columns=(
        *_LEARNER,
        *_columns(("groups", "Groups", "text")),
        *_LESSON,
        *_TITLED,
        *_columns(
            ("last_activity", "Last activity", "time"),
            ("time_spent", "Time spent", "seconds"),
            ("tries", "Tries", "count"),
        ),
    ),
    filters=("classroom", "learner_group", "user", "lesson"),
    required=("classroom",),
)
DIFFICULT_QUESTIONS = ReportDefinition(
    name="difficult-questions",
    title="Difficult questions",
    about="How often each question was answered and how often rightly, the hardest by share first.",
    source=(
        f"{_COACH} difficult questions (plugins/coach/api.py): of an exercise all attempts; of a quiz the tries that "
        "were handed in (all, once it is inactive) against the tries of its class or group; of a practice quiz each "
        "learner's latest complete try."
    ),
    columns=(
        *_TITLED,
        *_QUESTION,
        *_columns(
            ("total", "Counted", "count"), ("correct", "Correct", "number"), ("share_correct", "Share correct", "share")
        ),
    ),
    filters=(*_PEOPLE, *_CONTENT, "lesson", "quiz"),
    one_of=_QUESTIONS,
)

_MOODLE = (
    "Moodle's quiz statistics (docs.moodle.org, Quiz statistics calculations); of a quiz each learner's first complete "
    "try counts, of an exercise each learner's first attempt at a question."
)
ITEM_ANALYSIS = ReportDefinition(
    name="item-analysis",
    title="Item analysis",
    about="How hard each question is and how well it tells learners who know more from those who know less.",
    source=f"{_MOODLE} Confidence interval: Wilson's score, 95 %.",
    columns=(
        *_TITLED,
        *_QUESTION,
        *_columns(
            ("learners", "Learners", "count"),
            ("responses", "Tries counted", "count"),
            ("answered", "Answers", "count"),
            ("facility_index", "Facility index", "percent"),
            ("facility_low", "Facility index, low", "percent"),
            ("facility_high", "Facility index, high", "percent"),
            ("facility_sd", "Standard deviation", "percent"),
            ("discrimination_index", "Discrimination index", "percent"),
            ("discriminative_efficiency", "Discriminative efficiency", "percent"),
            ("median_time", "Median time", "seconds"),
            ("share_hinted", "Share with hints", "share"),
            ("share_error", "Share with errors", "share"),
            ("wrong_answer", "Most frequent wrong answer", "text"),
            ("wrong_answer_count", "Times given", "count"),
        ),
    ),
    filters=_STATISTIC_FILTERS,
    one_of=_QUESTIONS,
)
QUIZ_STATISTICS = ReportDefinition(
    name="quiz-statistics",
    title="Quiz statistics",
    about="How learners did in each quiz as a whole, and how far its score can be relied on.",
    source=f"{_MOODLE} Internal consistency: Cronbach's alpha. Percent are of the highest possible score.",
    columns=(
        *_TITLED,
        *_columns(
            ("learners", "Learners", "count"),
            ("responses", "Tries counted", "count"),
            ("questions", "Questions", "count"),
            ("mean", "Mean", "percent"),
            ("median", "Median", "percent"),
            ("sd", "Standard deviation", "percent"),
            ("skewness", "Skewness", "number"),
            ("kurtosis", "Kurtosis", "number"),
            ("cronbach_alpha", "Internal consistency", "percent"),
            ("error_ratio", "Error ratio", "percent"),
            ("standard_error", "Standard error", "percent"),
        ),
    ),
    filters=_STATISTIC_FILTERS,
    one_of=_QUESTIONS,
)
WRONG_ANSWERS = ReportDefinition(
    name="wrong-answers",
    title="Wrong answers",
    about="Which wrong answers are given to each question, and how often.",
    source="The answers that `item-analysis` counts.",
    columns=(
        *_TITLED,
        *_QUESTION,
        *_columns(
            ("answer", "Answer", "text"),
            ("count", "Times given", "count"),
            ("learners", "Learners", "count"),
            ("share", "Share of all answers", "share"),
        ),
    ),
    filters=_STATISTIC_FILTERS,
    one_of=_QUESTIONS,
)
ACTIVITY = ReportDefinition(
    name="activity",
    title="Activity",
    about="How many learners were active, what they visited, how long they worked and what they completed.",
    source=(
        "Content sessions by their start; completions by the completion time of content summaries; by device: user "
        "sessions, which know no content."
    ),
    columns=_columns(
        ("day", "Day", "date"),
        ("topic_id", "Topic id", "id"),
        ("topic", "Topic", "text"),
        ("device", "Device", "text"),
        ("learners", "Learners", "count"),
        ("visits", "Visits", "count"),
        ("time_spent", "Time spent", "seconds"),
        ("completions", "Completions", "count"),
    ),
    filters=(*_PEOPLE, *_CONTENT, *_DAYS, "by"),
)
LEARNER_TIMELINE = ReportDefinition(
    name="learner-timeline",
    title="Learner",
    about="All that one learner did, in the order of time: user sessions, visits, tries, answers and completions.",
    source="The learner's logs, each by its start.",
    columns=(
        *_columns(("time", "Time", "time"), ("event", "What", "text")),
        *_LEARNER,
        *_TITLED,
        *_columns(
            ("lesson_id", "Lesson id", "id"),
            ("lesson", "Lesson", "text"),
            ("try_number", "Try", "count"),
            ("item", "Question id", "id"),
            ("question", "Question", "text"),
            ("answer", "Answer", "text"),
            ("correct", "Correct", "number"),
            ("complete", "Complete", "flag"),
            ("hinted", "Hint", "flag"),
            ("error", "Error", "flag"),
            ("progress", "Progress", "share"),
            ("time_spent", "Time spent", "seconds"),
            ("end", "End", "time"),
            ("device", "Device", "text"),
        ),
    ),
    filters=("user", *_CONTENT, *_DAYS),
    required=("user",),
)
DATA_QUALITY = ReportDefinition(
    name="data-quality",
    title="Data quality",
    about="What to know of the data before it is believed: clocks, duplicates, rows set aside, and the latest data.",
    source=(
        "Content sessions, content summaries, user sessions, people of the directory, and the rows that imports have "
        "set aside."
    ),
    columns=_columns(
        ("facility_id", "Facility id", "id"),
        ("facility", "Facility", "text"),
        ("check", "Check", "text"),
        ("subject", "About", "text"),
        ("count", "Count", "count"),
        ("first", "First", "time"),
        ("last", "Last", "time"),
    ),
    filters=_PEOPLE,
)

REPORTS: dict[ReportName, ReportDefinition] = {
    "class-progress": CLASS_PROGRESS,
    "lesson-progress": LESSON_PROGRESS,
    "learners-needing-help": LEARNERS_NEEDING_HELP,
    "difficult-questions": DIFFICULT_QUESTIONS,
    "item-analysis": ITEM_ANALYSIS,
    "quiz-statistics": QUIZ_STATISTICS,
    "wrong-answers": WRONG_ANSWERS,
    "activity": ACTIVITY,
    "learner-timeline": LEARNER_TIMELINE,
    "data-quality": DATA_QUALITY,
}
"""All reports by name."""
