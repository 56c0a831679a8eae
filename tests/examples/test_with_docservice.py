from docservice import UpdateSession
from docservice.testing import School, interaction, start_session, throw_away_service


async def test_a_right_answer_counts() -> None:
    school = School(learners=2)
    async with throw_away_service(school=school) as logs:
        await logs.content_summary_logs.save(school.content_summary_log(learner=1, attempts=5))
        learner, coach = logs.acting_as(school.learner(0)), logs.acting_as(school.coach)
        session = await learner.start_session(start_session())
        await learner.update_session(session.session_id, UpdateSession(interactions=[interaction("q1")]))

        found = [log async for log in coach.documents("contentsummarylog")]

    assert sorted(log["mastery_logs"][0]["attempt_count"] for log in found) == [1, 5]
