import asyncio
import sys

from docservice import StartSession, UpdateSession
from docservice.client import LogClient


async def main(base_url: str, token: str) -> None:
    async with LogClient(base_url, token=token) as logs:
        content = {"node_id": "a" * 32, "content_id": "b" * 32, "channel_id": "c" * 32, "kind": "video"}
        visit = await logs.start_session(StartSession(**content))
        print(await logs.update_session(visit.session_id, UpdateSession(progress_delta=0.25, time_spent_delta=30)))
        async for summary in logs.documents("contentsummarylog", fields="kind,progress"):
            print(summary["kind"], summary["progress"])


asyncio.run(main(*sys.argv[1:]))
