"""int8 and fp16 variants of five models: time, size, memory, agreement, accuracy.

    ./dev bench ep_variants [--rounds 7] [--model NAME]

In each round fresh processes of the model and its variants take turns of BLOCK_RUNS runs, in random
order, so that a machine that changes its speed changes it for all; threads do not spin. Printed:
the median of the rounds' ratios with the lowest and the highest.

The digits are trained: their agreement and accuracy are on the 500 held-out images, calibrated on
100 training images. The other models have random weights and see generated inputs, also to
calibrate: of them the largest difference of an output is told, over the largest output. The last
lines say why the weights have 7 bits on a CPU without VNNI: the same digits with 8.
Run it on a quiet machine.
"""

from __future__ import annotations

import argparse
import contextlib
import random
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from bench.measuring_agreement import build_models
from placer.api.making import make_variants
from placer.api.measuring import MeasuringOptions, say_nothing
from placer.api.variant_plan import VariantOptions, plan_variants
from placer.core.measurement import SessionSettings
from placer.core.variant import accuracy, agreement
from placer.onnx_files.inputs import Inputs, generate_inputs, load_inputs
from placer.onnx_files.reader import read_model
from placer.profiling.child import Child
from placer.profiling.machine import usable_cores
from placer.profiling.outputs import read_outputs
from placer.profiling.quietness import probe_quietness
from placer.runtimes import onnxruntime as runtime
from placer.runtimes import quantization

DIGITS = Path(__file__).parents[1] / "examples" / "01_digits"
BLOCK_RUNS = 20
GENERATED_SAMPLES = 16
LIMIT_S = 600.0


def generated(path: str, folder: Path) -> Inputs:
    """Return generated samples of a model and leave them in ``generated.npz``."""
    specs = read_model(path).inputs
    each = [generate_inputs(path, specs, seed=seed) for seed in range(GENERATED_SAMPLES)]
    samples = {
        spec.name: np.concatenate([one.samples[spec.name] for one in each]) for spec in specs
    }
    inputs = Inputs(samples, each[0].dtypes, "generated")
    inputs.save(str(folder / "generated.npz"))
    return inputs


def one_round(
    paths: Mapping[str, str],
    inputs: str,
    settings: SessionSettings,
    blocks: int,
    chance: random.Random,
) -> dict[str, tuple[float, int]]:
    """Return (median in seconds, peak memory in bytes) of fresh processes that take turns."""
    taken: dict[str, list[int]] = {name: [] for name in paths}
    memory: dict[str, int] = {}
    with contextlib.ExitStack() as stack:
        children = {name: stack.enter_context(Child(runtime.MODULE)) for name in paths}
        for name, child in children.items():
            child.ask(
                "open",
                deadline_s=LIMIT_S,
                model_path=paths[name],
                ep="cpu",
                settings=asdict(settings),
                inputs_path=inputs,
                dtypes=[],
            )
            child.ask("warm_up", deadline_s=LIMIT_S, gap_s=0.0, limit_s=5.0)
        for _ in range(blocks):
            for name in chance.sample(list(paths), len(paths)):
                answer = children[name].ask(
                    "sample", deadline_s=LIMIT_S, gap_s=0.0, limit_s=60.0, runs=BLOCK_RUNS
                )
                taken[name] += answer["samples_ns"]
                memory[name] = answer["peak_memory_bytes"] or 0
    return {name: (float(np.median(taken[name])) / 1e9, memory[name]) for name in paths}


def outputs(path: str, inputs: Inputs, folder: Path) -> Mapping[str, Any]:
    """Return what a model gives for samples."""
    place = str(folder / "judging.npz")
    inputs.save(place)
    return read_outputs(runtime.MODULE, path, "cpu", place, inputs.dtypes, time_limit_s=LIMIT_S)


def compared(label: str, path: str, variant: str, judging: Inputs, folder: Path) -> str:
    """Say how the variant answers beside the model."""
    expected, found = (outputs(one, judging, folder) for one in (path, variant))
    if label != "digits":
        largest = max(float(np.abs(one).max()) for one in expected.values())
        worst = agreement(expected, found).worst_difference
        return f"generated inputs: differs by {worst / largest:.1e} of the largest output"
    share = agreement(expected, found)
    labels = {"probabilities": np.load(DIGITS / "labels.npy").astype(np.int64)}
    right, right_before = accuracy(found, labels), accuracy(expected, labels)
    return (
        f"agrees in {share.ratio:.1%} ({share.low_ratio:.1%} to {share.high_ratio:.1%}) of "
        f"{share.samples}, probabilities differ by {share.worst_difference:.3f} at most; "
        f"accuracy {right.ratio:.1%} ({right.low_ratio:.1%} to "
        f"{right.high_ratio:.1%}), the model's {right_before.ratio:.1%}"
    )


