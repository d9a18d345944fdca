"""Predict models that were not measured on a device, from published and own tables of timings.

    ./dev bench compute_tables [--draws 60] [--seed 0]

Families of architectures are held out whole: the only split that says something of a new model.
Printed for each table: the median error and x90 (nine in ten predictions lie within x/÷ of the
truth) with all other families known, and with k models known, the share of the truths in the
nominal 90 % interval and the median half-width of that interval. Then the same for times that are
carried over from one CPU to the other. `bench/data/compute_*.csv` say where the figures are from.
"""

from __future__ import annotations

import argparse
import csv
import gzip
import math
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from placer.core.calibration import Calibration, Prediction, Timing, Work, calibrate
from placer.core.device_transfer import transfer

DATA = Path(__file__).parent / "data"
KNOWN = (8, 12, 20)
COVERED = (0.85, 0.95)


@dataclass(frozen=True)
class Table:
    """The timings of one device, and what is wanted of its predictions."""

    name: str
    timings: tuple[Timing, ...]
    families: np.ndarray
    wanted_all_ratio: float
    wanted_few_ratio: float
    """With 8 models known."""
    wanted_width: float
    """With 8 models known."""


def read(path: Path, device: str | None = None) -> tuple[tuple[Timing, ...], np.ndarray]:
    """Return the timings of a device and the family of each model."""
    content = path.read_bytes()
    text = (gzip.decompress(content) if path.suffix == ".gz" else content).decode()
    lines = [line for line in text.splitlines() if not line.startswith("#")]
    rows = [row for row in csv.DictReader(lines) if device in (None, row.get("device"))]
    timings = tuple(
        Timing(
            Work(
                row["model"], 1e9 * float(row["gflops"]), 1e9 * float(row["gbytes"]),
                float(row["n_ops"]),
            ),
            float(row["latency_s"]),
        )
        for row in rows
    )  # fmt: skip
    return timings, np.array([row["family"] for row in rows])


def tables() -> tuple[Table, ...]:
    """Return the three tables."""
    timm = DATA / "compute_timm_cpu.csv.gz"
    return (
        Table("local", *read(DATA / "compute_local_ort.csv"), 0.08, 0.10, 1.6),
        Table("i7-12700H", *read(timm, "i7-12700H"), 0.09, 0.12, 1.6),
        Table("i9-10940X", *read(timm, "i9-10940X"), 0.14, 0.20, 2.2),
    )


def log_error(told: Prediction, measured_s: float) -> float:
    """Return log(predicted / measured)."""
    return math.log(told.median_s / measured_s)


def family_out(table: Table) -> np.ndarray:
    """Return the errors with each family in turn unknown."""
    errors = np.empty(len(table.timings))
    for family in np.unique(table.families):
        out = table.families == family
        fitted = fit([one for one, is_out in zip(table.timings, out, strict=True) if not is_out])
        for index in np.flatnonzero(out):
            timing = table.timings[index]
            errors[index] = log_error(fitted.predict(timing.work), timing.latency_s)
    return errors


def fit(timings: Sequence[Timing]) -> Calibration:
    """Calibrate; the interval of so many models is not needed, but costs little time."""
    return calibrate(timings)


def chosen(table: Table, count: int, rng: np.random.Generator) -> tuple[list[int], list[int]]:
    """Return one model each of so many families, and all models of the other families."""
    families = rng.choice(np.unique(table.families), count, replace=False)
    known = [int(rng.choice(np.flatnonzero(table.families == family))) for family in families]
    return known, [int(index) for index in np.flatnonzero(~np.isin(table.families, families))]


def told(
    draws: int, once: Callable[[], tuple[np.ndarray, float]]
) -> tuple[float, float, float, float]:
    """Return median error, x90, share in the interval and median half-width over draws."""
    errors, shares, widths = [], [], []
    for _ in range(draws):
        found, factor = once()
        errors.append(found)
        shares.append(float(np.mean(np.abs(found) <= math.log(factor))))
        widths.append(factor)
    joined = np.abs(np.concatenate(errors))
    x90 = math.exp(float(np.quantile(joined, 0.9)))
    middle = float(np.median(np.abs(np.expm1(np.concatenate(errors)))))
    return middle, x90, float(np.mean(shares)), float(np.median(widths))


