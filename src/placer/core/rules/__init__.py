"""The rules: one per file, one line in RULES."""

from __future__ import annotations

from placer.core.rules import (
    plc101_raw_input,
    plc102_region,
    plc103_class_not_stated,
    plc104_plain_text,
    plc105_retention,
    plc201_target_violated,
    plc202_target_unproven,
    plc203_over_capacity,
    plc204_throughput,
    plc301_link_down,
    plc302_availability,
    plc303_link_saturated,
    plc401_memory,
    plc402_operator,
    plc403_node_fallback,
    plc404_cannot_measure,
    plc405_power,
    plc406_agreement,
    plc501_budget,
    plc502_price_missing,
    plc601_weak_evidence,
    plc602_assumption,
)
from placer.core.rules.rule import Rule

RULES: tuple[Rule, ...] = (
    plc101_raw_input.RULE,
    plc102_region.RULE,
    plc103_class_not_stated.RULE,
    plc104_plain_text.RULE,
    plc105_retention.RULE,
    plc201_target_violated.RULE,
    plc202_target_unproven.RULE,
    plc203_over_capacity.RULE,
    plc204_throughput.RULE,
    plc301_link_down.RULE,
    plc302_availability.RULE,
    plc303_link_saturated.RULE,
    plc401_memory.RULE,
    plc402_operator.RULE,
    plc403_node_fallback.RULE,
    plc404_cannot_measure.RULE,
    plc405_power.RULE,
    plc406_agreement.RULE,
    plc501_budget.RULE,
    plc502_price_missing.RULE,
    plc601_weak_evidence.RULE,
    plc602_assumption.RULE,
)