def eight_bits(folder: Path) -> str:
    """Quantise the digits as the product does, but with weights of 8 bits."""
    from onnxruntime import quantization as tools
    from onnxruntime.quantization.shape_inference import quant_pre_process

    names = ("prepared.onnx", "eight.onnx", "calibration.npz")
    prepared, output, calibration = (str(folder / name) for name in names)
    specs = read_model(str(DIGITS / "digits.onnx")).inputs
    load_inputs(str(DIGITS / "calibration.npz"), specs, most=None).save(calibration)
    quant_pre_process(str(DIGITS / "digits.onnx"), prepared, skip_symbolic_shape=True)
    tools.quantize_static(
        prepared,
        output,
        quantization._reader(calibration),
        per_channel=True,
        reduce_range=False,
        activation_type=tools.QuantType.QUInt8,
        weight_type=tools.QuantType.QInt8,
    )
    return output


def main() -> int:
    """Print one line for each variant of each model."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=7, help="half for slow models")
    parser.add_argument("--model", help="only this one of them")
    arguments = parser.parse_args()
    quiet = probe_quietness()
    print(f"machine {'quiet' if quiet.is_quiet else 'NOT QUIET'} at the start: {quiet}")
    settings = SessionSettings(usable_cores(), allow_spinning=False)
    print(f"{settings.label}; {quantization.tools_version()}; {quantization.integer_types()}\n")
    print(
        f"{'model':9} {'variant':7} {'size':>6} {'model ms':>9} {'ms':>9} {'time ratio':>10} "
        f"{'(rounds)':14} {'memory':>6}"
    )
    failed = 0
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        built = {label: path for label, path in build_models(folder).items() if label != "conv 224"}
        for label, path in {"digits": str(DIGITS / "digits.onnx"), **built}.items():
            if arguments.model not in (None, label):
                continue
            failed += report(label, path, folder, settings, arguments.rounds)
        if arguments.model in (None, "digits"):
            judging = load_inputs(
                str(DIGITS / "samples.npz"),
                read_model(str(DIGITS / "digits.onnx")).inputs,
                most=None,
            )
            expected = outputs(str(DIGITS / "digits.onnx"), judging, folder)
            eight = agreement(expected, outputs(eight_bits(folder), judging, folder))
            print(
                f"\ndigits with uint8 activations and weights of 8 bits: probabilities differ by "
                f"{eight.worst_difference:.3f} at most, {eight.ratio:.1%} agree"
            )
    return 1 if failed else 0


def report(label: str, path: str, folder: Path, settings: SessionSettings, rounds: int) -> int:
    """Make the variants of one model and print their lines; return how many could not be made."""
    if label == "digits":
        calibration = str(DIGITS / "calibration.npz")
        judging = load_inputs(str(DIGITS / "samples.npz"), read_model(path).inputs, most=None)
    else:
        judging, calibration = generated(path, folder), str(folder / "generated.npz")
    options = MeasuringOptions(time_limit_s=LIMIT_S)
    asked = VariantOptions(("int8", "fp16"), str(folder / "made"), calibration=calibration)
    summary = read_model(path)
    plan = plan_variants(summary, options, asked, has_variants=False)
    files, findings = make_variants(plan, summary, options, asked, (path,), say_nothing)
    for finding in findings:
        print(f"{label:9} {finding.message}")
    paths = {"": path, **{one.made.precision.value: one.path for one in files}}
    timed = str(folder / "timed.npz")
    Inputs({k: v[:8] for k, v in judging.samples.items()}, (), "").save(timed)
    blocks = {"conv 56": 10, "conv 112": 3}.get(label, 40)
    chance = random.Random(label)
    turns = rounds if blocks > 3 else max(3, rounds // 2)
    found = [one_round(paths, timed, settings, blocks, chance) for _ in range(turns)]
    for file in files:
        key = file.made.precision.value
        ratios = sorted(one[key][0] / one[""][0] for one in found)
        model_s, variant_s = (
            float(np.median([one[which][0] for one in found])) for which in ("", key)
        )
        memory_ratio = np.median([one[key][1] / max(1, one[""][1]) for one in found])
        size_ratio = Path(file.path).stat().st_size / Path(path).stat().st_size
        print(
            f"{label:9} {key:7} {size_ratio:6.3f} {model_s * 1e3:9.3f} {variant_s * 1e3:9.3f} "
            f"{np.median(ratios):10.3f} ({ratios[0]:.3f}-{ratios[-1]:.3f})  {memory_ratio:6.3f}  "
            f"{compared(label, path, file.path, judging, folder)}",
            flush=True,
        )
        print(f"{'':9} {file.made.how}", flush=True)
    return len(findings)


if __name__ == "__main__":
    sys.exit(main())
