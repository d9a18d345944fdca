from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest
import typer
from jsonschema import Draft202012Validator, ValidationError
from typer.testing import CliRunner

from placer.cli.schema import KINDS, command
from placer.core.errors import UsageError
from placer.reports.json import recommendation_schema, to_json
from tests.answers import SAMPLES

app = typer.Typer(pretty_exceptions_enable=False)
app.command()(command)


def printed(kind: str) -> dict[str, object]:
    result = CliRunner().invoke(app, [kind], catch_exceptions=False)
    assert result.exit_code == 0
    assert result.stdout.startswith("{\n")
    document = json.loads(result.stdout)
    assert isinstance(document, dict)
    return document


def test_every_kind_prints_a_valid_schema_of_draft_2020_12() -> None:
    for kind in KINDS:
        schema = printed(kind)
        assert schema["$schema"] == "https://json-schema.org/draft/2020-12/schema"
        Draft202012Validator.check_schema(schema)


@pytest.mark.parametrize("name", SAMPLES)
def test_sample_answers_follow_the_printed_schema(name: str) -> None:
    document = json.loads(to_json(SAMPLES[name]()))
    Draft202012Validator(printed("recommendation")).validate(document)


READ = ("calibration", "costs", "project", "workload")
"""What placer reads as well refuses further keys, and has some that may be left out."""


def objects_in(schema: Any) -> Iterator[dict[str, Any]]:
    """Yield every part of a schema that describes an object by its keys."""
    if isinstance(schema, dict):
        if isinstance(schema.get("properties"), dict):
            yield schema
        for part in schema.values():
            yield from objects_in(part)
    elif isinstance(schema, list):
        for part in schema:
            yield from objects_in(part)


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind not in READ])
def test_every_key_that_placer_writes_is_required_and_further_keys_are_allowed(kind: str) -> None:
    schema = printed(kind)
    for part in objects_in(schema):
        assert part.get("additionalProperties", True) is True
        assert set(part.get("required", ())) == set(part.get("properties", ()))


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("decision", "placement"), "moon"),
        (("decision", "class"), "split"),
        (("candidates", 0, "placement"), "none"),
        (("candidates", 0, "class"), "none"),
        (("candidates", 0, "verdict"), "maybe"),
        (("candidates", 0, "basis"), "guessed"),
        (("candidates", 0, "leaves_device"), "everything"),
        (("candidates", 0, "stages", 0, "kind"), "sleep"),
        (("candidates", 0, "rank"), 0),
        (("findings", 0, "severity"), "fatal"),
        (("findings", 0, "effect"), "some"),
        (("targets", 0, "percentile"), 99),
        (("schema",), "placer/recommendation/v2"),
        (("model", "parameters"), "many"),
        (("candidates",), None),
    ],
)
def test_the_schema_refuses_values_outside_the_vocabulary(
    path: tuple[str | int, ...], value: object
) -> None:
    document = json.loads(to_json(SAMPLES["edge_wins"]()))
    place = document
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = value
    with pytest.raises(ValidationError) as caught:
        Draft202012Validator(printed("recommendation")).validate(document)
    assert tuple(caught.value.absolute_path) == path


def test_the_schema_describes_its_keys() -> None:
    text = json.dumps(printed("recommendation"))
    assert len(re.findall(r'"description"', text)) > 30
    assert "Upper confidence bound; null: the samples give none." in text


def test_the_schema_tells_the_verdict_on_the_targets_from_feasible() -> None:
    candidate = recommendation_schema()["$defs"]["CandidatePart"]["properties"]
    assert "alone" in candidate["verdict"]["description"]
    assert "all rules" in candidate["feasible"]["description"]


def test_an_unknown_kind_is_a_usage_error_with_the_near_one() -> None:
    with pytest.raises(
        UsageError, match=r"'recomendation' \(did you mean 'recommendation'\?\)"
    ) as e:
        command("recomendation")
    assert e.value.hint == f"kinds: {', '.join(KINDS)}"
