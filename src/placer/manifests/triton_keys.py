"""The fields of Triton's ``config.pbtxt``: a file with any other is refused, and serves nothing."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from placer.core.deployment import Defect
from placer.manifests.levels import Level, judged_key, level
from placer.manifests.nodes import Field

_WORDS = level("key value")
"""A map from text to text."""
_DATA = "data_type dims zero_data"
_RESHAPE = {"reshape": level("shape")}
_TENSOR = "name data_type dims is_shape_tensor is_non_linear_format_io"


def _map(value: Level) -> Level:
    """Return the level of a map from text or numbers to messages."""
    return level("key", "", {"value": value})


_GROUP = level(
    "name profile passive host_policy",
    "kind count gpus",
    {
        "rate_limiter": level("priority", "", {"resources": level("name global count")}),
        "secondary_devices": level("kind device_id"),
    },
)
_VERSIONS = level(
    "", "", {"latest": level("num_versions"), "all": level(""), "specific": level("versions")}
)
_QUEUE = level("timeout_action default_timeout_microseconds allow_timeout_override max_queue_size")
_DYNAMIC = level(
    "preserve_ordering priority_levels default_priority_level",
    "preferred_batch_size max_queue_delay_microseconds",
    {"default_queue_policy": _QUEUE, "priority_queue_policy": _map(_QUEUE)},
)
_CONTROL = level("kind int32_false_true fp32_false_true bool_false_true data_type")
_SEQUENCE = level(
    "max_sequence_idle_microseconds iterative_sequence",
    "",
    {
        "control_input": level("name", "", {"control": _CONTROL}),
        "state": level(
            "input_name output_name data_type dims use_same_buffer_for_input_output"
            " use_growable_memory",
            "",
            {"initial_state": level(f"{_DATA} data_file name")},
        ),
        "direct": level("max_queue_delay_microseconds minimum_slot_utilization"),
        "oldest": level(
            "max_candidate_sequences preferred_batch_size max_queue_delay_microseconds"
            " preserve_ordering"
        ),
    },
)
_STEP = level(
    "model_namespace", "model_name model_version", {"input_map": _WORDS, "output_map": _WORDS}
)
_SHAPES = {"input": _map(level("dim"))}
_GRAPH_SPEC = level(
    "batch_size", "", {**_SHAPES, "graph_lower_bound": level("batch_size", "", _SHAPES)}
)
_ACCELERATOR = level("name", "", {"parameters": _WORDS})
_OPTIMIZATION = level(
    "priority gather_kernel_buffer_threshold eager_batching",
    "",
    {
        "graph": level("level"),
        "cuda": level(
            "graphs busy_wait_events output_copy_stream", "", {"graph_spec": _GRAPH_SPEC}
        ),
        "execution_accelerators": level(
            "",
            "",
            dict.fromkeys(("gpu_execution_accelerator", "cpu_execution_accelerator"), _ACCELERATOR),
        ),
        **dict.fromkeys(("input_pinned_memory", "output_pinned_memory"), level("enable")),
    },
)
_METRIC = level(
    "", "", {"metric_identifier": level("family"), "histogram_options": level("buckets")}
)
_WARMUP = level(
    "name batch_size count",
    "",
    {"inputs": _map(level(f"{_DATA} random_data input_data_file"))},
)
CONFIG = level(
    "runtime",
    "name platform backend max_batch_size default_model_filename",
    {
        "input": level(f"{_TENSOR} format allow_ragged_batch optional", "", _RESHAPE),
        "output": level(f"{_TENSOR} label_filename", "", _RESHAPE),
        "batch_input": level("kind target_name data_type source_input"),
        "batch_output": level("target_name kind source_input"),
        "instance_group": _GROUP,
        "version_policy": _VERSIONS,
        "dynamic_batching": _DYNAMIC,
        "sequence_batching": _SEQUENCE,
        "ensemble_scheduling": level("max_inflight_responses", "", {"step": _STEP}),
        "optimization": _OPTIMIZATION,
        "cc_model_filenames": _WORDS,
        "metric_tags": _WORDS,
        "parameters": _map(level("string_value")),
        "model_warmup": _WARMUP,
        "model_operations": level("op_library_filename"),
        "model_transaction_policy": level("decoupled"),
        "model_repository_agents": level("", "", {"agents": _ACCELERATOR}),
        "response_cache": level("enable"),
        "model_metrics": level("", "", {"metric_control": _METRIC}),
    },
    {
        **dict.fromkeys(("kind", "count", "gpus"), "'instance_group'"),
        "max_queue_delay_microseconds": "'dynamic_batching'",
        "preferred_batch_size": "'dynamic_batching'",
        "step": "'ensemble_scheduling'",
    },
)
"""Source: triton-inference-server/common, protobuf/model_config.proto, ModelConfig (2025)."""


def refused_fields(root: Field, known: Level = CONFIG) -> Iterator[Defect]:
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
