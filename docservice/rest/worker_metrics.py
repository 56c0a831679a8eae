"""Merges the metrics of several processes, each under the label of its worker.

Counters are not added up: a worker that is restarted begins at zero, and a monitor sees that only series by series.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector
from prometheus_client.samples import Sample


def snapshot(families: Iterable[Metric]) -> bytes:
    """Families as another process can read them."""
    found = [
        [family.name, family.documentation, family.type, [[s.name, s.labels, s.value] for s in _samples(family)]]
        for family in families
    ]
    return json.dumps(found).encode()


def _samples(family: Metric) -> list[Sample]:
    # The creation time of a series is a series of its own in this format, and of no use.
    return [sample for sample in family.samples if not sample.name.endswith("_created")]


def merged(snapshots: Mapping[str, bytes]) -> list[Metric]:
    """Return the families of several processes, each sample with the label `worker`.

    Args:
        snapshots: by worker.
    """
    families: dict[str, Metric] = {}
    for worker, content in sorted(snapshots.items()):
        for name, documentation, kind, samples in json.loads(content):
            family = families.setdefault(name, Metric(name, documentation, kind))
            for sample, labels, value in samples:
                family.add_sample(sample, {**labels, "worker": worker}, value)
    return list(families.values())


class _Given(Collector):
    def __init__(self, families: Iterable[Metric]) -> None:
        self._families = list(families)

    def collect(self) -> Iterator[Metric]:
        for family in self._families:
            family.samples = _samples(family)
            yield family


def text(families: Iterable[Metric]) -> bytes:
    """Families in Prometheus' text format."""
    registry = CollectorRegistry()
    registry.register(_Given(families))
    return generate_latest(registry)
