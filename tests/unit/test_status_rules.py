"""Decides what an operator has to do, from the state of a service."""

from __future__ import annotations

import pytest

from docservice.domain.upkeep.status import ServiceState, actions_needed


@pytest.mark.parametrize(
    "seen",
    [
        ServiceState("data"),
        ServiceState("data", engine="running", free_bytes=5, least_free_bytes=5),
        ServiceState("data", engine="not running", free_bytes=5),
        ServiceState("data", engine="starting or stopping"),
        ServiceState("data", free_bytes=1, least_free_bytes=5),
    ],
    ids=["server", "running", "at rest", "starting", "the disk of a server is its own"],
)
def test_all_is_well(seen: ServiceState) -> None:
    """A server that answers, an engine that runs or rests, and a disk that no engine writes to need nothing."""
    assert actions_needed(seen) == []


@pytest.mark.parametrize(
    ("seen", "said"),
    [
        (ServiceState("data", engine="not installed", error="Install it."), "Install it."),
        (ServiceState("data", engine="no data"), "docservice serve --data-dir data"),
        (ServiceState("data", engine="password missing"), "reset-password --data-dir data"),
        (ServiceState("data", error="It does not answer."), "It does not answer."),
        (ServiceState("data", engine="running", free_bytes=4, least_free_bytes=5), "Make room"),
        (
            ServiceState("data", lacking=("a.b", "view c")),
            "Missing: a.b, view c. Create them: docservice indexes apply",
        ),
        (ServiceState("data", differing=("a.b",)), "docservice indexes apply --rebuild"),
        (ServiceState("data", taken=("attempt_logs",)), "Rename them"),
    ],
)
def test_each_fault_says_what_to_do(seen: ServiceState, said: str) -> None:
    """One fault is one entry, with the way out."""
    [action] = actions_needed(seen)

    assert said in action


def test_all_faults_are_listed() -> None:
    """Several faults are several entries."""
    seen = ServiceState("data", engine="running", error="Broken.", free_bytes=1, least_free_bytes=2, differing=("a.b",))

    assert len(actions_needed(seen)) == 3
