"""Memory in thousandths of a byte: what Kubernetes writes so, and what nobody means."""

from __future__ import annotations

import pytest

from placer.manifests.nodes import Field
from placer.manifests.parsing import parse_yaml
from placer.manifests.pods import bad_values, workers_of


def pod(memory: str) -> Field:
    text = f"containers: [{{name: a, image: a:1, resources: {{limits: {{memory: {memory}}}}}}}]"
    (document,) = parse_yaml(text, "a.yaml").documents
    return Field(document, document.root)


def limit_bytes(memory: str) -> int | None:
    (worker,) = workers_of(pod(memory))
    limit = worker.resources.memory_limit_bytes
    return None if limit is None else limit.value


@pytest.mark.parametrize(
    ("memory", "read_bytes"),
    [("536870912000m", 2**29), ("1048576000m", 2**20), ("1048576001m", 2**20), ("0m", None)],
)
def test_an_amount_that_kubernetes_divided_is_one(memory: str, read_bytes: int | None) -> None:
    assert [*bad_values(pod(memory))] == []
    assert limit_bytes(memory) == read_bytes


@pytest.mark.parametrize("memory", ["512m", "1000000m", "1048575999m", "0.5m"])
def test_less_than_any_container_needs_is_a_mistake(memory: str) -> None:
    (defect,) = bad_values(pod(memory))
    assert defect.kind == "bad_value"
    assert defect.remedy == f"write {memory[:-1]}Mi"
    assert limit_bytes(memory) is None
