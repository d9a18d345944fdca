"""The JSON Schema of what ``placer split MODEL --format json`` writes."""

from __future__ import annotations

from typing import Any

from placer.core.split_ranking import Kind
from placer.core.wire_formats import Precision
from placer.core.workload import Leaves

_TEXT: dict[str, Any] = {"type": "string"}
_COUNT: dict[str, Any] = {"type": "integer", "minimum": 0}
_NUMBER: dict[str, Any] = {"type": "number"}


def answer_schema() -> dict[str, Any]:
    """Return the schema (draft 2020-12); the keys are described in ``docs/splitting.md``."""
    maybe = _or_null(_NUMBER)
    difference = _object(output=_TEXT, absolute=maybe, relative=maybe, argmax_ratio=maybe)
    attacked = _object(
        input=_TEXT,
        leak=_TEXT,
        reason=_TEXT,
        samples=_COUNT,
        psnr_db=maybe,
        mean_psnr_db=maybe,
        gain_low_db=maybe,
        distance_correlation=maybe,
    )
    plan = _object(
        placement=_one_of(Kind),
        tensors=_list(_TEXT),
        outputs_here=_list(_TEXT),
        outputs_there=_list(_TEXT),
        wire=_or_null(_one_of(Precision)),
        sent_types=_list(_TEXT),
        bytes=_COUNT,
        bytes_down=_COUNT,
        leaves_device=_one_of(one for one in Leaves if one is not Leaves.OUTPUT),
        leaves_why=_TEXT,
        nodes={**_list(_COUNT), "minItems": 2, "maxItems": 2},
        predicted_s=maybe,
        total_s=maybe,
        total_low_s=maybe,
        total_high_s=maybe,
        head_s=maybe,
        network_s=_NUMBER,
        tail_s=maybe,
        tail_here_s=maybe,
        residual_ratio=maybe,
        differences=_list(difference),
        wire_error_ratio=maybe,
        wire_agreement_ratio=maybe,
        attacked=_list(attacked),
    )
    decision = _object(
        placement=_or_null(_one_of(Kind)),
        is_within_noise={"type": "boolean"},
        reason=_TEXT,
        written=_or_null(_TEXT),
    )
    export = _object(server_model=_TEXT, differences=_list(difference), files=_list(_TEXT))
    document = _object(
        schema={"const": "placer/split-answer/v1"},
        model=_object(
            path=_TEXT,
            sha256={"type": "string", "pattern": "^[0-9a-f]{64}$"},
            nodes=_COUNT,
            constant_nodes=_COUNT,
            unused_nodes=_COUNT,
        ),
        decision=decision,
        network=_TEXT,
        cloud=_TEXT,
        threads=_COUNT,
        runs=_COUNT,
        samples=_COUNT,
        whole_s=_NUMBER,
        points=_list(_TEXT),
        largest_uncuttable_ratio=_NUMBER,
        plans=_list(plan),
        export=_or_null(export),
        assumptions=_list(_TEXT),
        notes=_list(_TEXT),
    )
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": "urn:placer:split-answer:v1",
        "title": "placer split answer, version 1",
        **document,
    }


def _object(**properties: Any) -> dict[str, Any]:
    """Describe a map; later versions may add keys."""
    return {"type": "object", "required": list(properties), "properties": properties}


def _list(items: dict[str, Any]) -> dict[str, Any]:
    return {"type": "array", "items": items}


def _one_of(names: Any) -> dict[str, Any]:
    return {"enum": [one.value for one in names]}


def _or_null(schema: dict[str, Any]) -> dict[str, Any]:
    return {"anyOf": [schema, {"type": "null"}]}
