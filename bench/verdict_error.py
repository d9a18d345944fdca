"""How often are verdicts wrong, and how soon are they settled? The acceptance table, simulated.

``python bench/verdict_error.py --series 500``

Every series is a lognormal latency of 10 % coefficient of variation whose p99 is known exactly.
It is judged after every 20 runs up to 3,000 and stops at the first verdict, as the sampler does.
"""

from __future__ import annotations

import argparse
import math
import os
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import brentq
from scipy.signal import lfilter
from scipy.special import ndtr

from placer.core.estimate import Verdict
from placer.core.sequential import ALPHA, _log_evidence, judge, planned_runs
from placer.core.workload import LatencyTarget

PERCENTILE = 0.99
LOOK_RUNS = 20
MAX_RUNS = 3000
SIGMA = math.sqrt(math.log1p(0.1**2))
"""Of the logarithm, for a coefficient of variation of 10 %."""

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Series:
    """A law of latencies: a draw of one series and the exact survival function of one run."""

    name: str
    draw: Callable[[np.random.Generator, int], Floats]
    survival: Callable[[float], float]
    unseen_probability: float = 0.0
    """Probability that the runs of the earliest ``met`` hold no burst: no test errs less often."""

    def p99_s(self) -> float:
        """Latency that 1 run in 100 exceeds."""
        return float(brentq(lambda x: self.survival(x) - (1 - PERCENTILE), 1e-3, 10, xtol=1e-15))


def _autoregressive(rng: np.random.Generator, runs: int, *, coefficient: float) -> Floats:
    noise = rng.standard_normal(runs) * math.sqrt(1 - coefficient**2)
    noise[0] = rng.standard_normal()
    levels: Floats = lfilter([1], [1, -coefficient], noise)
    return np.asarray(np.exp(SIGMA * levels) * 0.01)


def _lognormal_survival(x: float) -> float:
    return float(ndtr(-math.log(x / 0.01) / SIGMA))


def _bursts(rng: np.random.Generator, runs: int, *, share: float, length: float) -> Floats:
    """Stationary two-state series: bursts of geometric length slow the runs by 1.3."""
    stop, start = 1 / length, share / (1 - share) / length
    draws = rng.random(runs)
    is_slow = np.empty(runs, dtype=bool)
    state = draws[0] < share
    is_slow[0] = state
    for run in range(1, runs):
        state = draws[run] >= stop if state else draws[run] < start
        is_slow[run] = state
    return _autoregressive(rng, runs, coefficient=0) * np.where(is_slow, 1.3, 1.0)


def _burst_survival(x: float, *, share: float) -> float:
    return share * _lognormal_survival(x / 1.3) + (1 - share) * _lognormal_survival(x)


def _laws() -> tuple[Series, ...]:
    autoregressive = tuple(
        Series(
            f"AR(1) rho {coefficient}" if coefficient else "iid",
            partial(_autoregressive, coefficient=coefficient),
            _lognormal_survival,
        )
        for coefficient in (0.0, 0.5, 0.9, 0.97)
    )
    bursts = tuple(
        Series(
            f"bursts of {length}, {share:.0%}",
            partial(_bursts, share=share, length=length),
            partial(_burst_survival, share=share),
            # no burst at all while a verdict needs its runs
            (1 - share) * math.exp(-planned_runs(PERCENTILE) * share / (1 - share) / length),
        )
        for share, length in ((0.05, 5), (0.10, 8), (0.05, 8), (0.02, 20))
    )
    return autoregressive + bursts


def _first_verdict(samples: Floats, limit_s: float) -> tuple[Verdict, int]:
    target = LatencyTarget(PERCENTILE, limit_s)
    misses = np.cumsum(samples > limit_s)
    for runs in range(LOOK_RUNS, samples.size + 1, LOOK_RUNS):
        # evidence of blocks never reaches the threshold before that of single runs does (Jensen)
        evidence = _log_evidence(float(misses[runs - 1]), runs, 1 - PERCENTILE, 1)
        if max(evidence) < -math.log(ALPHA):
            continue
        verdict = judge([samples[:runs]], target).verdict
        if verdict is not Verdict.UNPROVEN:
            return verdict, runs
    return Verdict.UNPROVEN, samples.size


