"""What people do at the Mongo shell: the queries of the manual, and the script that applies `indexes/`."""

from __future__ import annotations

import re
import shutil
import uuid
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
from bson import json_util

from docservice import DocService, Principal, StartSession, UpdateSession
from docservice.domain.logs.migrated_quizzes import migrated_level
from docservice.domain.requests.user_sessions import ReportActivity
from docservice.domain.values.ids import record_id

from .manual import PAGES
from .mongo_shell import ROOT, mongosh, shell_uri
from .running import Service

pytestmark = [pytest.mark.engine, pytest.mark.timeout(360), pytest.mark.slow]

NOW = datetime.now(UTC).replace(microsecond=0)
DAY = timedelta(days=1)

RUNNER = """
const results = {}
const emit = (title, answer) => { results[title] = Array.isArray(answer) ? answer : answer.toArray() }
%s
print(EJSON.stringify(results, {relaxed: false}))
"""


def of(name: str) -> str:
    """A fixed id."""
    return record_id("shell", name, "test")


@dataclass(frozen=True)
class Visit:
    """One visit of a learner, and what was answered in it.

    Attributes:
        days_ago: when it began.
        answers: `(item, right, with a hint, seconds)`.
        done: whether the content was completed.
        level: which try it is; 0: a quiz or no exercise.
        upgraded: whether it was an exam log that an upgrade of Kolibri copied into a try.
    """

    who: str
    days_ago: float
    content: str
    answers: Sequence[tuple[str, bool, bool, int]] = ()
    done: bool = False
    level: int = 0
    upgraded: bool = False


TOPIC_OF = {"adding": "Fractions", "halves": "Fractions", "area": "Measuring", "garden": "Measuring"}
KINDS = {"adding": "exercise", "area": "exercise", "halves": "video", "garden": "document"}
CLASS_1, CLASS_2 = ("zawadi1", "brian", "chloe"), ("daudi",)
RIGHT, WRONG, HINTED = (True, False), (False, False), (False, True)


def asked(*results: tuple[str, tuple[bool, bool]]) -> list[tuple[str, bool, bool, int]]:
    """Answers that take 10, 11, 12 ... seconds."""
    return [(item, *how, 10 + number) for number, (item, how) in enumerate(results)]


VISITS = (
    Visit("zawadi1", 20, "adding", asked(("q1", WRONG), ("q2", WRONG), ("q3", RIGHT)), done=True, level=1),
    Visit("zawadi1", 6, "adding", asked(("q1", WRONG), ("q4", RIGHT)), done=True, level=2),
    Visit("zawadi1", 2.5, "halves", done=True),
    Visit("zawadi1", 1, "quiz", asked(("a", RIGHT), ("b", RIGHT))),
    Visit("brian", 13, "area", asked(("q1", HINTED), ("q2", HINTED), ("q3", RIGHT), ("q4", WRONG)), level=1),
    Visit("brian", 3, "adding", asked(("q1", WRONG), ("q2", HINTED)), level=1),
    Visit("brian", 1, "quiz", asked(("a", RIGHT), ("b", WRONG))),
    Visit("chloe", 60, "quiz", asked(("a", RIGHT), ("b", RIGHT), ("c", RIGHT)), done=True, upgraded=True),
    Visit("chloe", 4, "garden", done=True),
    Visit("daudi", 2, "adding", asked(*[("q2", HINTED)] * 9), done=True, level=1),
    Visit("daudi", 1, "area", asked(("q1", WRONG)), level=1),
)
IN_CLASS = [visit for visit in VISITS if visit.who in CLASS_1]
DEVICES = {"zawadi1": ("Android", "Chrome"), "brian": ("Android", "Chrome"), "chloe": ("Linux", "Firefox")}


