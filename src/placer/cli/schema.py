"""``placer schema``: the JSON Schema of what placer writes and reads."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Annotated, Any

import typer

from placer.core.errors import UsageError, near_match


def _recommendation() -> dict[str, Any]:
    from placer.reports.json import recommendation_schema

    return recommendation_schema()


def _comparison() -> dict[str, Any]:
    from placer.reports.comparison.json import comparison_schema

    return comparison_schema()


def _check() -> dict[str, Any]:
    from placer.reports.check.document import check_schema

    return check_schema()


def _network_probe() -> dict[str, Any]:
    from placer.reports.network_probe_json import probe_schema

    return probe_schema()


def _calibration() -> dict[str, Any]:
    from placer.files.calibration import calibration_schema

    return calibration_schema()


def _costs() -> dict[str, Any]:
    from placer.files.costs import costs_schema

    return costs_schema()


def _project() -> dict[str, Any]:
    from placer.files.project import project_schema

    return project_schema()


def _verification() -> dict[str, Any]:
    from placer.reports.verification.json import verification_schema

    return verification_schema()


def _split_contract() -> dict[str, Any]:
    from placer.files.split_contract import contract_schema

    return contract_schema()


def _split_answer() -> dict[str, Any]:
    from placer.reports.split_answer_schema import answer_schema

    return answer_schema()


def _workload() -> dict[str, Any]:
    from placer.files.workload import workload_schema

    return workload_schema()


KINDS: Mapping[str, Callable[[], dict[str, Any]]] = MappingProxyType(
    {
        "recommendation": _recommendation,
        "comparison": _comparison,
        "check": _check,
        "calibration": _calibration,
        "costs": _costs,
        "network-probe": _network_probe,
        "project": _project,
        "verification": _verification,
        "split-answer": _split_answer,
        "split-contract": _split_contract,
        "workload": _workload,
    }
)


def command(
    kind: Annotated[
        str, typer.Argument(metavar="KIND", help=f"What to describe: {', '.join(KINDS)}.")
    ],
) -> None:
    """Print the JSON Schema (draft 2020-12) of a document that placer writes or reads."""
    if kind not in KINDS:
        raise UsageError(
            f"unknown kind '{kind}'{near_match(kind, KINDS)}", hint=f"kinds: {', '.join(KINDS)}"
        )
    typer.echo(json.dumps(KINDS[kind](), indent=2))
