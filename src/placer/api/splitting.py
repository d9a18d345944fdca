"""Splitting a model: its groups measured, its parts written, their answers held to the whole's."""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from placer.core.cuts import (
    Share,
    crossing,
    largest_uncuttable_share,
    single_tensor_points,
    tiers_of_cuts,
)
from placer.core.errors import InputError, MeasuringError, UsageError
from placer.core.graph import TensorSpec
from placer.core.groups import GroupGraph
from placer.core.split import OutputDifference, SplitContract, output_differences

if TYPE_CHECKING:
    from placer.onnx_files.inputs import Inputs
    from placer.onnx_files.split_source import SplitSource

CONTRACT_NAME = "contract.json"
USUAL_RUNS = 30
USUAL_TIME_LIMIT_S = 60.0
FAR_FROM_WHOLE_RATIO = 0.1
Compare = Callable[[SplitContract, str], tuple[OutputDifference, ...]]


@dataclass(frozen=True, slots=True)
class MeasuredGraph:
    """The groups that a runtime makes of a model, with their times on this machine."""

    graph: GroupGraph
    """Its times add up to ``whole_s``: the sum of the kernels is scaled to it."""
    kernels: int
    """Nodes of the runtime's own graph."""
    unknown_kernels: int
    """Those of them that could not be led back to the model."""
    whole_s: float | None
    """Of the model without a profiler; None: not measured."""
    kernels_s: float | None
    """Sum of the kernels' times, the profiler's cost taken off."""
    profiler_s: float | None
    """What was taken off each kernel."""
    runs: int
    inner_points: tuple[str, ...]
    """Tensors that alone divide the nodes of the model, but lie inside of a group.

    To cut there is allowed, and undoes a fusion of the runtime.
    """
    points: tuple[str, ...]
    """Tensors that alone divide the groups, in the order they are made."""
    largest_uncuttable: Share
    """The largest part that none of ``points`` divides."""

    @property
    def additivity_ratio(self) -> float | None:
        """Sum of the kernels over the whole, before scaling; None: not measured."""
        if not self.whole_s or self.kernels_s is None:
            return None
        return self.kernels_s / self.whole_s

    @property
    def is_disturbed(self) -> bool:
        """The kernels take clearly more than the whole: other programs ran inside of long ones.

        The shares of the groups are then not to be relied on: measure again on a quiet machine.
        """
        return (self.additivity_ratio or 0.0) > 1 + FAR_FROM_WHOLE_RATIO


def open_to_split(
    model: str, *, shapes: Mapping[str, tuple[int, ...]] | None = None
) -> SplitSource:
    """Open an ONNX model to measure and cut it: it is read once, however many cuts are tried.

    Raises
    ------
    InputError, UsageError
        As ``placer.onnx_files.split_source.open_source``; or the file is no ONNX model.
    """
    from placer.api.formats import ONNX, format_of
    from placer.onnx_files.split_source import open_source

    if format_of(model) != ONNX:
        raise InputError(
            f"{model} is no ONNX model, and only those are split",
            hint="convert it, for example with tf2onnx",
        )
    return open_source(model, shapes=shapes)


def measure_groups(
    source: SplitSource,
    *,
    inputs: str | None = None,
    threads: int = 1,
    runs: int = USUAL_RUNS,
    time_limit_s: float = USUAL_TIME_LIMIT_S,
    groups: GroupGraph | None = None,
) -> MeasuredGraph:
    """Contract a model to the groups that ONNX Runtime makes of it on this CPU, and time them.

    Parameters
    ----------
    groups
        Groups to time, that ONNX Runtime made on another machine or for other settings; None:
        those that it makes here. Each tier of a split has times of the same groups.
    inputs
        .npz file with real samples; None: generated ones. One is run.
    runs
        Each with and without the profiler; fewer where the time limit ends; 0: no times.

    Raises
    ------
    InputError
        ONNX Runtime does not run the model.
    MeasuringError
        The measuring process failed.
    """
    from placer.onnx_files.runtime_graph import group, read_kernels, timed, write_named
    from placer.profiling.child import GRACE_S, Child, ChildError
    from placer.runtimes import kernel_times

    samples = samples_for(source, inputs, most=1)
    with tempfile.TemporaryDirectory(prefix="placer-") as folder:
        named = write_named(source, str(Path(folder) / "named.onnx"))
        optimised_path = str(Path(folder) / "optimised.onnx")
        inputs_path = str(Path(folder) / "inputs.npz")
        samples.save(inputs_path)
        try:
            with Child(kernel_times.MODULE) as child:
                answer = child.ask(
                    "time_kernels",
                    model_path=named.path,
                    optimised_path=optimised_path,
                    inputs_path=inputs_path,
                    dtypes=samples.dtypes,
                    threads=threads,
                    runs=runs,
                    limit_s=time_limit_s,
                    deadline_s=2 * max(time_limit_s, USUAL_TIME_LIMIT_S) + GRACE_S,
                )
        except ChildError as error:
            kind = InputError if error.kind == "unsupported" else MeasuringError
            raise kind(f"{source.summary.path}: {error.message}") from error
        kernels = read_kernels(optimised_path, named, source)
    graph, times_s = groups or group(source, kernels), dict[str, float](answer["kernels"])
    if runs:
        graph = timed(source, graph, kernels, times_s, answer["whole_s"])
    between = {tensor.name for tensor in graph.tensors}
    return MeasuredGraph(
        graph=graph,
        kernels=len(kernels),
        unknown_kernels=sum(kernel.belongs_to is None for kernel in kernels),
        whole_s=answer["whole_s"] if runs else None,
        kernels_s=sum(times_s.values()) if runs else None,
        profiler_s=answer["profiler_s"] if runs else None,
        runs=answer["runs"],
        inner_points=tuple(
            name for name in single_tensor_points(source.graph) if name not in between
        ),
        points=single_tensor_points(graph),
        largest_uncuttable=largest_uncuttable_share(graph),
    )


