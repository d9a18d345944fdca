"""Functions of words: rows that are looked up in tables, and what is made of each row alone.

Such a row is a function of the words at its place, of a sum of several tables as BERT's of several
words. It is computed for all words, and if the rows differ then whoever has one finds the word.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from placer.onnx_files.injective import OutOfWorkError
from placer.onnx_files.taint_computed import opened
from placer.onnx_files.taint_known import Step
from placer.onnx_files.taint_rows import (
    SLOWER,
    acts_by_row,
    as_float32,
    changing,
    columns,
    cost,
    is_same,
    keeps_order,
    on_matrix,
    places,
)
from placer.onnx_files.taint_tables import MAX_SUMS, chosen, differ, views
from placer.onnx_files.taint_values import Node, Origin

_EMBEDDING = "EmbedLayerNormalization"
"""ONNX Runtime's: words, segments and places are looked up, added and normalised."""
_MAX_NODES = 64
"""Of a function."""
_MAX_WORK = 2**32
"""Multiplications for a function of words; where all words take more, as many are drawn."""
_MIN_DRAWN = 512
"""Sums that show something of more words."""
_MAX_NUMBERS = 2**22
"""Of a matrix that is computed at once."""


@dataclass(frozen=True, slots=True)
class _Table:
    """Constants whose rows are looked up."""

    name: str
    """Of the rows in the function."""
    index: str
    node: Node
    place: int
    """Of the constants among the inputs of the node."""

    @property
    def shape(self) -> tuple[int, ...]:
        """(words, numbers); of another length: it is none."""
        shape = self.node.shape(self.node.names[self.place]) or ()
        return tuple(size for size in shape if isinstance(size, int))


@dataclass(frozen=True, slots=True)
class _Rows:
    """A tensor whose rows are each a function of words."""

    node: Node
    words: Mapping[str, int]
    """Indices -> words of their table, the most first."""
    frame: tuple[int | str, ...] | str
    """Where they stand: its axes but the last, or the name of a tensor in an order of its own."""
    columns: int
    cost: int
    """Of a row."""
    tables: tuple[_Table, ...] = ()
    """That the node itself looks rows up in."""


