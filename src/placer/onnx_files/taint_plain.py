"""Rules of raw input that is moved, cut out, joined, made smaller or drawn in other tones."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Sequence

import numpy as np

from placer.onnx_files.taint_values import Node, Origin, Taint, joined

Rule = Callable[[Node], Taint | Sequence[Taint]]
Shape = Sequence[int | str]


def not_shown(node: Node, reason: str = "") -> Taint:
    """Return the derived taint of the first raw input."""
    raw = next(taint for taint in node.taints if taint is not None and taint.is_raw)
    return raw.ended(node.op_type, reason)


# --- moved, cut out, joined -----------------------------------------------------------------


def moved(node: Node) -> Taint:
    """Keep all values of the first input, elsewhere or in another type."""
    data = node.taint(0)
    return data.then(node.op_type) if data.is_raw else not_shown(node)


def cut(node: Node) -> Taint:
    """Keep a part of the values of the first input: of plain values each is raw by itself."""
    return _if_plain(node, "a part of")


def _if_plain(node: Node, what: str) -> Taint:
    data = node.taint(0)
    if not data.is_raw:
        return not_shown(node)
    return not_shown(node, f"{what} a mixture") if data.is_mixed else data.then(node.op_type)


def compress(node: Node) -> Taint:
    """Keep what a condition says; all of it, or of plain values a part."""
    condition, shape = node.constant(1), node.shape(node.names[0])
    if condition is None or shape is None or not condition.all():
        return cut(node)
    axis = node.integer("axis", 0)
    sizes = shape[axis : axis + 1 or None] if node.has_attribute("axis") else shape
    return moved(node) if _count(sizes) == condition.size else cut(node)


def _count(sizes: Shape) -> int | None:
    """Return the number of elements; None: not known."""
    known = [size for size in sizes if isinstance(size, int)]
    return math.prod(known) if len(known) == len(sizes) else None


def pad(node: Node) -> Taint:
    """Keep all, with a border; a negative one cuts."""
    pads = node.constant(1) if node.has(1) else np.array(node.integers("pads"))
    grows = pads is not None and (pads >= 0).all()
    return moved(node) if grows else cut(node)


def dropout(node: Node) -> Taint:
    """Keep all, but in training."""
    training = node.constant(2) if node.has(2) else np.array(False)
    if training is None or training.any():
        return not_shown(node, "values are dropped at random")
    return moved(node)


def dynamic_quantize(node: Node) -> Sequence[Taint]:
    """Keep all as integers; scale and zero point are two numbers of the whole."""
    return (moved(node), *[not_shown(node, "one number for the tensor")] * 2)


def joined_inputs(*indices: int) -> Callable[[Node], Taint]:
    """Keep the values of these inputs (none named: of all), side by side."""

    def rule(node: Node) -> Taint:
        chosen = [node.taint(i) for i in indices or range(len(node.taints))]
        raw = joined(chosen)
        if not raw.is_raw:
            return not_shown(node)
        if raw.is_mixed and indices:  # some values of the mixture may be replaced
            return not_shown(node, "a part of a mixture")
        return raw.then(node.op_type)

    return rule


def pool(node: Node) -> Sequence[Taint]:
    """Pool windows of any size: what is left is a smaller or blurred picture, as of a Resize."""
    window = math.prod(node.integers("kernel_shape"))
    found = not_shown(node, f"one value for {window}") if is_one_place(node) else cut(node)
    return (found, *[not_shown(node, "places, not values")] * (len(node.outputs) - 1))


def is_one_place(node: Node) -> bool:
    """Tell whether a pool or a convolution is known to leave one number of each channel."""
    shape = node.shape(node.outputs[0])
    return shape is not None and all(size == 1 for size in shape[2:])


MAX_REDUCED = 16
"""Numbers of a line that become one: a sixteenth of them still draws it."""


def leaves_picture(shape: Shape, summed: Collection[int]) -> bool:
    """Tell whether a raw tensor, reduced over some axes, still is a picture or a line.

    A first axis of no stated size is the batch, and one picture is looked at.
    """
    kept = _long_axes(shape, summed)
    across = [i for i in kept if i]  # the first axis is the batch
    sizes = [shape[i] for i in summed]
    window = math.prod(size if isinstance(size, int) else MAX_REDUCED + 1 for size in sizes)
    return len(across) > 1 or (bool(kept) and window <= MAX_REDUCED)


def _long_axes(shape: Shape, summed: Collection[int]) -> list[int]:
    """Return the axes that are kept, but those of one number and a batch of no stated size."""
    sizes = [1 if isinstance(size, str) and not i else size for i, size in enumerate(shape)]
    return [i for i, size in enumerate(sizes) if i not in summed and size != 1]


def reduce(node: Node) -> Taint:
    """Take one number of many along some axes, as of three colours one grey."""
    shape = node.shape(node.names[0])
    axes = node.constant(1) if node.has(1) else np.array(node.integers("axes"), dtype=np.int64)
    if not node.taint(0).is_raw or shape is None or axes is None:
        return curve(node)
    if not axes.size and node.integer("noop_with_empty_axes", 0):
        return curve(node)
    summed = {int(axis) % max(len(shape), 1) for axis in axes.flat} or set(range(len(shape)))
    return curve(node) if leaves_picture(shape, summed) else not_shown(node, "one value for many")


def gather(node: Node) -> Taint:
    """Keep what is looked up, or the indices where the rows of a table differ."""
    if node.taint(0).is_raw:
        return cut(node)
    indices = node.taint(1)
    if node.taint(0).origin not in (Origin.CONSTANT, Origin.PUBLIC):
        return not_shown(node, "looked up in a table that is computed")
    table = node.constant(0)
    if table is None or not table.ndim or node.integer("axis", 0) not in (0, -table.ndim):
        return not_shown(node, "looked up in a table that is not known")
    distinct = len({row.tobytes() for row in table})
    if 2 * distinct < len(table):
        return not_shown(node, f"{distinct} of {len(table)} rows of the table differ")
    return indices.then("Gather", is_mixed=True)


# --- number by number -----------------------------------------------------------------------


def curve(node: Node) -> Taint:
    """Draw a curve over each number: of plain values that is a picture in other tones."""
    return _if_plain(node, "a curve over")


def tones(node: Node) -> Taint:
    """Shift, mask or wrap the bits of each number by constants."""
    if any(taint and taint.origin is Origin.DERIVED for taint in node.taints):
        return not_shown(node, "joined with what it made")
    return curve(node)


def stepped(node: Node) -> Taint:
    """Take the sign, or compare with constants: of a picture that is one in black and white.

    One of two values for each number of a row is less, as the mask of a sentence.
    """
    raws = [place for place, taint in enumerate(node.taints) if taint and taint.is_raw]
    if len(raws) > 1 or any(taint and taint.origin is Origin.DERIVED for taint in node.taints):
        return not_shown(node)
    data, shape = node.taint(raws[0]), node.shape(node.names[raws[0]])
    if shape is not None and len([axis for axis in _long_axes(shape, ()) if axis]) < 2:
        return not_shown(node, "one of two values for each number of a row")
    return _curve_of(node, data)


MANY_VALUES = 4
"""An operand that is the same for so many raw values leaves their differences."""


def blend(node: Node) -> Taint:
    """Return what the other operands of Add, Mul and their like leave of the raw ones."""
    raws = [(i, taint) for i, taint in enumerate(node.taints) if taint and taint.is_raw]
    others = [
        (i, taint)
        for i, taint in enumerate(node.taints)
        if taint and taint.origin is Origin.DERIVED
    ]
    raw = joined(taint for _, taint in raws)
    if others:
        is_shift = not raw.is_mixed and all(
            _is_shared(node.shape(node.names[raws[0][0]]), node.shape(node.names[i]))
            for i, _ in others
        )
        is_kept = is_shift or (
            len(raws) == 1 and all(_is_step(node, raws[0][0], i) for i, _ in others)
        )
        return raw.then(node.op_type) if is_kept else not_shown(node, "joined with what it made")
    if len(raws) > 1:
        if node.op_type == "Sub" and len(set(node.names)) == 1:
            return not_shown(node, "less itself")
        if any(taint.is_mixed for _, taint in raws):
            is_product = node.op_type in ("Mul", "Div")
            return not_shown(node, f"a {'product' if is_product else 'sum'} of mixtures")
        return raw.then(node.op_type)
    if node.op_type in ("Max", "Min") and len(node.taints) > 1:
        return _curve_of(node, raw)
    if node.op_type == "Mul":
        factors = [node.constant(i) for i in range(len(node.taints)) if i != raws[0][0]]
        return scaled(node, raw, factors)
    return raw.then(node.op_type)


STEPS = ("Greater", "GreaterOrEqual", "Less", "LessOrEqual", "Sign")
"""One of few values for each number, by that number."""


def _is_step(node: Node, raw: int, other: int) -> bool:
    """Tell whether raw values are read off as well with steps of themselves added or multiplied.

    Of a mixture nothing is lost where what is larger stays larger.
    """
    name = node.names[other]
    while (maker := node.maker(name)) is not None and maker.op_type in ("Cast", "Identity"):
        name = maker.input[0]
    if maker is None:
        return False
    source = node.names[raw]
    is_of_it = source in maker.input and maker.op_type in (*STEPS, "Hardmax")
    if node.taint(raw).is_mixed:
        is_rising = maker.op_type in ("Hardmax", "Sign")
        return is_of_it and is_rising and node.op_type in ("Add", "Sum")
    if node.op_type in ("Add", "Sub", "Sum"):
        return maker.op_type in (*STEPS, "Hardmax")
    constants = [node.value(one) is not None for one in maker.input if one != source]
    return is_of_it and node.op_type == "Mul" and maker.op_type in STEPS and all(constants)


def _curve_of(node: Node, raw: Taint) -> Taint:
    return not_shown(node, "a curve over a mixture") if raw.is_mixed else raw.then(node.op_type)


def scaled(node: Node, raw: Taint, factors: Sequence[np.ndarray | None]) -> Taint:
    """Return a product: zeros take values away."""
    if any(factor is not None and not factor.any() for factor in factors):
        return not_shown(node, "times zero")
    if raw.is_mixed and not all(factor is not None and factor.all() for factor in factors):
        return not_shown(node, "a mixture times numbers that may be zero")
    return raw.then(node.op_type)


def scaled_columns(node: Node) -> Taint:
    """Shift and scale each column by numbers of the node, as scikit-learn's scalers do."""
    factors = np.array(
        node.attributes["scale"].floats if node.has_attribute("scale") else [1.0], dtype=np.float32
    )
    return scaled(node, node.taint(0), [factors])