def directory() -> dict[str, Any]:
    """Two classes, a lesson of two exercises, a quiz, and a channel with two topics."""
    dataset, facility = {"dataset": of("dataset")}, {"facility": of("facility")}
    topics = sorted(set(TOPIC_OF.values()))
    root = {"id": of("root"), "title": "Mathematics"}
    channel = {"channel_id": of("channel")}
    return {
        "datasets": [{"id": of("dataset")}],
        "facilities": [{"id": of("facility"), **dataset, "name": "School"}],
        "classrooms": [
            {"id": of(name), **dataset, "name": name, "parent": of("facility")} for name in ("Class 1", "Class 2")
        ],
        "users": [
            {"id": of(name), **dataset, **facility, "username": name, "full_name": name.title()}
            for name in (*CLASS_1, *CLASS_2)
        ],
        "memberships": [
            {"id": of(f"{room} {name}"), "user": of(name), "collection": of(room)}
            for room, names in (("Class 1", CLASS_1), ("Class 2", CLASS_2))
            for name in names
        ],
        "exams": [
            {
                "id": of("quiz"),
                "title": "Quiz 1",
                "collection": of("Class 1"),
                "active": True,
                "assignments": [of("Class 1")],
            }
        ],
        "lessons": [
            {
                "id": of("lesson"),
                "title": "Week 1: Adding fractions",
                "collection": of("Class 1"),
                "assignments": [of("Class 1")],
                "resources": [{"content_id": of("adding")}, {"content_id": of("area")}],
            }
        ],
        "content_nodes": [
            *({"id": of(t), "content_id": of(f"{t} topic"), **channel, "title": t, "kind": "topic"} for t in topics),
            *(
                {
                    "id": of(f"node {name}"),
                    "content_id": of(name),
                    **channel,
                    "kind": KINDS[name],
                    "parent_id": of(topic),
                    "ancestors": [root, {"id": of(topic), "title": topic}],
                }
                for name, topic in TOPIC_OF.items()
            ),
        ],
    }


async def make(logs: DocService) -> None:
    """Let the learners visit what `VISITS` says."""
    await logs.import_directory(directory())
    for visit in VISITS:
        who = Principal(user_id=of(visit.who))
        moment = NOW - visit.days_ago * DAY
        if visit.upgraded:
            await save_upgraded(logs, visit, moment)
            continue
        then = logs.with_clock(lambda moment=moment: moment)  # type: ignore[misc]
        if visit.content == "quiz":
            start = StartSession.parse({"quiz_id": of("quiz")})
        else:
            fields = {"node_id": of(f"node {visit.content}"), "content_id": of(visit.content), "repeat": True}
            fields |= {"channel_id": of("channel"), "kind": KINDS[visit.content]}
            if KINDS[visit.content] == "exercise":
                fields["mastery_model"] = {"type": "m_of_n", "m": 5, "n": 7}
            start = StartSession.parse(fields)
        started = await then.acting_as(who).start_session(start)
        interactions = [
            {"item": item, "correct": int(right), "hinted": hinted, "time_spent": seconds, "answer": {"v": 1}}
            for item, right, hinted, seconds in visit.answers
        ]
        report = {"interactions": interactions, "time_spent_delta": time_of(visit), "progress": int(visit.done)}
        await then.acting_as(who).update_session(started.session_id, UpdateSession.parse(report))
    for name, (system, browser) in DEVICES.items():
        device = {"os": {"name": system, "major": "1"}, "browser": {"name": browser, "major": "2"}}
        active = ReportActivity.parse({"active": True, **device})
        await logs.acting_as(Principal(user_id=of(name))).update_user_session(active)


async def save_upgraded(logs: DocService, visit: Visit, moment: datetime) -> None:
    """Save an exam log, and the try that Kolibri makes of it."""
    learner, quiz, exercise = of(visit.who), of("quiz"), of("adding")
    times = {"start_timestamp": moment, "end_timestamp": moment}
    answered = [
        {"item": item, "correct": int(right), "hinted": hinted, "time_spent": seconds, "complete": True, **times}
        for item, right, hinted, seconds in visit.answers
    ]
    originals = [{**answer, "content_id": exercise} for answer in answered]
    copies = [{**a, "item": f"{exercise}:{a['item']}", "sessionlog_id": of("visit")} for a in answered]
    completed = {"completion_timestamp": moment}
    await logs.exam_logs.save({"user_id": learner, "exam_id": quiz, "closed": True, "attempts": originals, **completed})
    tried = {
        "mastery_level": migrated_level(quiz),
        "mastery_criterion": {"type": "quiz", "coach_assigned": True},
        "complete": True,
        "attempts": copies,
        **times,
        **completed,
    }
    summary = {"user_id": learner, "content_id": quiz, "kind": "quiz", "progress": 1, **times, **completed}
    await logs.content_summary_logs.save({**summary, "mastery_logs": [tried]})


