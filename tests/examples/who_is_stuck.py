import asyncio
from datetime import UTC, datetime

from docservice import DocService, demo


async def main() -> None:
    async with DocService(data_dir="school-data") as logs:  # or DocService("mongodb://...")
        await demo.load(logs, datetime(2026, 6, 26, tzinfo=UTC))  # a small invented class
        names = {user["id"]: user["full_name"] for user in demo.directory()["users"]}
        titles = {node["content_id"]: node["title"] for node in demo.directory()["content_nodes"]}
        async for log in logs.content_summary_logs.find(kind="exercise", progress__lt=1):
            answers = sum(each.attempt_count for each in log.mastery_logs)
            right = sum(each.correct_sum for each in log.mastery_logs)
            if answers >= 5 and right / answers < 0.5:
                name, title = names[log.user_id], titles[log.content_id]
                print(f"{name} needs help with “{title}”: {right:.0f} of {answers} right")


asyncio.run(main())
