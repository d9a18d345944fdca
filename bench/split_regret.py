"""Regret of the chosen placement: edge, cloud and the best split run for real over a link.

    ./dev bench split_regret [--quick] [--models NAME ...] [--repeat N] [--requests N] [--plans K]

Between two network namespaces lies a link with a delay and a rate (`tests/emulation`). The edge is
this machine slowed by a fixed count: each inference there is run `--repeat` times, in one process;
the cloud runs it once, in another process, a server of the Open Inference Protocol
(`tests/onnx_server`), over this kernel's TCP. For each model and network the solver gives its best
plans from the times of the groups; their parts are written, measured here and ranked anew with the
network model right before they run, and the best split is run beside edge only and cloud only, in
turns. Where raw input may not leave, the cloud alone is no choice and no raw tensor may cross.
Chosen is what is predicted to be quickest. Needs Linux, gcc, the right to make network namespaces,
and two quiet cores; takes about twenty minutes.
"""

from __future__ import annotations

import argparse
import contextlib
import gc
import http.client
import json
import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx

from placer.api.splitting import cut_at, measure_groups, open_to_split, write_split
from placer.core.environment import NetworkPath
from placer.core.network.exchange import REQUEST_HOST_S
from placer.core.network.framing import Protocol
from placer.core.partition.optimal import best_plans
from placer.core.sequential import quantile, quantile_bounds
from placer.core.split_problem import INPUT_NODE, link_over, problem_of
from placer.core.transfer import request_s
from placer.core.units import format_duration
from placer.onnx_files.inputs import generate_inputs
from placer.onnx_files.split_source import SplitSource
from placer.onnx_files.taint import find_taint
from placer.profiling.quietness import probe_quietness
from tests.architectures import ARCHITECTURES
from tests.emulation import SERVER_ADDRESS, EmulatedLink, Host, LinkNotPermitted
from tests.emulation.stacks import waited_by_threads_s
from tests.onnx_server import LENGTH, pack, session, unpack
from tests.ports import free_port

ROOT = Path(__file__).parents[1]
MODELS = ("mobilenet_v2", "resnet18", "vgg11_features", "efficientnet_b0", "yolo_nano_320")
QUICK = 2
CLOSE_RATIO, WANTED_SHARE, WANTED_SPLITS = 0.03, 0.9, 1 / 3
WARM_UP = 2
"""Requests of each turn that do not count: the connection has been idle."""
EACH_TURN = 5
RETRANSMIT_S = 0.2
"""A connection that is idle for so long and a round trip begins anew with a small window."""
MAX_WAITED_RATIO = 0.02
FAR_RATIO = 3.0
"""What is predicted to take so many times as long as the best runs for one turn only."""
PORT = 5001


@dataclass(frozen=True)
class Network:
    """A link, and whether raw input may go over it."""

    name: str
    rtt_s: float
    mbit_per_s: float
    is_raw_kept: bool

    @property
    def path(self) -> NetworkPath:
        """The same for the network model."""
        rate = self.mbit_per_s * 1e6 / 8
        return NetworkPath(
            self.name,
            "",
            rtt_quantiles_s=((0.5, self.rtt_s),),
            uplink_bytes_per_s=rate,
            downlink_bytes_per_s=rate,
            loss_ratio=0.0,
            is_encrypted=False,
        )


NETWORKS = (
    Network("near, raw kept", 0.002, 100, is_raw_kept=True),
    Network("4 Mbit/s", 0.020, 4, is_raw_kept=False),
    Network("fibre, raw kept", 0.010, 50, is_raw_kept=True),
    Network("near", 0.002, 100, is_raw_kept=False),
    Network("far, raw kept", 0.030, 100, is_raw_kept=True),
    Network("20 Mbit/s", 0.020, 20, is_raw_kept=False),
)


