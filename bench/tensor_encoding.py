"""Measure what the encodings of a tensor cost, against the figures that placer takes.

    ./dev bench tensor_encoding [--elements 150528]

The Open Inference Protocol as JSON by Python's json and in short form by orjson (where installed),
its binary extension, and raw bytes. Printed: bytes for each element and the time to encode and
decode it (best of five), with what `placer.core.network.tensors` has; random data.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable
from functools import partial
from importlib import import_module
from typing import Any

import numpy as np

from placer.core.network.tensors import COSTS, Encoding, Tensor, encoded_bytes, encoding_s

TURNS = 5
MAX_FACTOR = 4.0
"""Machines differ; beyond this a figure of placer is out of date."""


def data_of(dtype: str, count: int) -> np.ndarray:
    """Return random elements as models get them: pictures, token numbers, activations."""
    rng = np.random.default_rng(1)
    match dtype:
        case "uint8" | "int8":
            return rng.integers(0, 128 if dtype == "int8" else 256, count).astype(dtype)
        case "int32" | "int64":
            return rng.integers(0, 30_000, count).astype(dtype)
        case "bool":
            return rng.random(count) < 0.5
        case _:
            return rng.standard_normal(count).astype(dtype)


def head(array: np.ndarray, **more: Any) -> dict[str, Any]:
    """Return the request without its data."""
    tensor = {"name": "input", "shape": [1, array.size], "datatype": array.dtype.name.upper()}
    return {"inputs": [tensor | more]}


def best_s(work: Callable[[], Any]) -> float:
    """Return the least time of some turns."""
    times = []
    for _ in range(TURNS):
        start = time.perf_counter_ns()
        work()
        times.append((time.perf_counter_ns() - start) / 1e9)
    return min(times)


def coders(
    array: np.ndarray, encoding: Encoding
) -> tuple[Callable[[], bytes], Callable[[bytes], Any]] | None:
    """Return functions that encode the array and decode what they gave; None: not installed."""
    dtype = array.dtype
    match encoding:
        case Encoding.RAW:
            return array.tobytes, lambda text: np.frombuffer(text, dtype=dtype)
        case Encoding.BINARY:

            def encode() -> bytes:
                body = array.tobytes()
                extra = {"parameters": {"binary_data_size": len(body)}}
                return json.dumps(head(array, **extra)).encode() + body

            def decode(text: bytes) -> Any:
                start = text.index(b"}}]}") + 4
                json.loads(text[:start])
                return np.frombuffer(text[start:], dtype=dtype)

            return encode, decode
        case Encoding.JSON:
            return (
                lambda: json.dumps(head(array, data=array.tolist())).encode(),
                lambda text: np.array(json.loads(text)["inputs"][0]["data"], dtype=dtype),
            )
        case Encoding.JSON_SHORT:
            try:
                orjson: Any = import_module("orjson")
            except ImportError:
                return None
            return (
                lambda: orjson.dumps(head(array, data=array), option=orjson.OPT_SERIALIZE_NUMPY),
                lambda text: np.array(orjson.loads(text)["inputs"][0]["data"], dtype=dtype),
            )


def main() -> int:
    """Print one line for each type and encoding."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--elements", type=int, default=150_528)
    count = parser.parse_args().elements
    passed = True
    print("type     encoding    B/element  placer ns/element  placer")
    for dtype, encoding in COSTS:
        array = data_of(dtype, count)
        pair = coders(array, encoding)
        if pair is None:
            print(f"{dtype:8} {encoding:11} orjson is not installed")
            continue
        encode, decode = pair
        text = encode()
        assert np.array_equal(decode(text), array)
        taken_s = best_s(encode) + best_s(partial(decode, text))
        tensor = Tensor(dtype, (1, count))
        ours_bytes, ours_s = encoded_bytes(tensor, encoding), encoding_s(tensor, encoding)
        passed &= abs(ours_bytes / len(text) - 1) < 0.02
        passed &= encoding in (Encoding.RAW, Encoding.BINARY) or (
            1 / MAX_FACTOR < ours_s / taken_s < MAX_FACTOR
        )
        print(
            f"{dtype:8} {encoding:11} {len(text) / count:9.3f} {ours_bytes / count:7.3f} "
            f"{1e9 * taken_s / count:10.2f} {1e9 * ours_s / count:7.2f}"
        )
    print("PASS" if passed else "FAIL")
    return 0 if passed else 1


if __name__ == "__main__":
    sys.exit(main())
