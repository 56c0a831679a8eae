"""`docservice status`: what an operator asks first; it starts nothing and changes nothing."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

import docservice
from docservice import DocService, demo
from tests.kolibri.samples import small, unpacked

from .running import Service, Services, engine_state, names_in, run

pytestmark = pytest.mark.slow

PASSWORD = "hush-hush-hush"


async def asked(*options: str, **env: str) -> tuple[int, dict[str, Any]]:
    """Run `status --json` and give its exit code and what it says."""
    ended = await run("status", "--json", *options, env=env)
    assert ended.err == ""
    found: dict[str, Any] = json.loads(ended.out)
    return ended.code, found


def settings_of(found: dict[str, Any]) -> dict[str, tuple[Any, str]]:
    """Return value and source of each setting, by its name."""
    return {setting["name"]: (setting["value"], setting["source"]) for setting in found["settings"]}


@pytest.mark.engine
async def test_a_running_service(demo_service: Service) -> None:
    """Engine, counts, indexes and disk are those of the service; the password is not there; exit code 0."""
    code, found = await asked("--data-dir", str(demo_service.data_dir))

    assert (code, found["ok"], found["actions"]) == (0, True, [])
    assert found["docservice"] == docservice.__version__
    database = found["database"]
    assert (database["kind"], database["condition"], database["running"]) == ("embedded", "running", True)
    assert database["process_id"] == engine_state(demo_service.data_dir)["engine_pid"]
    password = (demo_service.data_dir / "engine" / "password").read_text().strip()
    assert database["address"].replace("********", password) in demo_service.mongodb_uri.replace("/docservice?", "/?")
    assert password not in json.dumps(found)
    assert found["documents"]["facility_users"] == len(demo.directory()["users"])
    assert found["documents"]["content_summary_logs"] > 0
    assert found["latest_import"] is None
    assert found["indexes"]["complete"]
    assert found["indexes"]["present"] == found["indexes"]["wanted"] > 0
    assert found["disk"]["used_bytes"] > 100_000
    assert found["disk"]["free_bytes"] > 0


@pytest.mark.engine
async def test_the_same_for_people(demo_service: Service) -> None:
    """The text has a line for each part, counts and settings, and says that nothing needs action."""
    ended = await run("status", "--data-dir", str(demo_service.data_dir))

    assert (ended.code, ended.err) == (0, "")
    for beginning in ("engine ", "address ", "database ", "data folder ", "indexes ", "last import "):
        assert f"\n{beginning}" in ended.out
    assert re.search(rf"^  facility_users +{len(demo.directory()['users'])}$", ended.out, re.MULTILINE)
    assert ended.out.endswith("\nNothing needs action.\n")


@pytest.mark.engine
async def test_an_engine_at_rest_is_not_started(services: Services) -> None:
    """It says that the engine is not running and how to see more; nothing is started; that is not a fault."""
    service = await services.start()
    await service.stop()
    before = names_in(service.data_dir / "engine")

    code, found = await asked("--data-dir", str(service.data_dir))
    said = await run("status", "--data-dir", str(service.data_dir))

    assert (code, found["database"]["condition"], found["database"]["running"]) == (0, "not running", False)
    assert (found["documents"], found["indexes"], found["latest_import"]) == (None, None, None)
    assert found["disk"]["used_bytes"] > 0
    assert said.code == 0
    assert f"docservice serve --data-dir {service.data_dir}\n" in said.out
    assert names_in(service.data_dir / "engine") == before


@pytest.mark.engine
async def test_a_lost_password_needs_action(services: Services) -> None:
    """Exit code 1 and the command that makes another one."""
    service = await services.start()
    await service.stop()
    (service.data_dir / "engine" / "password").unlink()

    code, found = await asked("--data-dir", str(service.data_dir))

    assert (code, found["ok"], found["database"]["condition"]) == (1, False, "password missing")
    assert "docservice engine reset-password" in found["actions"][0]


async def test_a_folder_without_logs_needs_action(tmp_path: Path) -> None:
    """A mistyped folder is not found to be in order, and is not made."""
    code, found = await asked("--data-dir", str(tmp_path / "data"))

    assert (code, found["database"]["condition"]) == (1, "no data")
    assert str(tmp_path / "data") in found["actions"][0]
    assert names_in(tmp_path) == []


async def test_a_server_that_does_not_answer_needs_action(tmp_path: Path) -> None:
    """Exit code 1, the reason, and the rest of the state; the password is not shown."""
    address = f"mongodb://ann:{PASSWORD}@127.0.0.1:1/?replicaSet=rs0"

    code, found = await asked(
        "--mongodb-uri", address, "--data-dir", str(tmp_path), DOCSERVICE_MONGODB_TIMEOUT_MS="300"
    )

    assert (code, found["database"]["kind"], found["database"]["condition"]) == (1, "mongodb", "not answering")
    assert len(found["actions"]) == 1
    assert found["database"]["address"] == "mongodb://ann:********@127.0.0.1:1/?replicaSet=rs0"
    assert PASSWORD not in json.dumps(found)
    assert settings_of(found)["database"] == ("docservice", "default")


async def test_the_database_of_an_address(tmp_path: Path) -> None:
    """The name of the database may come from the address, and that is its source."""
    _, found = await asked(
        "--mongodb-uri",
        "mongodb://127.0.0.1:1/logs?replicaSet=rs0",
        *("--data-dir", str(tmp_path)),
        DOCSERVICE_MONGODB_TIMEOUT_MS="300",
    )

    assert settings_of(found)["database"] == ("logs", "address")


async def test_settings_with_their_source(tmp_path: Path) -> None:
    """An option counts before a variable, a variable before the default, and secrets are masked."""
    env = {
        "DOCSERVICE_DATABASE": "elsewhere",
        "docservice_port": "9000",
        "DOCSERVICE_SECRET_KEY": PASSWORD * 3,
        "DOCSERVICE_METRICS_TOKEN": "",
    }

    _, found = await asked("--database", "here", "--data-dir", str(tmp_path), **env)

    settings = settings_of(found)
    assert settings["database"] == ("here", "option")
    assert settings["port"] == (9000, "environment")
    assert settings["secret_key"] == ("********", "environment")
    assert settings["metrics_token"] == (None, "default")
    assert settings["workers"] == (1, "default")
    assert PASSWORD not in json.dumps(found)


@pytest.mark.engine
async def test_missing_indexes(mongodb_uri: str, database: Any, tmp_path: Path) -> None:
    """A missing index and view are a fault that names the command."""
    async with DocService(mongodb_uri, database=database.name):
        pass
    await database.facility_users.drop_index("dataset_username")
    await database.drop_collection("attempt_logs")
    options = ("--mongodb-uri", mongodb_uri, "--database", database.name, "--data-dir", str(tmp_path))

    code, found = await asked(*options)
    said = await run("status", *options)

    assert (code, said.code) == (1, 1)
    assert found["indexes"]["lacking"] == ["facility_users.dataset_username", "view attempt_logs"]
    assert "docservice indexes apply" in found["actions"][0]
    assert "Needs action: Missing: facility_users.dataset_username, view attempt_logs." in said.out


@pytest.mark.engine
async def test_the_latest_import(mongodb_uri: str, database: Any, tmp_path: Path) -> None:
    """The import that ended last is named, with what it read and wrote; again it has written nothing."""
    options = ("--mongodb-uri", mongodb_uri, "--database", database.name, "--data-dir", str(tmp_path / "data"))
    home = small(unpacked(tmp_path / "sample.sqlite3"), tmp_path / "db.sqlite3")
    _, before = await asked(*options)

    imported = await run("import", "kolibri", str(home), *options)
    _, first = await asked(*options)
    await run("import", "kolibri", str(home), *options)
    _, second = await asked(*options)
    said = await run("status", *options)

    assert imported.code == 0, imported.err
    assert before["latest_import"] is None
    assert first["latest_import"]["path"] == second["latest_import"]["path"] == str(home)
    assert first["latest_import"]["read"] == second["latest_import"]["read"] > 0
    assert first["latest_import"]["written"] > second["latest_import"]["written"] == 0
    assert first["latest_import"]["finished"] < second["latest_import"]["finished"]
    assert f"last import  {home}, 20" in said.out


@pytest.mark.engine
async def test_too_little_room_needs_action(demo_service: Service) -> None:
    """A disk with less than the least room for the embedded engine is a fault."""
    code, found = await asked("--data-dir", str(demo_service.data_dir), DOCSERVICE_MIN_FREE_DISK_BYTES=str(10**18))

    assert code == 1
    assert "The disk is nearly full" in found["actions"][0]