def main() -> int:
    """Run and print; the exit status is 1 if a figure is missed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--draws", type=int, default=60)
    parser.add_argument("--seed", type=int, default=0)
    asked = parser.parse_args()
    rng = np.random.default_rng(asked.seed)
    missed: list[str] = []

    def hold(is_met: bool, what: str) -> str:
        if not is_met:
            missed.append(what)
        return "" if is_met else "  MISS"

    all_tables = tables()
    for table in all_tables:
        errors = family_out(table)
        middle = float(np.median(np.abs(np.expm1(errors))))
        x90 = math.exp(float(np.quantile(np.abs(errors), 0.9)))
        is_met = middle < table.wanted_all_ratio and (table.name != "local" or x90 < 1.35)
        print(
            f"{table.name}: {len(errors)} models of {len(np.unique(table.families))} families; "
            f"family-out median error {100 * middle:.1f} % (wanted under "
            f"{100 * table.wanted_all_ratio:.0f}), x90 {x90:.2f}"
            f"{hold(is_met, f'{table.name} family-out')}"
        )
        for count in KNOWN:

            def once(table: Table = table, count: int = count) -> tuple[np.ndarray, float]:
                known, others = chosen(table, count, rng)
                fitted = fit([table.timings[index] for index in known])
                found = [
                    log_error(fitted.predict(one.work), one.latency_s)
                    for one in (table.timings[index] for index in others)
                ]
                return np.array(found), fitted.factor_90

            middle, x90, share, width = told(asked.draws, once)
            is_met = COVERED[0] <= share <= COVERED[1]
            if count == KNOWN[0]:
                is_met &= middle < table.wanted_few_ratio and width <= table.wanted_width
            print(
                f"  k = {count:2}: median error {100 * middle:4.1f} %, x90 {x90:.2f}, "
                f"{100 * share:.0f} % in the 90 % interval, half-width x{width:.2f}"
                f"{hold(is_met, f'{table.name} k = {count}')}"
            )
    print("carried over from one CPU to the other (residuals), against the target's own fit alone")
    for source, target in ((all_tables[2], all_tables[1]), (all_tables[1], all_tables[2])):
        there = {one.work.model: one for one in source.timings}
        shared = [index for index, one in enumerate(target.timings) if one.work.model in there]
        here = Table(
            target.name, tuple(target.timings[index] for index in shared),
            target.families[shared], 0, 0, 0,
        )  # fmt: skip
        for count in KNOWN:
            own: list[float] = []

            def carried(
                here: Table = here,
                there: dict[str, Timing] = there,
                count: int = count,
                own: list[float] = own,
            ) -> tuple[np.ndarray, float]:
                known, others = chosen(here, count, rng)
                at_target = fit([here.timings[index] for index in known])
                at_source = fit([there[here.timings[index].work.model] for index in known])
                carry = transfer(at_source, at_target)
                found = []
                for index in others:
                    one = here.timings[index]
                    known_s = there[one.work.model].latency_s
                    found.append(log_error(carry.predict(one.work, known_s), one.latency_s))
                    own.append(log_error(at_target.predict(one.work), one.latency_s))
                return np.array(found), carry.factor_90

            middle, x90, share, width = told(asked.draws, carried)
            alone = float(np.median(np.abs(np.expm1(own))))
            is_met = COVERED[0] <= share <= COVERED[1] and middle < alone
            print(
                f"  {source.name} to {target.name}, k = {count:2}: median error "
                f"{100 * middle:4.1f} % (alone {100 * alone:4.1f}), x90 {x90:.2f}, "
                f"{100 * share:.0f} % in the 90 % interval, half-width x{width:.2f}"
                f"{hold(is_met, f'{source.name} to {target.name}, k = {count}')}"
            )
    print("PASS" if not missed else f"MISS: {'; '.join(missed)}")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
