"""What can be worked out of tensors that are known together: raw input that none of them alone is.

Whoever gets tensors of a model and has the model can undo its operators: what a sum was made of is
known with the sum and the rest of it, numbers with their positive and negative parts, an input of
several matrices with enough rows of them together. Each such conclusion is a step from tensors to
one more; a cut reveals raw input if steps lead from what crosses to a raw tensor.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass, field

import numpy as np

from placer.onnx_files.injective import MAX_COLUMNS, Proof
from placer.onnx_files.taint_parts import Whole
from placer.onnx_files.taint_values import Taint

MAX_ROWS = 4 * MAX_COLUMNS
"""Of matrices on top of each other."""
MAX_TERMS = 8
"""Of a sum that is followed; a longer one is a tensor of its own."""
_MAX_SOLVED = 256
"""Sums that are solved together: the time grows with the cube."""


@dataclass(frozen=True, slots=True)
class Step:
    """From known tensors to one more."""

    needs: tuple[str, ...]
    gives: str
    word: str
    """The operators that are undone."""
    is_same: bool = False
    """What is given stands number by number in what is needed, but for scale and shift."""
    holds: Callable[[], bool] | None = field(default=None, compare=False)
    """A proof that takes time, or None: it needs none. Asked only where the step leads to raw."""


@dataclass(frozen=True, slots=True)
class Stack:
    """Matrices of one tensor, which together may lose nothing of it."""

    source: str
    word: str
    columns: int
    """Of each; 0: not known beforehand."""
    proof: Callable[[np.ndarray], Proof]
    """Of several, one on top of the other."""
    members: dict[str, tuple[int, Callable[[], np.ndarray | None]]] = field(default_factory=dict)
    """Tensor -> rows of its matrix, and the matrix; None: not known."""

    def is_injective(self, names: Collection[str]) -> bool:
        """Tell whether the matrices of some members together lose nothing."""
        rows = sum(self.members[name][0] for name in names)
        if rows < self.columns or rows > MAX_ROWS:
            return False
        found = [self.members[name][1]() for name in sorted(names)]
        known = [matrix for matrix in found if matrix is not None]
        return len(known) == len(found) and self.proof(np.concatenate(known)).is_shown


@dataclass(frozen=True, slots=True)
class Reached:
    """A raw tensor that can be worked out."""

    taint: Taint
    step: Step
    """The last one."""
    names: tuple[str, ...]
    """What it took of the tensors that were given."""


class Known:
    """The steps of a graph."""

    def __init__(self) -> None:
        self.steps: list[Step] = []
        self.stacks: dict[tuple[object, ...], Stack] = {}
        self.sums: dict[str, dict[str, float]] = {}
        """Tensor -> what it is a sum of, with factors; constants left out."""
        self.wholes: dict[str, Whole] = {}
        """Tensor -> parts of it."""
        self._of: dict[str, list[int]] = {}
        self._proofs: dict[int, bool] = {}
        self._ranks: dict[tuple[int, frozenset[str]], bool] = {}

    def add(self, steps: Iterable[Step]) -> None:
        """Add steps."""
        for step in steps:
            for name in set(step.needs):
                self._of.setdefault(name, []).append(len(self.steps))
            self.steps.append(step)

    def reached(self, names: Collection[str], raw: Callable[[str], Taint | None]) -> Reached | None:
        """Return a raw tensor that can be worked out of others; None: none is shown to be.

        Parameters
        ----------
        raw
            Returns the taint of a raw tensor, or None.
        """
        while True:
            how, goal = self._closure(names, raw)
            if goal is None:
                return None
            used, leaves = _derivation(how, goal)
            if all(self._is_proven(step) for step in used):
                taint, last = raw(goal), how[goal]
                assert taint is not None
                assert last is not None
                return Reached(taint, last, leaves)

    def _is_proven(self, step: Step) -> bool:
        if step.holds is None:
            return True
        if id(step) not in self._proofs:
            self._proofs[id(step)] = step.holds()
        return self._proofs[id(step)]

    def _closure(
        self, names: Collection[str], raw: Callable[[str], Taint | None]
    ) -> tuple[dict[str, Step | None], str | None]:
        """Return how each tensor that can be worked out is, up to the first raw one.

        Steps whose proof is not asked for yet are taken to hold.
        """
        how: dict[str, Step | None] = dict.fromkeys(sorted(names))
        todo, missing = list(how), dict[int, int]()
        while True:
            while todo:
                for number in self._of.get(todo.pop(), ()):
                    step = self.steps[number]
                    left = missing.get(number, len(set(step.needs))) - 1
                    missing[number] = left
                    if left or step.gives in how or self._proofs.get(id(step)) is False:
                        continue
                    how[step.gives] = step
                    if raw(step.gives) is not None:
                        return how, step.gives
                    todo.append(step.gives)
            for step in (*self._stacked(how), *self._covered(how), *self._solved(how)):
                if step.gives not in how:
                    how[step.gives] = step
                    if raw(step.gives) is not None:
                        return how, step.gives
                    todo.append(step.gives)
            if not todo:
                return how, None

    def _stacked(self, how: Collection[str]) -> list[Step]:
        """Return steps to the tensors that several known matrices of them determine."""
        found = []
        for stack in self.stacks.values():
            if len(stack.members) < 2 or stack.source in how:
                continue
            known = frozenset(name for name in stack.members if name in how)
            if len(known) < 2:
                continue
            key = (id(stack), known)
            if key not in self._ranks:
                self._ranks[key] = stack.is_injective(known)
            if self._ranks[key]:
                found.append(Step(tuple(sorted(known)), stack.source, stack.word))
        return found

    def _covered(self, how: Collection[str]) -> list[Step]:
        """Return steps to the tensors of which all parts are known."""
        found = []
        for source, whole in self.wholes.items():
            if len(whole.parts) < 2 or source in how:
                continue
            known = frozenset(name for name in whole.parts if name in how)
            if len(known) < 2:
                continue
            key = (id(whole), known)
            if key not in self._ranks:
                self._ranks[key] = whole.is_covered(sorted(known))
            if self._ranks[key]:
                found.append(Step(tuple(sorted(known)), source, "Slice"))
        return found

    def _solved(self, how: Collection[str]) -> list[Step]:
        """Return steps to the tensors that known sums of them determine."""
        rows = {
            name: left
            for name in how
            if (left := {one: k for one, k in self.sums.get(name, {}).items() if one not in how})
            and len(left) > 1
        }
        bases = sorted({one for left in rows.values() for one in left})
        if len(rows) < 2 or max(len(rows), len(bases)) > _MAX_SOLVED:
            return []
        matrix = np.zeros((len(rows), len(bases)))
        for row, left in zip(matrix, rows.values(), strict=True):
            for one, factor in left.items():
                row[bases.index(one)] = factor
        inverse = np.linalg.pinv(matrix)
        is_solved = np.abs(inverse @ matrix - np.eye(len(bases))).max(axis=1) < _ROUNDING
        found = []
        for place in np.flatnonzero(is_solved):
            needs = [n for n, f in zip(rows, inverse[place], strict=True) if abs(f) > _ROUNDING]
            others = {one for n in needs for one in self.sums[n] if one in how}
            found.append(Step((*needs, *sorted(others)), bases[place], "Add"))
        return found


_ROUNDING = 1e-9


def _derivation(how: dict[str, Step | None], goal: str) -> tuple[list[Step], tuple[str, ...]]:
    """Return the steps to a tensor, and the given ones that they start from."""
    used: list[Step] = []
    leaves: dict[str, None] = {}
    seen, todo = set(), [goal]
    while todo:
        name = todo.pop()
        if name in seen:
            continue
        seen.add(name)
        step = how[name]
        if step is None:
            leaves[name] = None
        else:
            used.append(step)
            todo += reversed(step.needs)
    return used, tuple(leaves)


def raw_together(
    known: Known,
    names: Collection[str],
    raw: Callable[[str], Taint | None],
    *,
    spared: Collection[str] = (),
) -> tuple[tuple[tuple[str, ...], Taint], ...]:
    """Return sets of tensors that only together reveal raw input, none of them raw itself.

    Without the first of each set none is left. The spared ones stand first only in a set of them.
    """
    left, found = set(names), []
    while (reached := known.reached(left, raw)) is not None:
        together = tuple(sorted(reached.names, key=lambda name: name in spared))
        found.append((together, reached.taint.then(reached.step.word)))
        left.remove(together[0])
    return tuple(found)
