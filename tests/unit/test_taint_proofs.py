from __future__ import annotations

import numpy as np
import pytest

from placer.onnx_files import injective
from placer.onnx_files.injective import Proofs, Work
from tests.models import weights
from tests.tainted import node, traced

LAYERS = 12


@pytest.fixture
def ranks(monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, ...]]:
    """The shapes of the matrices whose rank is counted."""
    counted: list[tuple[int, ...]] = []
    count = injective._rank

    def counting(matrix: np.ndarray, *rest: Work) -> int:
        counted.append(matrix.shape)
        return count(matrix, *rest)

    monkeypatch.setattr(injective, "_rank", counting)
    return counted


def chain(*names: str) -> list[object]:
    """Return MatMul and LeakyRelu in turns, by these matrices."""
    nodes, last = [], "x"
    for place, name in enumerate(names):
        nodes += [node("MatMul", f"{last} {name}", f"m{place}")]
        nodes += [node("LeakyRelu", f"m{place}", f"l{place}")]
        last = f"l{place}"
    return nodes


def test_one_matrix_of_many_nodes_is_proven_once(ranks: list[tuple[int, ...]]) -> None:
    found = traced(chain(*["w"] * LAYERS), [weights("w", 8, 8)], shape=(4, 8))
    assert found.taint(f"l{LAYERS - 1}").is_raw
    assert ranks == [(8, 8)]


def test_one_kernel_of_many_nodes_is_proven_once(ranks: list[tuple[int, ...]]) -> None:
    nodes = [
        node("Conv", f"{'x' if not place else f'c{place - 1}'} k", f"c{place}")
        for place in range(LAYERS)
    ]
    found = traced(nodes, [weights("k", 8, 8, 1, 1)], shape=(1, 8, 6, 6))
    assert found.taint(f"c{LAYERS - 1}").is_raw
    assert ranks == [(8, 8)]


def test_equal_matrices_of_other_names_and_turned_ones_are_told_apart(
    ranks: list[tuple[int, ...]],
) -> None:
    given = [weights("a", 8, 8), weights("b", 8, 8), weights("c", 8, 8, seed=5)]
    assert traced(chain("a", "b", "c"), given, shape=(4, 8)).taint("l2").is_raw
    assert len(ranks) == 2  # a and b are the same numbers


def test_beyond_a_limit_of_work_nothing_is_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(injective, "MAX_WORK", 5 * 8**3)
    given = [weights(f"w{place}", 8, 8, seed=place) for place in range(LAYERS)]
    found = traced(chain(*(one.name for one in given)), given, shape=(4, 8))
    assert found.taint("m2").is_raw
    assert found.taint("m3").text.endswith(
        "MatMul: not shown to be injective (the proofs of this model take too long)"
    )


def test_what_was_proven_stays_so_beyond_the_limit() -> None:
    rng = np.random.default_rng(0)
    first, second = rng.standard_normal((2, 8, 8))
    proofs = Proofs(work=Work(1.5 * 8**3))
    assert proofs.matrix(first).is_shown
    assert not proofs.matrix(second).is_shown
    assert proofs.matrix(first).is_shown


def test_a_rank_that_is_lost_costs_its_eigenvalues() -> None:
    singular = np.ones((8, 8))
    assert Proofs(work=Work(5 * 8**3)).matrix(singular).reason.endswith("take too long")
    assert Proofs(work=Work(20 * 8**3)).matrix(singular).reason == "rank 1 of 8"
