"""``placer init``: a workload file to start from."""

from __future__ import annotations

import os
import re
import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from placer.cli import declared
from placer.core.errors import UsageError

if TYPE_CHECKING:
    from placer.core.graph import ModelSummary

DEFAULT_FILE = "workload.yaml"


def command(
    model: Annotated[str, typer.Argument(metavar="MODEL", help="ONNX or TensorFlow Lite model.")],
    shape: declared.Shape = None,
    save: Annotated[
        str, typer.Option(metavar="FILE", help="Where to write the workload file.")
    ] = DEFAULT_FILE,
    force: Annotated[bool, typer.Option("--force", help="Write over an existing file.")] = False,
) -> None:
    """Write a commented workload file for MODEL: it is valid as it is, and yours to fill in."""
    from placer.api.formats import read_model
    from placer.cli.options import check_places
    from placer.files.writing import write_atomically
    from placer.onnx_files.reader import parse_shape_option

    if not save.endswith((".yaml", ".yml")):
        raise UsageError(
            f"--save {save} does not end in .yaml", hint=f"for instance --save {DEFAULT_FILE}"
        )
    check_places([save], [model])
    if os.path.lexists(save) and not force:
        raise UsageError(
            f"{save} exists already", hint="choose another with --save, or --force to replace it"
        )
    summary = read_model(model, shapes=dict(parse_shape_option(text) for text in shape or ()))
    write_atomically(save, _starter(model, save, summary, has_shapes=bool(shape)))
    typer.echo(f"{save} written: fill in what you know, then\n")
    typer.echo(f"  placer recommend --workload {shlex.quote(save)}")


def _starter(model: str, save: str, summary: ModelSummary, *, has_shapes: bool) -> str:
    folder = os.path.dirname(os.path.realpath(save))  # noqa: PTH120  # text as typed
    path = os.path.realpath(model)
    near = os.path.relpath(path, folder)
    name = re.sub(r"[^A-Za-z0-9._-]+", "-", Path(model).stem).strip("-._") or "model"
    shapes = "".join(
        f"    {_quoted(spec.name)}: [{', '.join(map(str, spec.shape))}]\n"
        for spec in summary.inputs
    )
    return _TEXT.format(
        name=_quoted(name),
        path=_quoted(near),
        shapes=f"  shapes:\n{shapes}" if has_shapes else "",
        wire=f"the raw input tensors take {summary.input_bytes:,} bytes"
        if summary.input_bytes is not None
        else "as the application sends it",
    )


def _quoted(text: str) -> str:
    """Write text as a double-quoted YAML scalar where plain would be read as something else."""
    if re.fullmatch(r"[A-Za-z_./][A-Za-z0-9_./-]*", text) and text.lower() not in _WORDS:
        return text
    import json

    return json.dumps(text, ensure_ascii=False)


_WORDS = ("true", "false", "null", "~")

_TEXT = """\
# A workload for placer: what a model has to do, where, and under which rules.
#   placer recommend --workload THIS_FILE      options override what it says
#   placer schema workload                     its JSON Schema, for your editor
# Lines that begin with "# " and a key are not in force yet: remove the "# " and state your figure.
schema: placer/workload/v1
name: {name}
model:
  path: {path}  # relative to this file
{shapes}  # variants: [net-int8.onnx]  # other files of the same model
  # make_variants: [int8, fp16]  # made of it by ONNX Runtime's tools
  # min_agreement: 99%  # share of the answers in which a variant agrees with it
  # min_accuracy: 95%  # share of the samples that are answered as the labels say
  # max_error: 1%  # of an output, so that what crosses a split is sent smaller
  # inputs: samples.npz  # real samples; without them inputs are generated

# Percentile of the request latency: the most that it may be.
latency:
  p99: 100 ms  # replace by yours
  # p50: 40 ms

# demand:
#   rate: 5/s  # of one device; without it no queue and no cost per month is known
#   arrival: poisson  # or periodic
#   devices: 20
#   hours_per_day: 16
#   days_per_week: 5
# throughput: 500/s  # answers that all devices together must be able to give
# availability: 99.9%  # of the requests are answered at all
# must_work_offline: true  # answers are needed while the link is down

# data:
#   class: internal  # public, internal, personal or special
#   may_leave: raw_input  # at most: nothing, output, intermediate or raw_input
#   regions: [EU]
#   retention: 24 h  # longest that a site may keep what it is sent
#   encryption: true

# request_size: 80 KiB  # one request on the wire ({wire})
# budget: 500 USD/month  # for all devices together
# objective: cost  # or latency, energy, margin

# device:
#   name: rpi5  # left out: the machine that placer runs on
#   memory: 2 GB  # what the model may take
#   power: 15 W  # what the device may draw under load
# network: lte_us  # or a file of yours: ./site.yaml
# clouds: [aws-g6.xlarge@eu-north-1]
# evidence: [evidence/]
# measuring:
#   execution_providers: [cpu]
#   time_limit: 60 s
"""