@dataclass(frozen=True)
class Placement:
    """What is run, as the client program takes it."""

    kind: str
    head: str | None
    """File of what runs on the edge; None: nothing does."""
    tail: str | None
    """What the server calls the rest; None: there is none."""
    sends: tuple[str, ...]
    """Tensors that the tail takes."""
    turns: int = 0


@dataclass(frozen=True)
class Split:
    """A cut whose parts were written."""

    cut: tuple[str, ...]
    head: str
    tail: str
    sends: tuple[str, ...]

    @property
    def served_as(self) -> str:
        """What the server calls the tail."""
        return Path(self.tail).parent.name


@dataclass(frozen=True)
class Model:
    """A model whose parts were written."""

    name: str
    path: str
    inputs: str
    """.npz file."""
    source: SplitSource
    splits: Mapping[str, tuple[Split, ...]]
    """Network -> the best of its plans that are splits."""

    @property
    def served(self) -> dict[str, str]:
        """Name -> file of all that a server may be asked for."""
        tails = {one.served_as: one.tail for some in self.splits.values() for one in some}
        return {self.name: self.path, **tails}


@dataclass(frozen=True)
class Case:
    """A model over a network, with what was predicted."""

    model: str
    network: Network
    placements: tuple[Placement, ...]
    """Edge, cloud, and a split if there is any."""
    predicted_s: tuple[float, ...]
    cut: str

    @property
    def legal(self) -> list[int]:
        """Placements that may be chosen."""
        return [
            place
            for place, one in enumerate(self.placements)
            if not (self.network.is_raw_kept and one.kind == "cloud")
        ]


# --- solving and measuring here -------------------------------------------------------------


def solved(
    name: str, networks: Sequence[Network], folder: Path, asked: argparse.Namespace, own_s: float
) -> Model:
    """Measure the groups of a model, solve for each network and write the parts."""
    path = str(folder / f"{name}.onnx")
    onnx.save(ARCHITECTURES[name](), path)
    source = open_to_split(path)
    graph = measure_groups(source, runs=asked.runs, threads=1).graph
    edge_s = {one.name: asked.repeat * (one.time_s or 0.0) for one in graph.groups}
    cloud_s: dict[str, float | None] = {one.name: one.time_s or 0.0 for one in graph.groups}
    taint = find_taint(path, shapes=source.input_shapes)
    raw = {one.name for one in graph.tensors if taint.taint(one.name).is_raw}
    total_bytes = sum(one.n_bytes for one in graph.tensors)
    down_bytes = sum(one.n_bytes for one in graph.tensors if one.name in graph.outputs)
    written: dict[tuple[str, ...], Split] = {}
    splits: dict[str, tuple[Split, ...]] = {}
    for network in networks:
        link = link_over(network.path, max_bytes=total_bytes, down_bytes=down_bytes)
        problem = problem_of(
            graph,
            ("edge", "cloud"),
            (edge_s, cloud_s),
            (replace(link, rtt_s=own_s),),
            kept=raw if network.is_raw_kept else (),
        )
        cuts = [
            plan.cut[0]
            for plan in best_plans(problem, asked.plans + 2)
            if {0, 1} <= {tier for node, tier in plan.tiers if node != INPUT_NODE}
        ]
        for cut in cuts[: asked.plans]:
            if cut not in written:
                written[cut] = _written(source, cut, folder / f"{name}-{len(written)}")
        splits[network.name] = tuple(written[cut] for cut in cuts[: asked.plans])
    inputs = str(folder / f"{name}.npz")
    generated = generate_inputs(path, source.summary.inputs).samples
    np.savez(inputs, allow_pickle=False, **{key: array[0] for key, array in generated.items()})
    return Model(name, path, inputs, source, splits)


def _written(source: SplitSource, cut: tuple[str, ...], folder: Path) -> Split:
    contract = write_split(source, cut_at(source, [cut]), 1, str(folder))
    head, tail = (str(folder / part.files[0][0]) for part in contract.parts)
    return Split(cut, head, tail, tuple(spec.name for spec in contract.parts[1].inputs))


