import asyncio
import os

from motor.motor_asyncio import AsyncIOMotorClient

from docservice import DocService, Principal, StartSession, UpdateSession, demo


async def main() -> None:
    database = AsyncIOMotorClient(os.environ["MONGODB_URI"])["school"]  # or PyMongo's AsyncMongoClient
    async with DocService(database) as logs:
        await logs.import_directory(demo.directory())
        learner = Principal(user_id=demo.directory()["users"][1]["id"])
        content = {"node_id": "a" * 32, "content_id": "b" * 32, "channel_id": "c" * 32, "kind": "video"}
        visit = await logs.start_session(learner, StartSession(**content))
        await logs.update_session(learner, visit.session_id, UpdateSession(progress=1, time_spent_delta=30))
    summary = await database["content_summary_logs"].find_one({"user_id": learner.user_id})  # still yours, still open
    print(summary["kind"], summary["progress"], summary["time_spent"])
    database.client.close()


asyncio.run(main())
