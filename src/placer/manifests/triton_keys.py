"""The fields of Triton's ``config.pbtxt``: a file with any other is refused, and serves nothing."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from placer.core.deployment import Defect
from placer.manifests.levels import Level, judged_key, level
from placer.manifests.nodes import Field

_GROUP = level(
    "name rate_limiter profile passive host_policy",
    "kind count gpus",
    {"secondary_devices": level("", "kind device_id")},
)
_TENSOR = "name data_type dims reshape is_shape_tensor is_non_linear_format_io"
_CONFIG = level(
    "batch_input batch_output cc_model_filenames metric_tags model_metrics model_operations"
    " model_repository_agents model_transaction_policy model_warmup parameters"
    " response_cache runtime sequence_batching",
    "name platform backend max_batch_size default_model_filename",
    {
        "input": level(f"{_TENSOR} format allow_ragged_batch optional"),
        "output": level(f"{_TENSOR} label_filename"),
        "instance_group": _GROUP,
        "version_policy": level("", "latest all specific"),
        "dynamic_batching": level(
            "preserve_ordering priority_levels default_priority_level default_queue_policy"
            " priority_queue_policy",
            "preferred_batch_size max_queue_delay_microseconds",
        ),
        "ensemble_scheduling": level(
            "max_inflight_responses",
            "",
            {"step": level("input_map output_map model_namespace", "model_name model_version")},
        ),
        "optimization": level(
            "graph priority cuda input_pinned_memory output_pinned_memory"
            " gather_kernel_buffer_threshold eager_batching",
            "execution_accelerators",
        ),
    },
    {
        **dict.fromkeys(("kind", "count", "gpus"), "'instance_group'"),
        "max_queue_delay_microseconds": "'dynamic_batching'",
        "preferred_batch_size": "'dynamic_batching'",
        "step": "'ensemble_scheduling'",
    },
)
"""Source: triton-inference-server/common, protobuf/model_config.proto, ModelConfig (2025)."""


def refused_fields(root: Field, known: Level = _CONFIG) -> Iterator[Defect]:
    """Yield the fields that the message of Triton does not have, here and in what it holds.

    Triton reads the file as a message of protocol buffers, which takes no unknown field.
    """
    for entry in root.pairs():
        name = entry.name
        if name not in known.keys and not name.startswith("["):  # an extension
            near = next(judged_key(entry, replace(known, watched=known.keys), "Triton"), None)
            yield Defect(
                "unknown_model_key",
                f"'{name[:60]}' is no field that Triton knows here: it refuses the file",
                near.remedy if near is not None else "take it out",
                entry.key_place(),
                name,
            )
        if (below := known.below.get(name)) is not None:
            for one in entry.items() if entry.is_list else [entry]:
                yield from refused_fields(one, below)