def _is_shared(raw: tuple[int | str, ...] | None, other: tuple[int | str, ...] | None) -> bool:
    """Tell whether an operand is the same for at least ``MANY_VALUES`` raw values."""
    if raw is None or other is None:
        return False
    count = 1
    padded: tuple[int | str, ...] = (1,) * (len(raw) - len(other)) + other
    for size, shared in zip(raw, padded, strict=False):
        if shared == 1 and size != 1:
            count *= size if isinstance(size, int) else MANY_VALUES
    return count >= MANY_VALUES


def batch_normalised(node: Node) -> Sequence[Taint]:
    """Scale and shift each channel by constants."""
    data = node.taint(0)
    rest = [not_shown(node, "statistics")] * (len(node.outputs) - 1)
    if not data.is_raw or node.integer("training_mode", 0):
        return (not_shown(node), *rest)
    if any(node.taint(i).origin not in (Origin.CONSTANT, Origin.PUBLIC) for i in range(1, 5)):
        return (not_shown(node, "normalised by what it made"), *rest)
    return (scaled(node, data, [node.constant(1)]), *rest)


def normalised(node: Node) -> Sequence[Taint]:
    """Normalise by its own mean and size: a picture loses brightness and contrast, no more."""
    data = node.taint(0)
    is_mixture = data.is_raw and data.is_mixed
    first = not_shown(node, "a mixture without its mean or size") if is_mixture else curve(node)
    return (first, *[not_shown(node, "statistics")] * (len(node.outputs) - 1))
