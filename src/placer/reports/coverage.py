"""Reports of ``placer profile --coverage-only``: what an NPU that is not here would run."""

from __future__ import annotations

import json
from collections import Counter

from placer.core.coverage import Coverage
from placer.core.graph import ModelSummary


def to_json(model: ModelSummary, found: Coverage) -> str:
    """Return the coverage as ``placer/coverage/v1``."""
    document = {
        "schema": "placer/coverage/v1",
        "model": {"path": model.path, "sha256": model.sha256},
        "ep": found.ep,
        "soc": found.soc,
        "runtime": found.runtime,
        "is_emulated": True,
        "nodes": found.n_nodes,
        "nodes_by_ep": dict(found.nodes_by_ep),
        "parts": found.n_parts,
        "operators": [{"op_type": op_type, "nodes": count} for op_type, count in found.covered],
        "left_out": [
            {"name": node.name, "op_type": node.op_type, "ep": node.ep, "reason": node.reason}
            for node in found.left_out
        ],
    }
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"


def to_text(model: ModelSummary, found: Coverage, *, width: int) -> str:
    """Return the coverage for a terminal."""
    from textwrap import wrap

    share = found.n_covered / max(1, found.n_nodes)
    pieces = "in one piece" if found.n_parts == 1 else f"in {found.n_parts} pieces"
    lines = [
        f"{model.path} on the NPU of {found.soc}: {found.n_covered} of {found.n_nodes} nodes "
        f"({share:.0%}), {pieces}"
        if found.n_covered
        else f"{model.path} on the NPU of {found.soc}: none of {found.n_nodes} nodes",
        f"compiled by {found.runtime}, in its simulator: this says nothing about time",
        "nodes are those of the optimised graph: fused ones count once",
    ]
    lines = [part for line in lines for part in wrap(line, width, subsequent_indent="  ")]
    if not found.left_out:
        return "\n".join(lines) + "\n"
    lines += ["", "left to others, and why:"]
    reasons = Counter((node.op_type, node.ep, node.reason) for node in found.left_out)
    for (op_type, ep, reason), count in reasons.most_common():
        names = [
            node.name or "(unnamed)"
            for node in found.left_out
            if (node.op_type, node.ep, node.reason) == (op_type, ep, reason)
        ]
        shown = ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")
        lines += wrap(f"{count} × {op_type} on {ep} ({shown}): {reason}", width,
                      initial_indent="  ", subsequent_indent="    ")  # fmt: skip
    return "\n".join(lines) + "\n"