def predicted(model: Model, network: Network, asked: argparse.Namespace, own_s: float) -> Case:
    """Measure the model and its parts here, and rank the plans by them and the network model."""
    splits = model.splits[network.name]
    files = [model.path, *(file for one in splits for file in (one.head, one.tail))]
    known, times_s = timed_here(model.source, list(dict.fromkeys(files)), asked.runs)
    names = [spec.name for spec in model.source.summary.inputs]
    outputs = {spec.name: known[spec.name] for spec in model.source.summary.outputs}
    down_bytes = len(pack(outputs, "outputs")[0])

    def way_s(sends: Sequence[str], idle_s: float) -> float:
        up_bytes = len(pack({one: known[one] for one in sends}, "inputs")[0])
        return float(transfer_s(network.path, up_bytes, down_bytes, idle_s)) + own_s

    def split_s(one: Split) -> float:
        head_s: float = asked.repeat * times_s[one.head]
        return head_s + way_s(one.sends, head_s) + times_s[one.tail]

    whole_s = times_s[model.path]
    placements = [
        Placement("edge", model.path, None, ()),
        Placement("cloud", None, model.name, tuple(names)),
    ]
    values_s = [asked.repeat * whole_s, whole_s + way_s(names, 0.0)]
    told = "no split"
    if splits:
        best = min(splits, key=split_s)
        placements.append(Placement("split", best.head, best.served_as, best.sends))
        values_s.append(split_s(best))
        told = ", ".join(best.cut)
    return Case(model.name, network, tuple(placements), tuple(values_s), told)


def timed_here(
    source: SplitSource, files: Sequence[str], runs: int
) -> tuple[dict[str, np.ndarray], dict[str, float]]:
    """Run the files in turns; return the tensors, and the median time of each file."""
    sessions = {file: session(file) for file in files}
    known = {
        name: array[0]
        for name, array in generate_inputs(files[0], source.summary.inputs).samples.items()
    }
    times_s: dict[str, list[float]] = {file: [] for file in files}
    for run in range(runs + 3):
        for file, one in sessions.items():
            feed = {value.name: known[value.name] for value in one.get_inputs()}
            names = [value.name for value in one.get_outputs()]
            one.run(names, feed)  # the caches hold this model, as where it runs alone
            start_s = time.perf_counter()
            found = one.run(names, feed)
            if run >= 3:
                times_s[file].append(time.perf_counter() - start_s)
            known.update(zip(names, found, strict=True))
    return known, {file: float(np.median(some)) for file, some in times_s.items()}


def transfer_s(path: NetworkPath, up_bytes: int, down_bytes: int, idle_s: float) -> float:
    """Return the time of a request on a connection that was idle for so long before it."""
    rtt_s = path.rtt_quantiles_s[0][1]
    state = "idle" if idle_s > RETRANSMIT_S + rtt_s else "warm"
    found = request_s(
        replace(path, connection=state),
        up_bytes=up_bytes,
        down_bytes=down_bytes,
        rtt_s=np.array([rtt_s]),
        uplink_bytes_per_s=path.uplink_bytes_per_s or np.inf,
        downlink_bytes_per_s=path.downlink_bytes_per_s or np.inf,
        protocol=Protocol.HTTP1,
    )
    return float(found.item())


# --- the two processes ----------------------------------------------------------------------


def client(words: Sequence[str]) -> None:
    """Run placements in turns: ADDRESS PORT REPEAT; a job as JSON on each line of the input."""
    address, port, repeat = words[0], int(words[1]), int(words[2])
    with contextlib.suppress(PermissionError):
        os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(1))
    for line in sys.stdin:
        job = json.loads(line)
        placements = [Placement(**one) for one in job["placements"]]
        with np.load(job["inputs"]) as archive:
            inputs = {name: archive[name] for name in archive.files}
        runners = [_Runner(one, inputs, address, port, repeat) for one in placements]
        times_s: list[list[float]] = [[] for _ in placements]
        gc.collect()
        gc.disable()
        waited_s, began_s = waited_by_threads_s(), time.perf_counter()
        for turn in range(max(one.turns for one in placements)):
            for one, runner, some in zip(placements, runners, times_s, strict=True):
                if turn < one.turns:
                    found = [runner.run() for _ in range(WARM_UP + EACH_TURN)]
                    some += found[WARM_UP:]
        waited = (waited_by_threads_s() - waited_s) / (time.perf_counter() - began_s)
        gc.enable()
        for runner in runners:
            runner.close()
        sys.stdout.write(json.dumps({"times_s": times_s, "waited_ratio": waited}) + "\n")
        sys.stdout.flush()


