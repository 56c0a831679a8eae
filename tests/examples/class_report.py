import asyncio
from datetime import UTC, datetime

from docservice import DocService, Principal, ReportFilters, demo


async def main() -> None:
    async with DocService(data_dir="school-data") as logs:  # or DocService("mongodb://...")
        await demo.load(logs, datetime(2026, 6, 26, tzinfo=UTC))  # a small invented class
        directory = demo.directory()
        class_1 = directory["classrooms"][0]["id"]
        coach = next(role["user"] for role in directory["roles"] if role["collection"] == class_1)
        reports = logs.acting_as(Principal(user_id=coach))

        progress = await reports.report("class-progress", ReportFilters(classroom=class_1))
        for row in progress.rows:
            if row["unit"] == "quiz" and row["assigned"]:
                print(f"{row['learner']}: {row['title']}: {row['status']}")

        hard = await reports.report("difficult-questions", ReportFilters(classroom=class_1))
        for row in hard.rows[:2]:
            print(f"{row['share_correct']:.0%} of {row['total']} answers right: a question of {row['title']}")


asyncio.run(main())
