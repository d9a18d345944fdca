"""Operators that hand on every number of an input, by their constants: whole slices, permutations.

A rule says what an operator may do; here stands what it does with the constants and shapes of this
node. An operator that changes nothing, or keeps each number at least once, hides nothing of a
mixture either.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from placer.onnx_files.taint_values import Node

_LARGEST = 2**31 - 1
"""From here on the end of a Slice is that of the axis."""


def kept_input(node: Node) -> int | None:
    """Return the input of which the first output has every number; None: of none is it shown."""
    if node.op_type == "Where":
        return _chosen(node)
    if node.op_type == "ScatterElements":
        return 2 if _is_scattered_apart(node) else None
    check = _CHECKS.get(node.op_type)
    return 0 if check is not None and node.has(0) and check(node) else None


def _chosen(node: Node) -> int | None:
    """Return the only side that a constant condition takes."""
    condition = node.constant(0)
    if condition is None or not condition.size or condition.any() != condition.all():
        return None
    return 1 if condition.all() else 2


def _is_scattered_apart(node: Node) -> bool:
    """Tell whether no update is written over by another."""
    indices, axis = node.constant(1), node.integer("axis", 0)
    if indices is None or not indices.ndim or node.string("reduction") not in ("", "none"):
        return False
    if not -indices.ndim <= axis < indices.ndim:
        return False
    size = (node.shape(node.names[0]) or (None,) * indices.ndim)[axis]
    if (indices < 0).any():
        if not isinstance(size, int):
            return False
        indices = np.where(indices < 0, indices + size, indices)
    return bool((np.diff(np.sort(indices, axis=axis), axis=axis) > 0).all())


def _has_its_shape(node: Node) -> bool:
    """Tell whether the first output is known to be as large as the first input on every axis."""
    given, made = node.shape(node.names[0]), node.shape(node.outputs[0])
    return given is not None and given == made and "" not in given


def _is_whole_slice(node: Node) -> bool:
    """Tell whether a Slice takes all, from the first to the last or the other way round."""
    if _has_its_shape(node):
        return True
    if not node.has(1):
        starts, ends = node.integers("starts"), node.integers("ends")
        return bool(starts) and not any(starts) and all(end >= _LARGEST for end in ends)
    first, last = node.constant(1), node.constant(2)
    steps = node.constant(4) if node.has(4) else np.array(1)
    if first is None or last is None or steps is None:
        return False
    return bool((first == 0).all() and (last >= _LARGEST).all() and (steps == 1).all())


def _is_permuted(node: Node) -> bool:
    """Tell whether a Gather takes each index at least once."""
    indices, shape = node.constant(1), node.shape(node.names[0])
    axis = node.integer("axis", 0)
    if indices is None or shape is None or not -len(shape) <= axis < len(shape):
        return False
    size = shape[axis]
    return isinstance(size, int) and {int(one) % max(size, 1) for one in indices.flat} == {
        *range(size)
    }


def _is_pool_of_one(node: Node) -> bool:
    """Tell whether each window is one number, and none is left out."""
    sizes = (*node.integers("kernel_shape"), *node.integers("strides"))
    return bool(sizes) and set(sizes) == {1} and not any(node.integers("pads"))


def _has_one_place(node: Node) -> bool:
    """Tell whether there is nothing to pool."""
    shape = node.shape(node.names[0])
    return shape is not None and len(shape) > 2 and all(size == 1 for size in shape[2:])


def _is_reduced_over_ones(node: Node) -> bool:
    """Tell whether every axis that is reduced has one number, or none is reduced."""
    axes = node.constant(1) if node.has(1) else np.array(node.integers("axes"), dtype=np.int64)
    if axes is not None and not axes.size and node.integer("noop_with_empty_axes", 0):
        return True
    shape = node.shape(node.names[0])
    if axes is None or shape is None or any(not -len(shape) <= a < len(shape) for a in axes.flat):
        return False
    return all(size == 1 for size in ([shape[int(a)] for a in axes.flat] if axes.size else shape))


def _has_no_bounds(node: Node) -> bool:
    """Tell whether a Clip has no bounds, or those of its type."""
    for index, name, sign in ((1, "min", -1), (2, "max", 1)):
        bound: np.ndarray | None
        if node.has(index):
            bound = node.constant(index)
        else:
            bound = np.array(node.number(name, sign * np.inf), dtype=np.float32)
        if bound is None:
            return False
        limits = np.finfo if bound.dtype.kind == "f" else np.iinfo
        if bound.dtype.kind not in "fiu":
            return False
        widest = limits(bound.dtype).max if sign > 0 else limits(bound.dtype).min
        if not (sign * bound.astype(np.float64) >= sign * float(widest)).all():
            return False
    return True


def _is_first_power(node: Node) -> bool:
    exponent = node.constant(1)
    return exponent is not None and exponent.size > 0 and bool((exponent == 1).all())


_EVERY_NUMBER = ("", "half_pixel", "pytorch_half_pixel", "half_pixel_symmetric", "asymmetric",
                 "align_corners")  # fmt: skip
"""With these a whole scale hits every number, whatever the rounding, or draws lines through all."""


def _is_enlarged(node: Node) -> bool:
    """Tell whether a picture is made larger by whole scales, by the nearest or along lines.

    Between two neighbours that are drawn a line through there stand two numbers or more, or they
    stand there themselves: either way they can be solved for.
    """
    is_known = node.string("coordinate_transformation_mode") in _EVERY_NUMBER
    if not is_known or node.string("mode") not in ("", "nearest", "linear", "bilinear"):
        return False
    scales = node.constant(2 if node.op_type == "Resize" and len(node.names) > 2 else 1)
    if scales is not None and scales.size and scales.dtype.kind == "f":
        return bool((scales >= 1).all() and (scales == np.round(scales)).all())
    if node.has_attribute("scales"):
        return all(one >= 1 and one == round(one) for one in node.attributes["scales"].floats)
    given, made = node.shape(node.names[0]), node.shape(node.outputs[0])
    if given is None or made is None or len(given) != len(made):
        return False
    return all(
        (old == new and old != "")
        or (isinstance(old, int) and isinstance(new, int) and 0 < old <= new and not new % old)
        for old, new in zip(given, made, strict=True)
    )


_CHECKS: Mapping[str, Callable[[Node], bool]] = {
    **dict.fromkeys(("AveragePool", "MaxPool"), _is_pool_of_one),
    **dict.fromkeys(("GlobalAveragePool", "GlobalMaxPool"), _has_one_place),
    **dict.fromkeys(
        ("ReduceLogSumExp", "ReduceMax", "ReduceMean", "ReduceMin", "ReduceProd", "ReduceSum"),
        _is_reduced_over_ones,
    ),
    **dict.fromkeys(("Resize", "Upsample"), _is_enlarged),
    "CenterCropPad": _has_its_shape,
    "Clip": _has_no_bounds,
    "Gather": _is_permuted,
    "Pow": _is_first_power,
    "Slice": _is_whole_slice,
}

KEEPING_BY_SHAPE = (*_CHECKS, "ScatterElements", "Where")
"""Operators that hand on every number with some constants and shapes."""