def node_tiers(graph: GroupGraph, assignment: Mapping[str, int]) -> dict[str, int]:
    """Return node -> tier for a plan that gives each group its tier."""
    return {node: assignment[group.name] for group in graph.groups for node in group.nodes}


def cut_at(
    source: SplitSource, cuts: Sequence[Sequence[str]], *, kept: Collection[str] = ()
) -> dict[str, int]:
    """Return node -> tier for the tensors that cross each link, inside of groups as well.

    Parameters
    ----------
    kept
        As ``placer.core.cuts.tiers_of_cuts`` takes it.

    Raises
    ------
    UsageError
        A tensor is not there, or the tensors do not separate the model.
    """
    if not cuts:
        raise UsageError("there is no link to cut at", hint="name the tensors that cross it")
    return node_tiers(source.graph, tiers_of_cuts(source.graph, cuts, kept=kept))


def write_split(
    source: SplitSource, tiers: Mapping[str, int], links: int, folder: str
) -> SplitContract:
    """Write the part of each tier and the contract between them into a folder.

    An earlier split in it is replaced, all of it.

    Parameters
    ----------
    tiers
        Node -> tier, as ``cut_at`` and ``node_tiers`` tell.
    links
        Number of links: one less than tiers, of which some may run nothing.

    Raises
    ------
    UsageError
        A node runs before what it needs; the folder holds what is not of an earlier split, or
        cannot be written.
    MeasuringError
        The disk is full.
    """
    from placer.files.split_contract import write_contract
    from placer.files.split_folder import replacing
    from placer.onnx_files.splitter import write_parts

    crossed = crossing(source.graph, tiers, links + 1)
    try:
        Path(folder).parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(
            f"cannot make the directory '{Path(folder).parent}': "
            f"{(error.strerror or str(error)).lower()}",
            hint="name another",
        ) from error
    specs = source.specs
    with replacing(folder, option="") as place:
        contract = SplitContract(
            model=Path(source.summary.path).name,
            model_sha256=source.summary.sha256,
            inputs=source.summary.inputs,
            outputs=source.summary.outputs,
            parts=write_parts(source, tiers, str(place)),
            links=tuple(tuple(specs[tensor.name] for tensor in link) for link in crossed),
            unused_nodes=source.graph.unused_nodes,
            constant_nodes=source.constant_nodes,
        )
        write_contract(contract, str(place / CONTRACT_NAME))
    return contract


@contextlib.contextmanager
def comparing(
    source: SplitSource,
    *,
    inputs: str | None = None,
    time_limit_s: float = USUAL_TIME_LIMIT_S,
) -> Iterator[Compare]:
    """Give a function that runs written parts one after the other and compares their answers.

    The whole model runs once, in the same process; its answers serve every split.

    Parameters
    ----------
    inputs
        .npz file with real samples; None: a generated one.
    time_limit_s
        For each part, and for the whole model.

    Raises
    ------
    MeasuringError
        A part or the whole model could not be run, or a tensor between them has a type that numpy
        lacks. From the function as well.
    """
    from placer.api.part_runs import answering

    _require_numpy((*source.summary.inputs, *source.summary.outputs))
    given = samples_for(source, inputs, most=None)
    with answering(time_limit_s=time_limit_s) as answer:
        whole = answer(source.summary.path, given.samples)

        def compare(contract: SplitContract, folder: str) -> tuple[OutputDifference, ...]:
            known = dict(given.samples)
            for part in contract.parts:
                _require_numpy(part.outputs)
                found = answer(
                    str(Path(folder) / part.files[0][0]),
                    {spec.name: known[spec.name] for spec in part.inputs},
                )
                known.update({spec.name: found[spec.name] for spec in part.outputs})
            return output_differences(whole, known)

        yield compare


def _require_numpy(specs: Sequence[TensorSpec]) -> None:
    import numpy as np

    for spec in specs:
        try:
            is_known = np.dtype(spec.dtype).isbuiltin == 1  # others may have registered theirs
        except TypeError:
            is_known = False
        if not is_known:
            raise MeasuringError(
                f"'{spec.name}' is {spec.dtype}, which numpy does not have: the answers of the "
                "parts cannot be compared",
                hint="compare a float32 or float16 export of the model",
            )


def samples_for(source: SplitSource, path: str | None, *, most: int | None) -> Inputs:
    """Return the samples of an .npz file, the first so many; without one a generated one.

    Raises
    ------
    InputError
        The file cannot be read, or does not fit the model.
    """
    from placer.onnx_files.inputs import generate_inputs, load_inputs

    summary = source.summary
    if path is None:
        return generate_inputs(summary.path, summary.inputs)
    return load_inputs(path, summary.inputs, most=most)
