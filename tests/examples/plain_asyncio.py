import asyncio

from docservice import DocService, Principal, StartSession, UpdateSession, demo


async def main() -> None:
    async with DocService(data_dir="docservice-data") as logs:  # or DocService("mongodb://...")
        await logs.import_directory(demo.directory())
        learner = Principal(user_id=demo.directory()["users"][1]["id"])
        video = StartSession(node_id="a" * 32, content_id="b" * 32, channel_id="c" * 32, kind="video")
        visit = await logs.acting_as(learner).start_session(video)
        report = UpdateSession(progress_delta=0.25, time_spent_delta=30)
        print(await logs.acting_as(learner).update_session(visit.session_id, report))


asyncio.run(main())