def time_of(visit: Visit) -> int:
    """Seconds of a visit."""
    return sum(seconds for *_, seconds in visit.answers) or 60


def monday(visit: Visit) -> datetime:
    """When the week of a visit began."""
    day = (NOW - visit.days_ago * DAY).replace(hour=0, minute=0, second=0)
    return day - day.weekday() * DAY


def attempts(visits: Sequence[Visit]) -> list[tuple[Visit, str, bool, bool]]:
    """The attempts that visits leave."""
    return [(visit, item, right, hinted) for visit in visits for item, right, hinted, _ in visit.answers]


def week(rows: list[Any]) -> None:
    """The learner's visits of the last seven days, the first one first."""
    recent = sorted((v for v in VISITS if v.who == "zawadi1" and v.days_ago < 7), key=lambda v: -v.days_ago)
    assert [(row["content_id"], row["time_spent"]) for row in rows] == [(of(v.content), time_of(v)) for v in recent]
    assert len(rows) == 3


def hardest(rows: list[Any]) -> None:
    """Only members count; the same item of another exercise is another item, and one attempt says nothing of it."""
    answered: dict[tuple[str, str], list[bool]] = defaultdict(list)
    for visit, item, right, _ in attempts(IN_CLASS):
        if not visit.upgraded:  # which has given the items of that visit other names
            answered[of(visit.content), item].append(right)
    shares = {key: sum(listed) / len(listed) for key, listed in answered.items() if len(listed) > 1}
    assert {(row["_id"]["content"], row["_id"]["item"]): row["right"] for row in rows} == pytest.approx(shares)
    assert [row["right"] for row in rows] == pytest.approx(sorted(shares.values()))
    assert (rows[0]["right"], rows[0]["attempts"] > 1) == (0, True)


def hints(rows: list[Any]) -> None:
    """The share of attempts with a hint, each exercise apart; the quiz is one of them."""
    by_content: dict[str, list[bool]] = defaultdict(list)
    for visit, _, _, hinted in attempts(IN_CLASS):
        by_content[of(visit.content)].append(hinted)
    exercises = {content: Fraction(sum(found), len(found)) for content, found in by_content.items()}
    exercises.pop(of("quiz"))
    found = {row["_id"]: row for row in rows if row["_id"] != of("quiz")}
    assert {content: (row["attempts"], row["hinted"]) for content, row in found.items()} == {
        content: (len(by_content[content]), pytest.approx(float(share))) for content, share in exercises.items()
    }
    assert [row["hinted"] for row in rows] == sorted((row["hinted"] for row in rows), reverse=True)


def time_by_topic(rows: list[Any]) -> None:
    """Seconds of all members in each topic; a quiz is in none."""
    seconds: Counter[str] = Counter()
    for visit in IN_CLASS:
        if visit.content in TOPIC_OF:
            seconds[TOPIC_OF[visit.content]] += time_of(visit)
    assert [(row["_id"], row["seconds"]) for row in rows] == seconds.most_common()


def not_started(rows: list[Any]) -> None:
    """Chloe, who has visited nothing of the lesson."""
    begun = {visit.who for visit in VISITS if visit.content in ("adding", "area")}
    assert rows == [{"_id": of(name), "full_name": name.title()} for name in CLASS_1 if name not in begun]
    assert len(rows) == 1


