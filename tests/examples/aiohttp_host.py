import os

from aiohttp import web

from docservice import ANONYMOUS, DocService, Principal, demo
from docservice.rest import SERVICE, create_app, entered

SESSIONS = {"s3cret": demo.directory()["users"][1]["id"]}  # your own sign-in knows these


def identify(request: web.Request) -> Principal:  # or an async function
    user_id = SESSIONS.get(request.cookies.get("session", ""))
    return Principal(user_id=user_id) if user_id else ANONYMOUS


async def my_progress(request: web.Request) -> web.Response:
    mine = request.app[SERVICE].content_summary_logs.find(user_id=identify(request).user_id)
    return web.json_response({log.content_id: log.progress async for log in mine})


async def load_directory(app: web.Application) -> None:
    await app[SERVICE].import_directory(demo.directory())


def make_host() -> web.Application:
    service = DocService(os.environ.get("MONGODB_URI"))  # None: the embedded engine
    host = web.Application()
    host[SERVICE] = service
    host.cleanup_ctx.append(entered(service))  # entered at the start, left when the last request is done
    host.on_startup.append(load_directory)
    host.router.add_get("/my-progress", my_progress)
    host.add_subapp("/logs", create_app(service, identify=identify))
    return host


if __name__ == "__main__":
    web.run_app(make_host(), host="127.0.0.1", port=int(os.environ.get("PORT", "8080")))
