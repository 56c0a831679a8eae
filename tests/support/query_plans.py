"""How the engine carries out a query, by its own words (`explain`)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def stages_of(answer: Mapping[str, Any]) -> tuple[set[str], int]:
    """The stages that read documents, and how many documents they look at.

    Args:
        answer: to `explain` with `executionStats`.
    """
    answer = answer["stages"][0]["$cursor"] if "stages" in answer else answer
    stages: set[str] = set()
    plans = [answer["queryPlanner"]["winningPlan"]]
    while plans:
        found = plans.pop()
        found = found.get("queryPlan", found)
        stages.add(found.get("stage", ""))
        plans += [found[name] for name in ("inputStage", "outerStage", "innerStage") if name in found]
        plans += found.get("inputStages", [])
    return stages, answer["executionStats"]["totalDocsExamined"]