def over_time(rows: list[Any]) -> None:
    """One summary a learner and content, counted in the week in which it was last completed."""
    last = {(visit.who, visit.content): monday(visit) for visit in IN_CLASS if visit.done}
    assert [(row["_id"], row["completed"]) for row in rows] == sorted(Counter(last.values()).items())


def until_mastery(rows: list[Any]) -> None:
    """Of the mastered tries: how many questions each took, and which try it was."""
    tries: dict[str, list[Visit]] = defaultdict(list)
    for visit in IN_CLASS:
        if visit.done and visit.level:
            tries[of(visit.content)].append(visit)
    assert rows == [
        {
            "_id": content,
            "questions": sum(len(v.answers) for v in found) / len(found),
            "tries": sum(v.level for v in found) / len(found),
        }
        for content, found in tries.items()
    ]
    assert (rows[0]["questions"], rows[0]["tries"]) == (2.5, 1.5)


def quiz_results(rows: list[Any]) -> None:
    """The best first, those of the class that took it."""
    taken = [(of(v.who), sum(a[1] for a in v.answers), len(v.answers)) for v in VISITS if v.content == "quiz"]
    found = [(row["user_id"], row["correct_sum"], row["attempt_count"]) for row in rows]
    assert found == sorted(taken, key=lambda result: -result[1])


def wrong_answers(rows: list[Any]) -> None:
    """Those of one learner, over all tries, the first one first."""
    own = sorted((visit for visit in VISITS if visit.who == "zawadi1"), key=lambda visit: -visit.days_ago)
    wrong = [item for visit, item, right, _ in attempts(own) if not right]
    assert sorted(row["item"] for row in rows) == sorted(wrong)
    assert [row["start_timestamp"] for row in rows] == sorted(row["start_timestamp"] for row in rows)
    assert len(rows) == 3


def devices(rows: list[Any]) -> None:
    """User sessions by device, the most used first."""
    used = Counter(f"{system},1/{browser},2" for system, browser in DEVICES.values())
    assert [(row["_id"], row["count"]) for row in rows] == used.most_common()


QUERIES: dict[str, Callable[[list[Any]], None]] = {
    "A learner's week, up to the last visit": week,
    "The items that a class finds hardest: the share of right answers, of items with two attempts or more": hardest,
    "How often hints are taken, by exercise: the share of attempts": hints,
    "Time on task by topic, in seconds (content in two topics counts in both)": time_by_topic,
    "Who has not started a lesson": not_started,
    "The progress of a class over time: what was completed, by week": over_time,
    "How many questions it takes to master an exercise, and in which try": until_mastery,
    "The results of a quiz, the best first": quiz_results,
    "A learner's wrong answers, from the documents themselves: quick on any engine, without attempts that have moved": (
        wrong_answers
    ),
    "Which devices a class uses, by user sessions": devices,
}


def snippets() -> dict[str, str]:
    """The queries of the cookbook by what they answer; what comes before the first one has none."""
    [block] = re.findall(r"^```js\n(// Who it is about.*?)^```$", PAGES["shell"], re.DOTALL | re.MULTILINE)
    parts = [part.split("\n", 1) for part in block.strip().split("\n\n")]
    return {title.removeprefix("// "): code for title, code in parts}


def script() -> str:
    """A script for the shell that asks all of it, as it is written, and prints the answers."""
    lines = []
    for title, code in snippets().items():
        names, query = re.fullmatch(r"((?:const [^\n]+\n?)*)(.*)", code, re.DOTALL).groups()  # type: ignore[union-attr]
        lines.append(names + (f"emit({json_util.dumps(title)}, {query})" if query else ""))
    return RUNNER % "\n".join(lines)