def _share_of(law_index: int, ratio: float, seed: int, count: int) -> list[tuple[Verdict, int]]:
    law = _laws()[law_index]
    limit_s = law.p99_s() * ratio
    rng = np.random.default_rng([seed, law_index, round(1000 * ratio)])
    return [_first_verdict(law.draw(rng, MAX_RUNS), limit_s) for _ in range(count)]


def main() -> None:
    """Print the table and one PASS or FAIL per acceptance figure."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--series",
        type=int,
        default=500,
        help="simulated series per row; a quarter where p99 is far",
    )
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    options = parser.parse_args()
    began = time.perf_counter()
    # ratio: limit over true p99; above 1 the model meets the target
    cases = (("2 % inside", 1.02), ("2 % outside", 1 / 1.02), ("20 % inside", 1.2),
             ("20 % outside", 1 / 1.2), ("twice the limit", 0.5))  # fmt: skip
    worst_wrong, worst_unseen, settled_ratio, twice_runs = 0.0, 0.0, 1.0, 0
    print(f"{options.series} series per row; looks every {LOOK_RUNS} runs up to {MAX_RUNS}\n")
    print(f"{'series':<20}{'true p99':<17}{'wrong':>8}{'settled':>9}{'median runs':>13}")
    with ProcessPoolExecutor(options.jobs) as pool:
        for index, law in enumerate(_laws()):
            for name, ratio in cases:
                parts = 4 * options.jobs
                series = options.series if name.startswith("2 %") else -(-options.series // 4)
                counts = [(series + part) // parts for part in range(parts)]
                futures = [
                    pool.submit(_share_of, index, ratio, options.seed * 1000 + part, count)
                    for part, count in enumerate(counts)
                ]
                results = [result for future in futures for result in future.result()]
                truth = Verdict.MET if ratio >= 1 else Verdict.VIOLATED
                settled = [(v, runs) for v, runs in results if v is not Verdict.UNPROVEN]
                wrong = sum(v is not truth for v, _ in settled) / len(results)
                median = f"{np.median([r for _, r in settled]):,.0f}" if settled else "-"
                done = len(settled) / len(results)
                print(f"{law.name:<20}{name:<17}{wrong:>8.2%}{done:>9.1%}{median:>13}", flush=True)
                if name.startswith("2 %") and law.unseen_probability <= 0.02:
                    worst_wrong = max(worst_wrong, wrong)
                elif name.startswith("2 %"):
                    worst_unseen = max(worst_unseen, wrong)
                if law.name == "iid" and name.startswith("20 %"):
                    settled_ratio = min(settled_ratio, done - wrong)
                if law.name == "iid" and name.startswith("twice"):
                    twice_runs = max(r for _, r in results)
    print("\nThe earliest verdict cannot know of bursts that its runs do not hold:")
    for law in _laws():
        if law.unseen_probability > 0:
            print(f"  {law.name}: none in {planned_runs(PERCENTILE)} runs for "
                  f"{law.unseen_probability:.1%} of the series")  # fmt: skip
    print()
    for what, figure, is_pass, limit in (
        ("wrong verdicts at 2 %, worst row (bursts that can be seen)", f"{worst_wrong:.2%}",
         worst_wrong <= 0.05, "at most 5 %"),
        ("iid 20 % inside or outside, rightly settled by 3,000 runs", f"{settled_ratio:.2%}",
         settled_ratio >= 0.95, "at least 95 %"),
        ("iid at twice the limit, runs until violated, worst series", f"{twice_runs}",
         twice_runs <= 60, "at most 60"),
    ):  # fmt: skip
        print(f"{'PASS' if is_pass else 'FAIL'} ({limit}): {what}: {figure}")
    print(
        "KNOWN LIMIT (at most 5 % would need more runs than 449): wrong verdicts at 2 %, "
        f"bursts too rare to be seen: {worst_unseen:.2%}"
    )
    print(f"took {time.perf_counter() - began:.0f} s")


if __name__ == "__main__":
    main()
