import asyncio
from datetime import UTC, datetime

from docservice import DocService, demo

MONDAY = datetime(2024, 9, 2, 8, 0, tzinfo=UTC)
COURSE = [
    {"id": "a" * 32, "content_id": "a" * 32, "channel_id": "c" * 32, "parent": None, "kind": "topic"},
    {"id": "d" * 32, "content_id": "b" * 32, "channel_id": "c" * 32, "parent": "a" * 32, "kind": "exercise"},
]


async def main() -> None:
    async with DocService(data_dir="example-data") as logs:
        await logs.import_directory({**demo.directory(), "content_nodes": COURSE})
        zawadi = demo.directory()["users"][1]["id"]
        summaries = logs.content_summary_logs
        answer = {
            "item": "q1",
            "correct": 1,
            "start_timestamp": MONDAY,
            "end_timestamp": MONDAY,
            "sessionlog_id": "e" * 32,
        }
        saved = await summaries.save(
            {
                "user_id": zawadi,
                "content_id": "b" * 32,
                "channel_id": "c" * 32,
                "kind": "exercise",
                "progress": 0.5,
                "start_timestamp": MONDAY,
                "mastery_logs": [{"mastery_level": 1, "start_timestamp": MONDAY, "attempts": [answer]}],
            }
        )
        one = await summaries.get(user_id=zawadi, content_id="b" * 32)
        print(one == saved, await summaries.count(user_id=zawadi, start_timestamp__gte=MONDAY, progress__lt=1))
        print([log.progress async for log in summaries.find(kind="exercise", user_id__in=[zawadi])])
        print([log.kind async for log in summaries.filter_by_content_ids(["b" * 32, "f" * 32], user_id=zawadi)])
        print([log.kind async for log in summaries.filter_by_topic("a" * 32)])
        print([attempt.item async for attempt in summaries.attempts(one)])
        await summaries.delete(one)
        try:
            await summaries.get(id=one.id)
        except summaries.DoesNotExist:
            print("gone")


asyncio.run(main())