class _Runner:
    """One placement, with a connection of its own."""

    def __init__(
        self, placement: Placement, inputs: dict[str, np.ndarray], address: str, port: int, n: int
    ) -> None:
        self._placement, self._inputs, self._repeat = placement, inputs, n
        self._head = None if placement.head is None else session(placement.head)
        self._feed = {}
        if self._head is not None:
            self._feed = {one.name: inputs[one.name] for one in self._head.get_inputs()}
            self._names = [one.name for one in self._head.get_outputs()]
        self._connection: http.client.HTTPConnection | None = None
        if placement.tail is not None:
            self._connection = http.client.HTTPConnection(address, port, timeout=120)
            self._connection.connect()
            self._connection.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def run(self) -> float:
        """Return the time of one request: inference here, sending, inference there, the answer."""
        start_s = time.perf_counter()
        known: Mapping[str, Any] = self._inputs
        if self._head is not None:
            for _ in range(self._repeat):
                made = self._head.run(self._names, self._feed)
            known = {**self._inputs, **dict(zip(self._names, made, strict=True))}
        if self._connection is not None:
            body, length = pack({name: known[name] for name in self._placement.sends}, "inputs")
            headers = {LENGTH: str(length), "Content-Type": "application/octet-stream"}
            place = f"/v2/models/{self._placement.tail}/infer"
            self._connection.request("POST", place, body, headers)
            answer = self._connection.getresponse()
            content = answer.read()
            if answer.status != 200:
                raise RuntimeError(f"{place}: {answer.status} {content[:200]!r}")
            unpack(content, int(answer.headers[LENGTH]), "outputs")
        return time.perf_counter() - start_s

    def close(self) -> None:
        """Close the connection."""
        if self._connection is not None:
            self._connection.close()


class Programs:
    """A server and a client."""

    def __init__(
        self, server: Host | None, at: Host | None, files: Mapping[str, str], repeat: int
    ) -> None:
        address = "127.0.0.1" if server is None else SERVER_ADDRESS
        port = str(free_port() if server is None else PORT)
        named = [f"{name}={file}" for name, file in files.items()]
        python = [sys.executable, "-m"]
        served = [*python, "tests.onnx_server", address, port, *named]
        asking = [*python, "bench.split_regret", "--client", address, port, str(repeat)]
        options: dict[str, Any] = {"stdout": subprocess.PIPE, "text": True, "cwd": ROOT}
        self.server = _spawn(server, served, **options)
        if not (self.server.stdout and self.server.stdout.readline()):
            raise RuntimeError("the server did not start")
        self.client = _spawn(at, asking, stdin=subprocess.PIPE, **options)

    def __enter__(self) -> Programs:
        """Return the programs."""
        return self

    def __exit__(self, *error: object) -> None:
        """End both."""
        for one in (self.client, self.server):
            with one:
                one.kill()

    def run(self, placements: Sequence[Placement], inputs: str) -> tuple[list[list[float]], float]:
        """Return the times of each placement, and the share of the time without a processor."""
        stdin, stdout = self.client.stdin, self.client.stdout
        assert stdin is not None
        assert stdout is not None
        job = {"placements": [asdict(one) for one in placements], "inputs": inputs}
        stdin.write(json.dumps(job) + "\n")
        stdin.flush()
        line = stdout.readline()
        if not line:
            raise RuntimeError(f"the client ended with code {self.client.wait()}")
        answer = json.loads(line)
        return answer["times_s"], answer["waited_ratio"]


