from docservice import UpdateSession
from docservice.testing import School, interaction, start_session, throw_away_service


async def test_a_right_answer_counts() -> None:
    school = School(learners=2)
    async with throw_away_service(school=school) as logs:
        await logs.content_summary_logs.save(school.content_summary_log(learner=1, attempts=5))
        visit = await logs.start_session(school.learner(0), start_session())
        await logs.update_session(school.learner(0), visit.session_id, UpdateSession(interactions=[interaction("q1")]))

        page = await logs.documents(school.coach, "contentsummarylog")

    assert sorted(log["mastery_logs"][0]["attempt_count"] for log in page.results) == [1, 5]
