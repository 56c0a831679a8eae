"""Simulates what people do: weeks of school days and evenings, lessons, quizzes, and breaks.

How likely an answer is right follows from ability, from the difficulty of the exercise and from practice in its unit
(a logistic curve with guessing, as item response theory has it).
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from random import Random

from docservice.domain.logs.exam_logs import ExamAttemptLog, ExamLog
from docservice.domain.requests.tracking import StartSession
from docservice.domain.tracking.content_sessions import TrackedPerson
from docservice.generate import answers, assignments
from docservice.generate.contents import Content, Library
from docservice.generate.people import GeneratedLearner
from docservice.generate.plan import Calendar, Plan
from docservice.generate.recording import Logs, Recorder

_SHARPNESS = 1.4
_MOST_LEARNED = 1.5
_PRACTICE = 25.0
"""Questions of a unit after which about two thirds of what can be learned is learned."""
_QUESTION_SECONDS = 24.0
_MOST_QUESTIONS = 24
_LOOKS_ELSEWHERE = 0.25
_VISITORS_PER_LEARNER = 0.06


class SchoolSimulation:
    """A plan with its calendar and contents: what all people of a data set share."""

    def __init__(self, plan: Plan, calendar: Calendar) -> None:
        """Make the contents."""
        self.plan = plan
        self.calendar = calendar
        self.library = Library(plan)

    def of_learner(self, learner: GeneratedLearner) -> Logs:
        """Return all logs of a learner."""
        return _Weeks(self, learner).live()

    def of_visitors(self, week: int) -> Iterator[Logs]:
        """Yield the logs of the anonymous visitors of a week, one visitor after the other."""
        plan = self.plan
        chance = plan.chance(f"visitors {week}")
        expected = plan.learners * _VISITORS_PER_LEARNER
        for _ in range(int(expected + chance.random())):
            visitor_id = f"{chance.getrandbits(128):032x}"
            moment = self.calendar.moment(week, chance.randrange(7), 7 + 12 * chance.random())
            person = _Person(Recorder(TrackedPerson(plan.dataset_id, visitor_id=visitor_id), chance, moment), chance)
            for content in chance.sample(self.library.contents, chance.randint(1, 3)):
                person.visit(content)
            yield person.recorder.logs()


class _Person:
    """A person who works on contents."""

    def __init__(
        self, recorder: Recorder, chance: Random, *, ability: float = 0.0, pace: float = 1.0, asks: float = 0.3
    ) -> None:
        self.recorder = recorder
        self._chance = chance
        self._ability = ability
        self._pace = pace
        self._asks = asks
        self._practised: dict[tuple[int, int], int] = {}
        self._results: dict[str, list[bool]] = {}

    def knows(self, content: Content) -> bool:
        """Whether the next answer is right."""
        practice = self._practised.get(content.unit, 0)
        skill = self._ability + _MOST_LEARNED * (1 - math.exp(-practice / _PRACTICE))
        guess = answers.luck(content)
        odds = 1 / (1 + math.exp(-_SHARPNESS * (skill - content.difficulty)))
        return self._chance.random() < guess + (1 - guess) * odds

    def visit(self, content: Content, lesson_id: str | None = None, *, repeat: bool = False) -> None:
        """Open a content and work on it for a while."""
        request = {
            "node_id": content.node_id,
            "content_id": content.content_id,
            "channel_id": content.channel_id,
            "kind": content.kind,
            "repeat": repeat,
        }
        if lesson_id is not None:
            request["lesson_id"] = lesson_id
        if content.mastery_model is not None:
            request["mastery_model"] = content.mastery_model
        self.recorder.start(StartSession.model_validate(request))
        if content.kind == "exercise":
            self._practise(content, repeat)
        else:
            self._follow(content)

    def _follow(self, content: Content) -> None:
        chance = self._chance
        patience = 1.15 if chance.random() < 0.8 else chance.random()
        done = 0.0
        while done < min(patience, 1.0):
            seconds = min(chance.uniform(30, 90) * self._pace, content.seconds)
            share = seconds / content.seconds
            done += share
            changes = {"progress_delta": round(min(share, 1.0), 3)}
            if content.kind in ("document", "html5"):
                state = (
                    {"savedLocation": str(int(done * 12))} if content.kind == "document" else {"level": int(done * 5)}
                )
                self.recorder.report(round(seconds, 1), extra_fields={"contentState": state}, **changes)
            else:
                self.recorder.report(round(seconds, 1), **changes)
            if chance.random() < 0.03:
                return

    def _practise(self, content: Content, repeat: bool) -> None:
        if repeat:
            self._results.pop(content.content_id, None)
        results = self._results.setdefault(content.content_id, [])
        frustration = 0.0
        for _ in range(_MOST_QUESTIONS):
            right = self.knows(content)
            self._practised[content.unit] = self._practised.get(content.unit, 0) + 1
            results.append(right)
            frustration = 0.0 if right else frustration + 0.06
            item = content.items[(len(results) - 1) % len(content.items)]
            seconds = self._question_seconds(right)
            reported = answers.interactions(item, right, seconds, self._asks, self._chance)
            done = answers.progress(content, results)
            self.recorder.report(reported[-1]["time_spent"], progress=done, interactions=reported)
            if done >= 1 or self._chance.random() < frustration:
                return

    def _question_seconds(self, right: bool) -> float:
        slower = 1.0 if right else 1.3
        return round(max(_QUESTION_SECONDS * self._pace * slower * math.exp(self._chance.gauss(0, 0.45)), 2.0), 1)

    def take_quiz(self, quiz: assignments.PlannedQuiz) -> None:
        """Answer a coach's quiz; most hand it in."""
        self.recorder.start(StartSession(quiz_id=quiz.quiz_id))
        count = len(quiz.questions)
        for number, (content, item) in enumerate(quiz.questions, 1):
            name = f"{content.content_id}:{item}"
            seconds = self._question_seconds(True)
            right = self.knows(content)
            # The last report before handing in leaves room: a quiz is complete when it is handed in.
            done = min(number / count, 0.99)
            reported = answers.quiz_interaction(name, right, seconds, self._chance)
            self.recorder.report(seconds, progress=done, interactions=[reported])
            if self._chance.random() < 0.08:
                again = answers.quiz_interaction(name, self.knows(content), seconds + 9.0, self._chance)
                self.recorder.report(9.0, interactions=[{**again, "replace": True}])
        if self._chance.random() < 0.92:
            self.recorder.report(5.0, progress=1.0)

    def take_old_exam(self, exam: assignments.PlannedQuiz) -> None:
        """Answer an exam of the old kind."""
        recorder = self.recorder
        visitor = recorder.visitor
        log = ExamLog(dataset_id=visitor.dataset_id, user_id=str(visitor.user_id), exam_id=exam.quiz_id).identified()
        taken = []
        for content, item in exam.questions:
            begin, seconds = recorder.now, self._question_seconds(True)
            recorder.now += answers.seconds_passed(seconds)
            right = self.knows(content)
            answer_json, simple = answers.answer(self._chance)
            attempt = ExamAttemptLog(
                dataset_id=log.dataset_id,
                user_id=log.user_id,
                examlog_id=log.id,
                content_id=content.content_id,
                item=item,
                start_timestamp=begin,
                end_timestamp=recorder.now,
                completion_timestamp=recorder.now,
                time_spent=seconds,
                complete=True,
                correct=float(right),
                answer=answer_json,
                simple_answer=simple,
                interaction_history=[{"type": "answer", "answer": answer_json, "correct": int(right)}],
            )
            taken.append(attempt.identified(recorder.random_id()))
        recorder.keep_exam(
            log.model_copy(update={"closed": True, "completion_timestamp": recorder.now, "attempts": taken})
        )


