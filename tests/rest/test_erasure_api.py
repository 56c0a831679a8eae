"""Erasure over HTTP: who may, what is refused, what the receipt proves, and that tokens end."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from aiohttp.test_utils import TestClient, TestServer

from docservice import DocService, ErasePerson, Principal, ReportActivity
from docservice.client import LogClient
from docservice.domain.upkeep.receipts import ErasureReceipt, public_key
from docservice.errors import LogNotFound, PermissionDenied, PersonErased
from docservice.identity import TokenVerifier, issue_token
from docservice.rest import create_app
from docservice.rest.auth import bearer_identity
from docservice.service.base.progress import NoWatch
from tests.support.signing import SECRET

Headers = Callable[[str], dict[str, str]]


@pytest.fixture
async def signing(service: DocService) -> AsyncIterator[TestClient[Any, Any]]:
    """A client of an API that signs receipts."""
    identify = bearer_identity(TokenVerifier(secret=SECRET))
    async with TestClient(TestServer(create_app(service, identify=identify, receipt_secret=SECRET))) as opened:
        yield opened


async def test_an_admin_erases_a_learner(
    signing: TestClient[Any, Any], headers_of: Headers, recorded_directory: dict[str, Any]
) -> None:
    """The receipt is signed; the learner's token gets an error of its own; the second request finds nobody."""
    learner = recorded_directory["ids"]["learner1"]
    session = "/api/auth/session/current/"
    path = f"/api/directory/users/{learner}/erase/"
    async with signing.put(session, json={"active": True}, headers=headers_of("learner1")) as before:
        assert before.status == 200

    async with signing.post(path, json={"reason": "asked"}, headers=headers_of("admin")) as answer:
        receipt = ErasureReceipt.read(await answer.text(), public_key(SECRET))
    async with signing.put(session, json={"active": True}, headers=headers_of("learner1")) as after:
        refused = (after.status, await after.text())
    async with signing.post(path, json={}, headers=headers_of("admin")) as again:
        assert (again.status, (await again.json())["code"]) == (404, "log-not-found")

    assert answer.status == 200
    assert receipt.removed["user_session_logs"] == 1
    assert receipt.reason == "asked"
    assert learner not in receipt.as_text()
    assert refused[0] == 401
    assert "erased" in refused[1]


async def test_who_is_not_erased(service: DocService, recorded_directory: dict[str, Any]) -> None:
    """An admin does not erase a superuser, and nobody the last one who administers a facility."""
    ids = recorded_directory["ids"]
    admin, superuser = (service.acting_as(Principal(user_id=ids[name])) for name in ("admin", "superuser"))
    coach = next(user for user in recorded_directory["users"] if user["id"] == ids["coach1"])
    await service.import_directory({"users": [{**coach, "is_superuser": True}]})

    with pytest.raises(PermissionDenied, match="superuser"):
        await admin.erase_person(ids["coach1"])
    with pytest.raises(LogNotFound):
        await admin.erase_person("not an id")
    await superuser.erase_person(ids["coach1"])
    with pytest.raises(PermissionDenied, match="Nobody else"):
        await superuser.erase_person(ids["superuser"])

    assert (await superuser.erase_person(ids["superuser"], ErasePerson(dry_run=True))).dry_run


async def test_of_two_administrators_one_stays(service: DocService, recorded_directory: dict[str, Any]) -> None:
    """Two who erase themselves at the same moment are not both the last but one."""
    ids, database = recorded_directory["ids"], service.admin.database
    both = [ids["admin"], ids["superuser"]]

    ended = await asyncio.gather(
        *(service.acting_as(Principal(user_id=each)).erase_person(each) for each in both), return_exceptions=True
    )

    assert [type(error) for error in ended if isinstance(error, BaseException)] == [PermissionDenied]
    with database.guarded():
        assert await database["facility_users"].count_documents({"_id": {"$in": both}}) == 1


@pytest.mark.parametrize(
    ("query", "body"),
    [("?dry_run=true", {}), ("", {"dryrun": True}), ("", {"dry-run": True, "reason": "x"}), ("", [])],
)
async def test_what_is_not_understood_erases_nobody(
    signing: TestClient[Any, Any], headers_of: Headers, recorded_directory: dict[str, Any], query: str, body: Any
) -> None:
    """A dry run that is asked for in the wrong words is refused, and the person is still there."""
    learner = recorded_directory["ids"]["learner1"]

    async with signing.post(
        f"/api/directory/users/{learner}/erase/{query}", json=body, headers=headers_of("admin")
    ) as answer:
        assert answer.status == 422, await answer.text()
    async with signing.get(f"/api/directory/users/{learner}/", headers=headers_of("admin")) as there:
        assert there.status == 200


async def test_the_client_erases(
    signing: TestClient[Any, Any], service: DocService, recorded_directory: dict[str, Any]
) -> None:
    """The client gets the same as a program that holds the service, but for the signature."""
    ids = recorded_directory["ids"]
    token = issue_token(SECRET, ids["admin"], now=datetime.now(UTC), ttl_seconds=600)
    request = ErasePerson(dry_run=True)
    async with LogClient(str(signing.make_url("")).rstrip("/"), token=token) as client:
        over_http = await client.erase_person(ids["learner1"], request)
        inside = await service.acting_as(Principal(user_id=ids["admin"])).erase_person(ids["learner1"], request)
        await client.erase_person(ids["learner1"])
    learner = issue_token(SECRET, ids["learner1"], now=datetime.now(UTC), ttl_seconds=600)
    async with LogClient(str(signing.make_url("")).rstrip("/"), token=learner) as client:
        with pytest.raises(PersonErased):
            await client.update_user_session(ReportActivity(active=True))

    assert over_http.signature is not None
    assert over_http.model_copy(update={"signature": None, "public_key": None}) == inside


async def test_an_erasure_goes_on_without_its_caller(service: DocService, recorded_directory: dict[str, Any]) -> None:
    """A caller who goes away leaves it running, and one that was interrupted is done again by the same request."""
    ids = recorded_directory["ids"]
    admin = service.acting_as(Principal(user_id=ids["admin"]))
    first, second = ids["learner1"], ids["learner2"]
    database = service.admin.database

    asking = asyncio.create_task(admin.erase_person(first))
    await eventually(service.admin.erasures, (1, 0))
    asking.cancel()
    await eventually(service.admin.erasures, (1, 1))
    with pytest.raises(KeyError):
        await service.admin.erase(second, watch=Interrupting("exam logs"))
    receipt = await admin.erase_person(second)

    assert receipt.finished is not None
    assert await service.admin.erasures() == (2, 2)
    with database.guarded():
        assert await database["facility_users"].count_documents({"_id": {"$in": [first, second]}}) == 0


async def eventually(ask: Callable[[], Awaitable[Any]], wanted: Any) -> None:
    """Ask until the answer is the wanted one."""
    async with asyncio.timeout(60):
        while True:
            if await ask() == wanted:
                return
            await asyncio.sleep(0.002)


class Interrupting(NoWatch):
    """Stops the work when a part begins."""

    def __init__(self, part: str) -> None:
        self._part = part

    def begin(self, part: str, total: int | None = None) -> None:
        """Stop at the part."""
        if part == self._part:
            raise KeyError(part)