class Words:
    """The functions of words of a graph, in the order of its nodes."""

    def __init__(self) -> None:
        self._rows: dict[str, _Rows] = {}

    def __contains__(self, name: str) -> bool:
        """Tell whether a tensor is a function of words."""
        return name in self._rows

    def add(self, node: Node) -> Iterator[Step]:
        """Yield the steps from what a node makes to words."""
        out = node.outputs[0]
        rows = self._looked_up(node) if node.op_type in ("Gather", _EMBEDDING) else self._of(node)
        if rows is None:
            return
        self._rows[out] = rows
        if node.op_type != "Gather":
            for index in rows.words:
                yield Step((out,), index, node.op_type, holds=partial(self._tells, out, index))

    def _looked_up(self, node: Node) -> _Rows | None:
        """Return the rows that a node takes of constant tables; None: it takes none."""
        out = node.outputs[0]
        if node.op_type == "Gather":
            is_by_row = node.integer("axis", 0) in (0, -2)
            tables = [_Table(out, node.names[1], node, 0)] if is_by_row else []
        else:
            tables = [_Table(f"{out}:words", node.names[0], node, 2)]
            if node.has(1):
                tables.append(_Table(f"{out}:segments", node.names[1], node, 4))
            if node.has(8):  # places that are computed
                return None
        shapes = [table.shape for table in tables]
        sizes = {shape[1] for shape in shapes if len(shape) == 2}
        is_fixed = all(node.taint(table.place).origin is Origin.CONSTANT for table in tables)
        if not is_fixed or len(sizes) != 1 or any(len(shape) != 2 for shape in shapes):
            return None
        (size,) = sizes
        words = _most_first({table.index: table.shape[0] for table in tables})
        return _Rows(node, words, _frame(node), size, SLOWER * size * len(tables), tuple(tables))

    def _of(self, node: Node) -> _Rows | None:
        """Return what a node makes of each row of functions of words; None: it mixes rows."""
        names = [node.names[place] for place in changing(node)]
        rows = [self._rows[name] for name in names if name in self._rows]
        if not rows or len(rows) < len(names) or not acts_by_row(node):
            return None
        words = {name: size for one in rows for name, size in one.words.items()}
        frames: dict[tuple[int | str, ...] | str, set[str]] = {}
        for one in rows:
            frames.setdefault(one.frame, set()).update(one.words)
        frame = node.outputs[0] if len(frames) > 1 else _moved(node, rows[0].frame)
        if sum(map(len, frames.values())) > len(words):
            return None  # a word beside one of another place
        given = [one.columns for one in rows]
        return _Rows(node, _most_first(words), frame, columns(node, given), cost(node, given))

    def _tells(self, name: str, index: str) -> bool:
        """Tell whether most words of an index differ, in every row, from all others."""
        parts, words = self._parts(name), self._rows[name].words
        if len(parts) > _MAX_NODES:
            return False
        each = max(1, sum(one.cost for one in parts))
        count = min(MAX_SUMS, _MAX_WORK // each)
        if count < min(_MIN_DRAWN, words[index]):
            return False
        drawn = chosen(words, index, count)
        try:
            self._rows[name].node.proofs.work.spend(each * len(drawn[index]))
        except OutOfWorkError:
            return False
        amid = max(places(one.node) for one in parts) // 2
        seen = _seen(parts, drawn, amid)  # the first of a sentence is often a special one
        return seen is not None and differ(seen, drawn[index])

    def _parts(self, name: str) -> list[_Rows]:
        """Return what a function is made of, in the order in which it is computed."""
        needed, todo = set[str](), [name]
        while todo:
            one = todo.pop()
            if one not in needed:
                needed.add(one)
                rows = self._rows[one]
                todo += [] if rows.tables else [rows.node.names[i] for i in changing(rows.node)]
        return [rows for one, rows in self._rows.items() if one in needed]


def _most_first(words: Mapping[str, int]) -> dict[str, int]:
    return dict(sorted(words.items(), key=lambda one: -one[1]))


def _frame(node: Node) -> tuple[int | str, ...] | str:
    """Return the axes but the last of what a node makes, without leading ones; else its name."""
    shape = node.shape(node.outputs[0])
    if not shape or "" in shape:
        return node.outputs[0]
    lead = list(shape[:-1])
    while lead and lead[0] == 1:
        del lead[0]
    return tuple(lead)


def _moved(node: Node, frame: tuple[int | str, ...] | str) -> tuple[int | str, ...] | str:
    """Return where rows stand in what a node makes of rows that stand in a frame."""
    out, made = node.outputs[0], _frame(node)
    if is_same(node):
        return frame
    if node.op_type == "Transpose" or (keeps_order(node) and isinstance(frame, str)):
        return out
    if keeps_order(node) or made == frame:
        return made
    return frame if isinstance(made, str) or isinstance(frame, str) else out


# --- computed -------------------------------------------------------------------------------


def _seen(parts: Sequence[_Rows], drawn: Mapping[str, np.ndarray], place: int) -> np.ndarray | None:
    """Return the rows of words in some directions; None: they cannot be computed."""
    tables = {}
    for one in (table for rows in parts for table in rows.tables):
        value = one.node.constant(one.place)
        if value is None or value.dtype.kind not in "fiu":
            return None
        tables[one.name] = (as_float32(value[:0]).dtype, value, drawn[one.index])
    found: list[np.ndarray] = []
    total = len(next(iter(drawn.values())))
    size = max(1, _MAX_NUMBERS // max(rows.columns for rows in parts))
    try:
        session = _session(parts, {name: one[0] for name, one in tables.items()}, place)
        for start in range(0, total if session is not None else 0, size):
            part = slice(start, start + size)
            feeds = {
                name: value[words[part]].astype(dtype, copy=False)
                for name, (dtype, value, words) in tables.items()
            }
            (rows,) = session.run(None, feeds)
            found.append(views(rows))
    except Exception:  # whatever the runtime does not know: then nothing is shown
        return None
    return np.concatenate(found) if found else None


def _session(parts: Sequence[_Rows], tables: Mapping[str, Any], place: int) -> Any:
    """Return a session that computes a function of rows; None: a constant is not known."""
    from onnx import helper, numpy_helper

    nodes, constants = [], dict[str, np.ndarray]()
    for rows in parts:
        made = _embedding(rows.node, place) if rows.node.op_type == _EMBEDDING else None
        if not rows.tables:
            one = on_matrix(rows.node, place)
            made = None if one is None else ([one[0]], one[1])
        if made is None and rows.node.op_type != "Gather":
            return None
        if made is not None:
            nodes += made[0]
            constants |= made[1]
    graph = helper.make_graph(
        nodes,
        "rows",
        [
            helper.make_tensor_value_info(
                name, helper.np_dtype_to_tensor_dtype(dtype), ["words", None]
            )
            for name, dtype in tables.items()
        ],
        [helper.make_empty_tensor_value_info(parts[-1].node.outputs[0])],
        [numpy_helper.from_array(np.asarray(value), name) for name, value in constants.items()],
    )
    opsets = [
        helper.make_opsetid("", parts[-1].node.opset),
        helper.make_opsetid("com.microsoft", 1),
    ]
    return opened(graph, opsets, _IR_VERSION)


_IR_VERSION = 8


def _embedding(node: Node, place: int) -> tuple[list[Any], dict[str, np.ndarray]] | None:
    """Return what fused embeddings make of the rows of their tables; None: it is not known."""
    from onnx import helper

    at, scale, shift = node.constant(3), node.constant(5), node.constant(6)
    if at is None or scale is None or shift is None:
        return None
    out = node.outputs[0]
    given = {f"{out}:place": at[place % len(at)], f"{out}:scale": scale, f"{out}:shift": shift}
    terms = [f"{out}:words", f"{out}:place", *([f"{out}:segments"] if node.has(1) else [])]
    made = [
        helper.make_node("Sum", terms, [f"{out}:sum"]),
        helper.make_node(
            "LayerNormalization",
            [f"{out}:sum", f"{out}:scale", f"{out}:shift"],
            [out],
            axis=1,
            epsilon=node.number("epsilon", 1e-12),
        ),
    ]
    return made, {name: as_float32(value) for name, value in given.items()}