@pytest.fixture(scope="module")
async def answers(mongodb_uri: str, mongo: Any, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """What the shell says to each query of the cookbook, asked of the visits above."""
    name = f"test_{uuid.uuid4().hex[:12]}"
    async with DocService(mongodb_uri, database=name) as logs:
        await make(logs)
    path = tmp_path_factory.mktemp("shell") / "cookbook.js"
    path.write_text(script(), encoding="utf-8")
    try:
        ended = await mongosh(shell_uri(mongodb_uri, name), "--quiet", str(path))
    finally:
        await mongo.drop_database(name)
    assert ended.code == 0, ended.out + ended.err
    options = json_util.JSONOptions(tz_aware=True, tzinfo=UTC)
    return json_util.loads(ended.out.strip().splitlines()[-1], json_options=options)


def test_every_query_of_the_cookbook_is_asked() -> None:
    """The cookbook has these queries and no others."""
    assert list(snippets())[1:] == list(QUERIES)


@pytest.mark.parametrize("title", QUERIES)
async def test_query_of_the_cookbook(answers: Any, title: str) -> None:
    """The shell's answer is what the visits say, counted here without any database."""
    QUERIES[title](answers[title])


async def test_the_demo_has_answers(demo_service: Service, tmp_path: Path) -> None:
    """Pasted as it is against `serve --demo`, on a school day of its last week, each query finds something, but for a
    lesson that all have started."""
    path = tmp_path / "cookbook.js"
    path.write_text(script(), encoding="utf-8")

    ended = await mongosh(demo_service.mongodb_uri, "--quiet", str(path))

    assert ended.code == 0, ended.out + ended.err
    found = json_util.loads(ended.out.strip().splitlines()[-1])
    assert [title for title, rows in found.items() if not rows] == ["Who has not started a lesson"]


async def test_a_learners_week_uses_its_index(service: DocService, database: Any) -> None:
    """The one query about a single learner does not look at other learners' visits."""
    query = {"user_id": "a" * 32, "start_timestamp": {"$gte": NOW - 7 * DAY}}
    command = {"find": "content_session_logs", "filter": query, "sort": {"start_timestamp": 1}}

    plan = str((await database.command("explain", command))["queryPlanner"]["winningPlan"])

    assert "user_start" in plan
    assert "COLLSCAN" not in plan


@pytest.mark.parametrize("place", ["checkout", "elsewhere"])
async def test_the_shell_applies_the_files(mongodb_uri: str, new_database: Any, tmp_path: Path, place: str) -> None:
    """What the script makes is what the service describes, from any folder; again it makes nothing."""
    folder = ROOT / "indexes"
    if place == "elsewhere":
        folder = Path(shutil.copytree(folder, tmp_path / "with a space" / "indexes"))
    arguments = (shell_uri(mongodb_uri, new_database.name), "--quiet", str(folder / "apply.mongosh.js"))

    first = await mongosh(*arguments, cwd=tmp_path)
    async with DocService(mongodb_uri, database=new_database.name, apply_indexes=False) as logs:
        report = await logs.admin.check_indexes()
    again = await mongosh(*arguments, cwd=tmp_path)

    assert (first.code, again.code) == (0, 0), first.out + first.err
    assert report.complete
    assert report.unknown == []
    assert first.out.count("made: ") == len(report.present) + len(report.views.present)
    assert "made: " not in again.out


async def test_the_shell_mends_views_and_names_the_rest(mongodb_uri: str, new_database: Any) -> None:
    """An older view is made again; an index with other keys and a collection in the way are named and stay; exit 1."""
    await new_database["memberships"].create_index([("user_id", -1)], name="user_collection")
    await new_database.command({"create": "mastery_logs", "viewOn": "content_summary_logs", "pipeline": []})
    await new_database["attempt_logs"].insert_one({"_id": "own"})

    ended = await mongosh(
        shell_uri(mongodb_uri, new_database.name), "--quiet", str(ROOT / "indexes" / "apply.mongosh.js")
    )
    async with DocService(mongodb_uri, database=new_database.name, apply_indexes=False) as logs:
        report = await logs.admin.check_indexes()

    assert ended.code == 1
    assert "different: memberships.user_collection" in ended.out
    assert "a collection is called attempt_logs" in ended.out
    assert "made: view mastery_logs" in ended.out
    assert [index.name for index in report.different] == ["user_collection"]
    assert (report.missing, report.views.missing, report.views.different) == ([], [], [])
    assert await new_database["attempt_logs"].count_documents({}) == 1
