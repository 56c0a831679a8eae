"""A server is known by what it says of itself; only the Python engine is worked around."""

from __future__ import annotations

from contextlib import nullcontext
from typing import Any

import pytest

from docservice.store.database.engines import ServerAccess, guard_of
from docservice.store.database.secantus_python import TRAITS
from docservice.store.database.traits import MONGODB, SECANTUS_NATIVE, SHARDED, EngineTraits

PYTHON = {"version": "8.2.11", "secantusVersion": "0.7.0b3", "bits": 64, "ok": 1.0}
NATIVE = {**PYTHON, "secantusVersion": "0.5.3-beta.196", "storageEngines": ["wiredTiger"]}
MONGOD = {"version": "8.0.4", "storageEngines": ["devnull", "wiredTiger"], "ok": 1.0}


@pytest.mark.parametrize(
    ("hello", "build_info", "traits"),
    [
        ({"setName": "secantus"}, PYTHON, TRAITS),
        ({"setName": "secantus"}, NATIVE, SECANTUS_NATIVE),
        ({"setName": "rs0"}, MONGOD, MONGODB),
        ({"msg": "isdbgrid"}, MONGOD, SHARDED),
    ],
)
async def test_each_server_has_its_traits(
    hello: dict[str, Any], build_info: dict[str, Any], traits: EngineTraits
) -> None:
    """Both builds of SecantusDB have the same name for their replica set, and are told apart by their build."""

    async def answer(command: dict[str, Any]) -> dict[str, Any]:
        assert command == {"buildInfo": 1}
        return build_info

    guard = await guard_of(hello, ServerAccess(answer, answer, nullcontext, 10))

    assert guard.traits == traits
