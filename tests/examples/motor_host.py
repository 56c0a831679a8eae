import asyncio
import os
from typing import Any

from motor.motor_asyncio import AsyncIOMotorClient

from docservice import DocService, Principal, StartSession, UpdateSession, demo


async def main() -> None:
    client: AsyncIOMotorClient[dict[str, Any]] = AsyncIOMotorClient(os.environ["MONGODB_URI"])
    school = client.get_default_database("school")  # a database of PyMongo's AsyncMongoClient does as well
    async with DocService(school) as logs:
        await logs.import_directory(demo.directory())
        learner = Principal(user_id=demo.directory()["users"][1]["id"])
        video = StartSession(node_id="a" * 32, content_id="b" * 32, channel_id="c" * 32, kind="video")
        visit = await logs.acting_as(learner).start_session(video)
        await logs.acting_as(learner).update_session(visit.session_id, UpdateSession(progress=1, time_spent_delta=30))
    async for summary in school["content_summary_logs"].find({"user_id": learner.user_id}):  # still open
        print(summary["kind"], summary["progress"], summary["time_spent"])
    client.close()


asyncio.run(main())
