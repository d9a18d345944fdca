"""Trying session settings: each briefly, then the promising ones in turns until time is up."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from statistics import median
from typing import Any

from placer.core.measurement import ScreenedSetting, SessionSettings
from placer.core.settings import best_setting, ratio_bounds, usual_settings, with_hints
from placer.profiling.child import GRACE_S, Child, ChildError, Spares
from placer.profiling.counters import Counters
from placer.profiling.instrument import FREE_CORE_LIMIT_RATIO
from placer.profiling.plan import MAX_GAP_S, Plan

BLOCK_RUNS = 30
BLOCK_S = 0.25
SHORTLIST = 4
"""Settings that go on in turns, the default among them: each holds a model in memory."""
MAX_ROUNDS = 40
SPIN_END_S = 0.1
"""ONNX Runtime's idle threads spin for 30 to 50 ms: by then those of the last block sleep."""
BRIEF_SHARE = 0.2
"""Of the time limit, for the brief trials."""

Progress = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Choice:
    """The settings to measure with."""

    settings: SessionSettings
    tried: tuple[ScreenedSetting, ...] = ()
    """The default first; empty: there was nothing to choose."""
    reasons: tuple[str, ...] = ()
    """Why the trial may have chosen a wrong one."""
    spent_s: float = 0.0
    """Of the time limit."""


def choose_settings(plan: Plan, ep: str, cores: int, spares: Spares, progress: Progress) -> Choice:
    """Return the best settings for an execution provider.

    Raises
    ------
    ChildError
        Not even the default settings could be run.
    """
    if plan.settings is not None:
        return Choice(_with_options(plan, ep, plan.settings))
    is_search = plan.search_s > 0
    candidates = with_hints(plan.candidates or usual_settings(cores), plan.hints.get(ep, ()))
    candidates = tuple(_with_options(plan, ep, one) for one in candidates)
    if len(candidates) == 1:
        return Choice(candidates[0])
    start_ns = time.perf_counter_ns()

    def spent_s() -> float:
        return (time.perf_counter_ns() - start_ns) / 1e9

    limit_s = max(plan.search_s / 2, BRIEF_SHARE * plan.time_limit_s)
    tried: list[ScreenedSetting] = []
    busy_cores = 0.0
    for settings in candidates:
        if tried and spent_s() > limit_s:
            break
        progress(f"{ep}: trying {settings.label} (at most {plan.time_limit_s:.0f} s in all)")
        try:
            found, others = _tried_briefly(plan, ep, settings, spares)
        except ChildError as error:
            if not tried:
                raise
            progress(f"{ep}: {settings.label}: {error.message}")
            continue
        tried.append(found)
        busy_cores = max(busy_cores, others)
    tried = [replace(one, ratio=one.median_s / tried[0].median_s) for one in tried]
    if is_search:
        shortlist = [tried[0], *sorted(tried[1:], key=lambda one: one.ratio)[: SHORTLIST - 1]]
        in_turns, others = _tried_in_turns(plan, ep, shortlist, start_ns, progress)
        busy_cores = max(busy_cores, others)
        given_up = [one for one in tried if one.settings not in {x.settings for x in in_turns}]
        tried = [*in_turns, *given_up]
    reasons: tuple[str, ...] = ()
    if (os.cpu_count() or 1) - busy_cores < FREE_CORE_LIMIT_RATIO * cores:
        reasons = (
            f"the trial of settings was disturbed: other programs used {busy_cores:.1f} of "
            f"{os.cpu_count()} cores",
        )
    judged = [one for one in tried if one.rounds == tried[0].rounds]
    best = best_setting(
        judged,
        saves_cpu=is_search,
        interval_s=plan.interval_s,
        limit_s=min((target.limit_s for target in plan.targets), default=None),
    )
    return Choice(best.settings, tuple(tried), reasons, 0.0 if is_search else spent_s())


def _with_options(plan: Plan, ep: str, settings: SessionSettings) -> SessionSettings:
    """Add what was asked for by name; it has precedence over a hint."""
    options = dict(settings.provider_options) | dict(plan.provider_options.get(ep, ()))
    return replace(settings, provider_options=tuple(sorted(options.items())), io=plan.io)