def _spawn(host: Host | None, words: list[str], **options: Any) -> subprocess.Popen[str]:
    if host is None:
        return subprocess.Popen(words, **options)
    return host.spawn(words, **options)


def own_time_s(folder: Path) -> float:
    """Return what the programs take beyond the network model, for a small model over loopback."""
    from onnx import TensorProto, helper

    value = [helper.make_tensor_value_info(one, TensorProto.FLOAT, [1, 64]) for one in "xy"]
    node = helper.make_node("Identity", ["x"], ["y"])
    graph = helper.make_graph([node], "small", value[:1], value[1:])
    opset = [helper.make_opsetid("", 17)]
    path = str(folder / "small.onnx")
    onnx.save(helper.make_model(graph, opset_imports=opset, ir_version=8), path)
    np.savez(folder / "small.npz", x=np.zeros((1, 64), np.float32))
    with Programs(None, None, {"small": path}, 1) as programs:
        placement = Placement("cloud", None, "small", ("x",), turns=20)
        (times_s,), _ = programs.run([placement], str(folder / "small.npz"))
    return max(0.0, float(np.median(times_s)) - REQUEST_HOST_S)


# --- telling --------------------------------------------------------------------------------


@dataclass(frozen=True)
class Result:
    """What was measured of a case."""

    case: Case
    times_s: list[list[float]]
    is_disturbed: bool

    @property
    def p50s_s(self) -> list[float]:
        """Median of each placement."""
        return [quantile(np.asarray(some), 0.5) for some in self.times_s]

    @property
    def chosen(self) -> int:
        """What is predicted to be quickest."""
        return min(self.case.legal, key=lambda place: self.case.predicted_s[place])

    @property
    def best(self) -> int:
        """What was quickest."""
        return min(self.case.legal, key=lambda place: self.p50s_s[place])

    @property
    def regret_ratio(self) -> float:
        """Median of the chosen over the least, minus 1."""
        return self.p50s_s[self.chosen] / self.p50s_s[self.best] - 1

    @property
    def is_right(self) -> bool:
        """Whether the chosen is within 3 % of the best, or inside of its interval."""
        low_s, high_s = quantile_bounds(np.asarray(self.times_s[self.best]), 0.5)
        is_inside = high_s is not None and self.p50s_s[self.chosen] <= high_s
        return self.regret_ratio <= CLOSE_RATIO or (low_s is not None and is_inside)


def tell(result: Result) -> None:
    """Print a row."""
    case = result.case
    kinds = [one.kind for one in case.placements]
    cells = []
    for kind in ("edge", "cloud", "split"):
        if kind not in kinds:
            cells.append(f"{'none':>19}")
            continue
        place = kinds.index(kind)
        pair = f"{1e3 * case.predicted_s[place]:8.1f} {1e3 * result.p50s_s[place]:8.1f}"
        cells.append(f"{'(' if place not in case.legal else ' '}{pair}"
                     f"{')' if place not in case.legal else ' '}")  # fmt: skip
    print(
        f"{case.model:18} {case.network.name:16}{''.join(cells)} {kinds[result.chosen]:6}"
        f"{kinds[result.best]:6}{result.regret_ratio:7.1%} {'' if result.is_right else 'WRONG ':6}"
        f"{'(disturbed) ' if result.is_disturbed else ''}{case.cut[:40]}",
        flush=True,
    )


