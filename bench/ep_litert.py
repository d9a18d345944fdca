"""LiteRT against ONNX Runtime's CPU execution provider on the same network: time, parity, memory.

    ./dev bench ep_litert [--turns N]

The digit classifier of examples/01_digits and 02_digits_litert with its real samples. In each turn
every row gets one fresh process, in an order that rotates, with the method of ``placer profile``; a
ratio is the row's median over that of ONNX Runtime (its default: spinning) in the same turn.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np

from placer.api import formats
from placer.core.measurement import SessionSettings
from placer.core.parity import parity
from placer.onnx_files.inputs import load_inputs
from placer.profiling.child import Child
from placer.profiling.machine import usable_cores
from placer.profiling.outputs import read_outputs

EXAMPLES = Path(__file__).parents[1] / "examples"
ONNX = (str(EXAMPLES / "01_digits" / "digits.onnx"), "01_digits")
FLOAT = (str(EXAMPLES / "02_digits_litert" / "digits.tflite"), "02_digits_litert")
INT8 = (str(EXAMPLES / "02_digits_litert" / "digits-int8.tflite"), "02_digits_litert")
SAMPLE_S = 1.0
RUNS = 3000
LIMIT_S = 60.0


@dataclass
class Row:
    """One way to run the network, and what its processes measured."""

    label: str
    model: tuple[str, str]
    """(file, example with its samples)."""
    ep: str
    settings: SessionSettings
    medians_s: list[float] = field(default_factory=list)
    memory_bytes: list[int] = field(default_factory=list)
    """What the model added to the peak of the process."""
    nodes: str = ""

    @property
    def module(self) -> str:
        """Module of its runtime."""
        return formats.RUNTIME_MODULES[formats.format_of(self.model[0])]


def rows(threads: int) -> list[Row]:
    """Return the rows for a number of threads, that of ONNX Runtime's default first."""
    spins = threads > 1
    found = [Row("onnxruntime cpu", ONNX, "cpu", SessionSettings(threads, allow_spinning=spins))]
    if spins:
        quiet = SessionSettings(threads, allow_spinning=False)
        found.append(Row("onnxruntime cpu, no spinning", ONNX, "cpu", quiet))
    litert = SessionSettings(threads, allow_spinning=None, graph_optimization="default")
    for name, model in (("float32", FLOAT), ("int8", INT8)):
        found += [Row(f"litert {ep} {name}", model, ep, litert) for ep in ("xnnpack", "cpu")]
    return found


def measure(row: Row, inputs: str) -> None:
    """Take one process's runs."""
    with Child(row.module) as child:
        opened = child.ask(
            "open",
            model_path=row.model[0],
            ep=row.ep,
            settings=asdict(row.settings),
            inputs_path=inputs,
            dtypes=(),
            deadline_s=LIMIT_S,
        )
        child.ask("warm_up", gap_s=0.0, limit_s=2.0, deadline_s=LIMIT_S)
        answer = child.ask("sample", runs=RUNS, gap_s=0.0, limit_s=SAMPLE_S, deadline_s=LIMIT_S)
    row.medians_s.append(float(np.median(answer["samples_ns"])) / 1e9)
    row.nodes = "+".join(f"{count} {ep}" for ep, count in opened["nodes_by_ep"])
    if answer["peak_memory_bytes"] is not None and opened["runtime_memory_bytes"] is not None:
        row.memory_bytes.append(answer["peak_memory_bytes"] - opened["runtime_memory_bytes"])


def main() -> int:
    """Print one table per number of threads."""
    parser = argparse.ArgumentParser(description="LiteRT against ONNX Runtime")
    parser.add_argument("--turns", type=int, default=9, help="processes of each row")
    turns = parser.parse_args().turns
    with tempfile.TemporaryDirectory() as folder:
        inputs = {}
        for path, example in (ONNX, FLOAT):
            inputs[example] = str(Path(folder) / f"{example}.npz")
            samples = load_inputs(
                str(EXAMPLES / example / "samples.npz"), formats.read_model(path).inputs
            )
            samples.save(inputs[example])
        for threads in dict.fromkeys((1, usable_cores())):
            table = rows(threads)
            for turn in range(turns):
                start = turn % len(table)
                for row in (*table[start:], *table[:start]):
                    measure(row, inputs[row.model[1]])
            print(f"\n{threads} thread(s), {turns} processes each; ratio: median (lowest, highest)")
            print(
                f"{'':29} {'median':>9} {'ratio':>22} {'memory':>8}  {'nodes':18} "
                f"largest difference, answers the same"
            )
            outputs = {
                row.label: read_outputs(
                    row.module, row.model[0], row.ep, inputs[row.model[1]], (), time_limit_s=LIMIT_S
                )
                for row in table
            }
            (expected,) = outputs[table[0].label].values()
            for row in table:
                ratios = np.divide(row.medians_s, table[0].medians_s)
                (given,) = outputs[row.label].values()
                found = parity({"answer": expected}, {"answer": given})
                memory = f"{np.median(row.memory_bytes) / 1e6:.1f} MB" if row.memory_bytes else "-"
                spread = f"{np.median(ratios):.2f} ({ratios.min():.2f}, {ratios.max():.2f})"
                print(
                    f"{row.label:29} {np.median(row.medians_s) * 1e6:6.0f} µs {spread:>22} "
                    f"{memory:>8}  {row.nodes:18} {found.max_difference:.1e}, "
                    f"{found.agreement_ratio:.1%}",
                    flush=True,
                )
    return 0


if __name__ == "__main__":
    sys.exit(main())