def _tried_briefly(
    plan: Plan, ep: str, settings: SessionSettings, spares: Spares
) -> tuple[ScreenedSetting, float]:
    """Return what one block of runs in a fresh process shows, and the cores that others used."""
    start_cpu_ns = time.process_time_ns()
    with spares.take() as child:
        answer = _block(child, plan, ep, settings, is_first=True)
    own_cpu_s = (time.process_time_ns() - start_cpu_ns) / 1e9
    life = Counters(**answer["life"])
    others = 0.0
    if life.machine_cpu_s is not None:
        others = max(0.0, life.machine_cpu_s - life.cpu_s - own_cpu_s) / max(life.wall_s, 1e-9)
    samples_ns = answer["samples_ns"]
    cpu_s = answer["counters"]["cpu_s"] / len(samples_ns)
    return ScreenedSetting(settings, len(samples_ns), median(samples_ns) / 1e9, cpu_s), others


def _tried_in_turns(
    plan: Plan, ep: str, shortlist: list[ScreenedSetting], start_ns: int, progress: Progress
) -> tuple[list[ScreenedSetting], float]:
    """Return the same settings after rounds in which each gets a block, until time is up.

    The processes stay alive, and each block waits until the threads of the last one sleep.
    """
    blocks: dict[SessionSettings, list[dict[str, Any]]] = {}
    with contextlib.ExitStack() as alive:
        children: list[tuple[SessionSettings, Child]] = []
        for one in shortlist:
            child = alive.enter_context(Child(plan.runtime_module))
            try:
                _block(child, plan, ep, one.settings, is_first=True)
            except ChildError:
                if one is shortlist[0]:
                    raise
                continue
            children.append((one.settings, child))
            blocks[one.settings] = []
        for number in range(MAX_ROUNDS):
            left_s = plan.search_s - (time.perf_counter_ns() - start_ns) / 1e9
            if left_s < len(children) * (BLOCK_S + SPIN_END_S):
                break
            progress(f"{ep}: settings in turns, round {number + 1} ({left_s:.0f} s left)")
            turn = number % len(children)
            for settings, child in (*children[turn:], *children[:turn]):
                time.sleep(SPIN_END_S)
                blocks[settings].append(_block(child, plan, ep, settings, is_first=False))
    if not blocks[shortlist[0].settings]:
        return shortlist, 0.0
    default = [median(block["samples_ns"]) for block in blocks[shortlist[0].settings]]
    found = []
    for settings, taken in blocks.items():
        medians = [median(block["samples_ns"]) for block in taken]
        runs = sum(len(block["samples_ns"]) for block in taken)
        ratios = [one / other for one, other in zip(medians, default, strict=True)]
        found.append(
            ScreenedSetting(
                settings,
                runs,
                median(medians) / 1e9,
                sum(block["counters"]["cpu_s"] for block in taken) / runs,
                len(taken),
                *ratio_bounds(ratios),
            )
        )
    return found, _others_cores([block for taken in blocks.values() for block in taken])


def _others_cores(blocks: list[dict[str, Any]]) -> float:
    counters = [Counters(**block["counters"]) for block in blocks]
    others_s = [one.machine_cpu_s - one.cpu_s for one in counters if one.machine_cpu_s is not None]
    return max(0.0, sum(others_s)) / max(sum(one.wall_s for one in counters), 1e-9)


def _block(
    child: Child, plan: Plan, ep: str, settings: SessionSettings, *, is_first: bool
) -> dict[str, Any]:
    """Time one block of runs, after creating and warming up the session if it is the first."""
    grace_s = plan.time_limit_s + GRACE_S
    if is_first:
        open_session(child, plan, ep, settings)
        child.ask("warm_up", gap_s=0.0, limit_s=2 * BLOCK_S, deadline_s=grace_s)
    return child.ask(
        "sample",
        runs=BLOCK_RUNS,
        gap_s=min(plan.interval_s, MAX_GAP_S),
        limit_s=BLOCK_S,
        deadline_s=grace_s,
    )


def open_session(child: Child, plan: Plan, ep: str, settings: SessionSettings) -> dict[str, Any]:
    """Let a measuring process create a session of the plan's model."""
    return child.ask(
        "open",
        model_path=plan.model_path,
        ep=ep,
        settings=asdict(settings),
        inputs_path=plan.inputs_path,
        dtypes=plan.dtypes,
        deadline_s=plan.time_limit_s + GRACE_S,
    )