def measured(
    models: Sequence[Model], network: Network, asked: argparse.Namespace, own_s: float
) -> list[Result]:
    """Run all models over the link of one network."""
    files = {name: file for model in models for name, file in model.served.items()}
    rate = network.mbit_per_s * 1e6 / 8
    turns = -(-asked.requests // EACH_TURN)
    found = []
    with (
        EmulatedLink(delay_s=network.rtt_s / 2, up_bytes_per_s=rate, down_bytes_per_s=rate) as link,
        Programs(link.server, link.client, files, asked.repeat) as programs,
    ):
        for model in models:
            case = predicted(model, network, asked, own_s)
            least_s = min(case.predicted_s[place] for place in case.legal)
            placements = [
                replace(one, turns=turns if predicted_s <= FAR_RATIO * least_s else 1)
                for one, predicted_s in zip(case.placements, case.predicted_s, strict=True)
            ]
            times_s, waited = programs.run(placements, model.inputs)
            if waited > MAX_WAITED_RATIO:
                again_s, again = programs.run(placements, model.inputs)
                if again < waited:
                    times_s, waited = again_s, again
            found.append(Result(case, times_s, waited > MAX_WAITED_RATIO))
            tell(found[-1])
    return found


def main() -> int:
    """Print the table; the exit status is 1 where a figure is missed."""
    if sys.argv[1:2] == ["--client"]:
        client(sys.argv[2:])
        return 0
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="two models over two networks")
    parser.add_argument("--models", nargs="+", default=MODELS, choices=sorted(ARCHITECTURES))
    parser.add_argument("--repeat", type=int, default=8, help="runs of an inference on the edge")
    parser.add_argument("--requests", type=int, default=20, help="counted, of each placement")
    parser.add_argument("--runs", type=int, default=30, help="of groups and parts, here")
    parser.add_argument("--plans", type=int, default=3, help="that are measured and ranked anew")
    asked = parser.parse_args()
    models = asked.models[: QUICK if asked.quick else None]
    networks = NETWORKS[: QUICK if asked.quick else None]
    began_s = time.monotonic()
    quiet = probe_quietness()
    print(f"machine {'quiet' if quiet.is_quiet else 'NOT QUIET'} at the start: {quiet}")
    results: list[Result] = []
    try:
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            own_s = own_time_s(folder)
            print(f"the programs themselves: {format_duration(own_s)}")
            prepared = [solved(one, networks, folder, asked, own_s) for one in models]
            print(
                f"an inference is run {asked.repeat} times on the edge; ms, predicted and measured"
                "; (no choice)\n"
                f"{'model':18} {'network':16}{'edge':>19}{'cloud':>19}{'split':>19} chosen best"
                "   regret"
            )
            for network in networks:
                results += measured(prepared, network, asked, own_s)
    except LinkNotPermitted as refused:
        print(f"not measured: {refused}", file=sys.stderr)
        return 4
    return told_shares(results, time.monotonic() - began_s)


def told_shares(results: Sequence[Result], took_s: float) -> int:
    """Print the shares, and return the exit status."""
    right = sum(one.is_right for one in results) / len(results)
    splits = sum(one.case.placements[one.best].kind == "split" for one in results) / len(results)
    worst = max(results, key=lambda one: one.regret_ratio)
    errors = [
        abs(predicted_s / measured_s - 1)
        for one in results
        for predicted_s, measured_s in zip(one.case.predicted_s, one.p50s_s, strict=True)
    ]
    disturbed = sum(one.is_disturbed for one in results)
    print(
        f"\n{len(results)} cases in {took_s:.0f} s, {disturbed} disturbed to the end\n"
        f"chosen within {CLOSE_RATIO:.0%} of the best measured, or inside of its interval: "
        f"{right:.0%} (wanted {WANTED_SHARE:.0%})\n"
        f"a split is the best measured: {splits:.0%} (wanted {WANTED_SPLITS:.0%})\n"
        f"largest regret {worst.regret_ratio:.1%} ({worst.case.model}, {worst.case.network.name})\n"
        f"predicted against measured, of every placement: median error {np.median(errors):.1%}, "
        f"9 in 10 within {np.quantile(errors, 0.9):.1%}"
    )
    is_good = right >= WANTED_SHARE and splits >= WANTED_SPLITS
    print("PASS" if is_good else "FAIL")
    return 0 if is_good else 1


if __name__ == "__main__":
    sys.exit(main())