class _Weeks(_Person):
    """A learner's weeks."""

    def __init__(self, school: SchoolSimulation, learner: GeneratedLearner) -> None:
        chance = school.plan.chance(f"weeks of {learner.number}")
        start = school.calendar.moment(0, 0)
        recorder = Recorder(TrackedPerson(school.plan.dataset_id, learner.user_id), chance, start)
        super().__init__(recorder, chance, ability=learner.ability, pace=learner.pace, asks=learner.asks)
        self._school = school
        self._learner = learner
        self._favourite = chance.choice(school.library.exercises[0, 0])

    def live(self) -> Logs:
        """Go through all weeks."""
        plan, calendar, learner = self._school.plan, self._school.calendar, self._learner
        for week in range(plan.weeks):
            if learner.leaves is not None and week >= learner.leaves:
                break
            for weekday in range(7):
                if calendar.is_school_day(week, weekday) and self._chance.random() < learner.diligence:
                    # A class has its hour; who comes late comes a little late.
                    hour = 7 + learner.classroom % 7 + abs(self._chance.gauss(0, 0.06))
                    self._begin(week, weekday, hour, learner.school_device)
                    self._school_hour(week, weekday)
                if self._chance.random() < learner.at_home:
                    self._begin(week, weekday, self._chance.uniform(15.5, 20), learner.home_device)
                    self._evening()
        return self.recorder.logs()

    def _begin(self, week: int, weekday: int, hour: float, device: str) -> None:
        self.recorder.now = max(self._school.calendar.moment(week, weekday, hour), self.recorder.now)
        self.recorder.device = device

    def _school_hour(self, week: int, weekday: int) -> None:
        plan, library, classroom = self._school.plan, self._school.library, self._learner.classroom
        end = self.recorder.now + answers.seconds_passed(self._chance.uniform(900, 1500))
        if (week, weekday) == (0, 0):
            self.take_old_exam(assignments.old_exam(plan, library, classroom))
        if weekday == 4:
            quiz = assignments.quiz(plan, library, classroom, week)
            if quiz is not None:
                self.take_quiz(quiz)
        lesson = assignments.lesson(plan, library, classroom, week)
        for content in lesson.resources:
            if self.recorder.now >= end:
                return
            if (self.recorder.progress(content.content_id) or 0.0) < 1:
                self.visit(content, lesson.lesson_id)
        while self.recorder.now < end:
            if self._chance.random() < _LOOKS_ELSEWHERE:
                self.visit(self._chance.choice(library.contents))
            else:
                self._again(self._chance.choice([each for each in lesson.resources if each.kind == "exercise"]))

    def _evening(self) -> None:
        end = self.recorder.now + answers.seconds_passed(self._chance.uniform(300, 1200))
        while self.recorder.now < end:
            if self._learner.drills:
                self._again(self._favourite)
            else:
                self.visit(self._chance.choice(self._school.library.contents))

    def _again(self, content: Content) -> None:
        self.visit(content, repeat=(self.recorder.progress(content.content_id) or 0.0) >= 1)
