"""The fields that `placer` knows of ``config.pbtxt`` are those of Triton's messages, all of them.

Source: triton-inference-server/common, protobuf/model_config.proto (2025).
"""

from __future__ import annotations

import pytest

from placer.manifests.levels import Level
from placer.manifests.triton_keys import CONFIG

MESSAGES = {
    "config": "name platform backend runtime version_policy max_batch_size input output"
    " batch_input batch_output optimization dynamic_batching sequence_batching"
    " ensemble_scheduling instance_group default_model_filename cc_model_filenames metric_tags"
    " parameters model_warmup model_operations model_transaction_policy"
    " model_repository_agents response_cache model_metrics",
    "version_policy": "latest all specific",
    "version_policy.latest": "num_versions",
    "version_policy.all": "",
    "version_policy.specific": "versions",
    "input": "name data_type format dims reshape is_shape_tensor allow_ragged_batch optional"
    " is_non_linear_format_io",
    "input.reshape": "shape",
    "output": "name data_type dims reshape label_filename is_shape_tensor is_non_linear_format_io",
    "output.reshape": "shape",
    "batch_input": "kind target_name data_type source_input",
    "batch_output": "target_name kind source_input",
    "optimization": "graph priority cuda execution_accelerators input_pinned_memory"
    " output_pinned_memory gather_kernel_buffer_threshold eager_batching",
    "optimization.graph": "level",
    "optimization.cuda": "graphs busy_wait_events graph_spec output_copy_stream",
    "optimization.cuda.graph_spec": "batch_size input graph_lower_bound",
    "optimization.cuda.graph_spec.input": "key value",
    "optimization.cuda.graph_spec.input.value": "dim",
    "optimization.cuda.graph_spec.graph_lower_bound": "batch_size input",
    "optimization.cuda.graph_spec.graph_lower_bound.input": "key value",
    "optimization.cuda.graph_spec.graph_lower_bound.input.value": "dim",
    "optimization.execution_accelerators": "gpu_execution_accelerator cpu_execution_accelerator",
    "optimization.execution_accelerators.gpu_execution_accelerator": "name parameters",
    "optimization.execution_accelerators.gpu_execution_accelerator.parameters": "key value",
    "optimization.execution_accelerators.cpu_execution_accelerator": "name parameters",
    "optimization.execution_accelerators.cpu_execution_accelerator.parameters": "key value",
    "optimization.input_pinned_memory": "enable",
    "optimization.output_pinned_memory": "enable",
    "dynamic_batching": "preferred_batch_size max_queue_delay_microseconds preserve_ordering"
    " priority_levels default_priority_level default_queue_policy priority_queue_policy",
    "dynamic_batching.default_queue_policy": "timeout_action default_timeout_microseconds"
    " allow_timeout_override max_queue_size",
    "dynamic_batching.priority_queue_policy": "key value",
    "dynamic_batching.priority_queue_policy.value": "timeout_action default_timeout_microseconds"
    " allow_timeout_override max_queue_size",
    "sequence_batching": "direct oldest max_sequence_idle_microseconds control_input state"
    " iterative_sequence",
    "sequence_batching.direct": "max_queue_delay_microseconds minimum_slot_utilization",
    "sequence_batching.oldest": "max_candidate_sequences preferred_batch_size"
    " max_queue_delay_microseconds preserve_ordering",
    "sequence_batching.control_input": "name control",
    "sequence_batching.control_input.control": "kind int32_false_true fp32_false_true"
    " bool_false_true data_type",
    "sequence_batching.state": "input_name output_name data_type dims initial_state"
    " use_same_buffer_for_input_output use_growable_memory",
    "sequence_batching.state.initial_state": "data_type dims zero_data data_file name",
    "ensemble_scheduling": "step max_inflight_responses",
    "ensemble_scheduling.step": "model_name model_version input_map output_map model_namespace",
    "ensemble_scheduling.step.input_map": "key value",
    "ensemble_scheduling.step.output_map": "key value",
    "instance_group": "name kind count rate_limiter gpus secondary_devices profile passive"
    " host_policy",
    "instance_group.rate_limiter": "resources priority",
    "instance_group.rate_limiter.resources": "name global count",
    "instance_group.secondary_devices": "kind device_id",
    "cc_model_filenames": "key value",
    "metric_tags": "key value",
    "parameters": "key value",
    "parameters.value": "string_value",
    "model_warmup": "name batch_size inputs count",
    "model_warmup.inputs": "key value",
    "model_warmup.inputs.value": "data_type dims zero_data random_data input_data_file",
    "model_operations": "op_library_filename",
    "model_transaction_policy": "decoupled",
    "model_repository_agents": "agents",
    "model_repository_agents.agents": "name parameters",
    "model_repository_agents.agents.parameters": "key value",
    "response_cache": "enable",
    "model_metrics": "metric_control",
    "model_metrics.metric_control": "metric_identifier histogram_options",
    "model_metrics.metric_control.metric_identifier": "family",
    "model_metrics.metric_control.histogram_options": "buckets",
}
"""Path of fields -> fields of the message there."""


def _levels(known: Level, path: str = "") -> dict[str, Level]:
    below = {}
    for name, one in known.below.items():
        below.update(_levels(one, f"{path}.{name}" if path else name))
    return {path or "config": known, **below}


LEVELS = _levels(CONFIG)


def test_each_message_is_checked() -> None:
    assert set(LEVELS) == set(MESSAGES)


@pytest.mark.parametrize("path", MESSAGES)
def test_a_message_has_the_fields_that_triton_has(path: str) -> None:
    assert LEVELS[path].keys == set(MESSAGES[path].split())
