"""`docservice engine uri`: the way to the documents of a running service."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from pymongo import AsyncMongoClient

from docservice import demo

from .running import Service, Services, run

pytestmark = [pytest.mark.engine, pytest.mark.slow]

Client = AsyncMongoClient[dict[str, Any]]


async def test_it_prints_the_connection_string_and_nothing_else(demo_service: Service) -> None:
    """One line, the one that `serve` printed; a driver reads the documents with it."""
    ended = await run("engine", "uri", "--data-dir", str(demo_service.data_dir))

    assert (ended.code, ended.err) == (0, "")
    assert ended.out == demo_service.mongodb_uri + "\n"
    async with Client(ended.out.strip()) as client:
        users = await client.get_default_database().facility_users.count_documents({})
    assert users == len(demo.directory()["users"])


async def test_the_database_is_the_one_that_is_asked_for(demo_service: Service) -> None:
    """`--database` is in the connection string, as the Mongo shell takes it."""
    ended = await run("engine", "uri", "--data-dir", str(demo_service.data_dir), "--database", "elsewhere")

    async with Client(ended.out.strip()) as client:
        assert client.get_default_database().name == "elsewhere"


async def test_without_a_running_engine_it_names_the_command(services: Services) -> None:
    """Before the first start and after a stop: exit code 1, nothing printed, one line with what starts an engine."""
    before = await run("engine", "uri", "--data-dir", str(services.folder / "data"))
    assert not (services.folder / "data").exists()
    service = await services.start(data_dir=services.folder / "data")
    await service.stop()
    after = await run("engine", "uri", "--data-dir", str(services.folder / "data"))

    for ended in (before, after):
        assert (ended.code, ended.out) == (1, "")
        assert len(ended.err.splitlines()) == 1
        assert f"docservice serve --data-dir {services.folder / 'data'}" in ended.err


async def test_asking_does_not_keep_the_engine(services: Services) -> None:
    """The engine that was asked about still ends with its service."""
    service = await services.start()
    asked = await run("engine", "uri", "--data-dir", str(service.data_dir))

    assert await service.stop() == 0
    assert asked.code == 0
    assert not (service.data_dir / "engine" / "state.json").exists()


@pytest.mark.parametrize("by_variable", [False, True])
async def test_with_an_address_it_prints_that(tmp_path: Path, by_variable: bool) -> None:
    """An address given is what the service connects to, so it is printed as it is; nothing is asked or made."""
    address = "mongodb://somewhere.example:27017/?replicaSet=rs0"
    options = [] if by_variable else ["--mongodb-uri", address]
    env = {"DOCSERVICE_MONGODB_URI": address} if by_variable else {}

    ended = await run("engine", "uri", *options, "--data-dir", str(tmp_path / "data"), env=env)

    assert (ended.code, ended.out, ended.err) == (0, address + "\n", "")
    assert not (tmp_path / "data").exists()
