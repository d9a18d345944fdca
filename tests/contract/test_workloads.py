"""The workloads of the catalogue."""

from __future__ import annotations

import datetime
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import placer
from placer.files.evidence import to_statement
from placer.onnx_files.reader import read_model
from tests import builders, models

AS_OF = datetime.date(2026, 11, 25)


def conv(size, channels, layers):
    return partial(models.conv_net, size=size, channels=channels, layers=layers)


CASES = {
    "camera-line-inspection": (conv(64, 16, 3), ("this-machine", "cpu", 0.008)),
    "people-counting-shop": (conv(96, 32, 8), None),
    "clinic-imaging": (conv(512, 64, 6), ("this-machine", "cpu", 2.5)),
    "wake-word-gateway": (partial(models.mlp, width=512, layers=4), None),
    "vehicle-perception": (conv(64, 16, 3), ("agx-orin-64", "cuda", 0.025)),
    "mobile-robot": (conv(96, 32, 4), None),
    "drone-lte": (conv(192, 32, 9), None),
    "batch-scoring-offline": (conv(224, 32, 10), ("this-machine", "cpu", 0.012)),
    "document-ocr-office": (conv(512, 64, 11), None),
}

if __name__ == "__main__":
    import sys, tempfile
    for name, (build, evidence) in CASES.items():
        if sys.argv[1:] and name not in sys.argv[1:]: continue
        tmp = tempfile.mkdtemp()
        path = f"{tmp}/m.onnx"
        build(path)
        files = []
        if evidence:
            site, ep, median = evidence
            s = read_model(path, shapes={})
            m = builders.measurement(median, runs=6000, ep=ep, subjects=s.subjects, nodes_by_ep=((ep, 7),), input_shapes=tuple((i.name, i.shape) for i in s.inputs))
            Path(f"{tmp}/e.json").write_bytes(to_statement(m, tool="t", site=site))
            files = [f"{tmp}/e.json"]
        t = time.process_time()
        a = placer.recommend(path, workload=placer.load_workload(name), evidence=files, measure=False, as_of=AS_OF)
        print("==", name, a.decision.candidate, a.decision.feasible, f"{time.process_time()-t:.1f}s", a.decision.reason)
        for c in a.candidates:
            print("  ", c.rank, c.id, c.feasible, c.usd_per_month and round(c.usd_per_month), [(f.rule, f.effect.value, f.message) for f in c.findings if f.effect.value != "none"], "|", c.why_not)
        for f in a.flips: print("   flip", f)
