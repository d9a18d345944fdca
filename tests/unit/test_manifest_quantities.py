"""Amounts: thousandths of a byte that nobody means, and requests above their limit."""

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


@pytest.mark.parametrize(
    ("requests", "limits", "refused"),
    [
        ("memory: 96Mi", "memory: 77Mi", ["memory"]),
        ("memory: 96Mi, cpu: 2", "memory: 77Mi, cpu: 1500m", ["memory", "cpu"]),
        ("memory: 96Mi, cpu: 500m", "memory: 96Mi, cpu: 0.5", []),
        ("memory: 96Mi, cpu: 2", "memory: 1Gi", []),
        ("memory: 96Mi", "memory: '{{ .Values.limit }}'", []),
        ("memory: '${REQUEST}'", "memory: 77Mi", []),
    ],
)
@pytest.mark.parametrize("holder", ["pod", "containers", "initContainers"])
def test_a_request_above_its_limit_is_refused(
    requests: str, limits: str, refused: list[str], holder: str
) -> None:
    amounts = f"resources: {{requests: {{{requests}}}, limits: {{{limits}}}}}"
    text = f"{{{amounts}}}" if holder == "pod" else f"{{{holder}: [{{name: a, {amounts}}}]}}"
    (document,) = parse_yaml(text, "a.yaml").documents
    found = [*bad_values(Field(document, document.root))]
    assert [one.message.split(":")[0].strip("'") for one in found] == refused
    assert {one.kind for one in found} <= {"bad_value"}
