from docservice import DocService, UpdateSession
from docservice.testing import School, interaction


async def test_a_right_answer_counts(logs: DocService, school: School) -> None:
    await logs.content_summary_logs.save(school.content_summary_log(learner=1, attempts=5))
    learner, coach = logs.acting_as(school.learner(0)), logs.acting_as(school.coach)
    session = await learner.start_session(school.exercise)
    await learner.update_session(session.session_id, UpdateSession(interactions=[interaction("q1")]))

    found = [log async for log in coach.documents("contentsummarylog")]

    assert sorted(log["mastery_logs"][0]["attempt_count"] for log in found) == [1, 5]
    assert await logs.attempt_logs.count(masterylog__complete=False) == 6
