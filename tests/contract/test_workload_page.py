"""``docs/workloads.md``: its example is a workload, and it lists every key of the schema."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from jsonschema import Draft202012Validator

from placer.files.catalogue import load_workload
from placer.files.positions import parse_yaml
from placer.files.validating import validate
from placer.files.workload import WorkloadSpec, workload_schema

PAGE = (Path(__file__).parents[2] / "docs" / "workloads.md").read_text(encoding="utf-8")
EXAMPLE = re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)[0]
SCHEMA = workload_schema()
WORDS = {
    "boolean": "true or false",
    "integer": "whole number",
    "array": "list",
    "object": "map",
    "string": "text",
}


def keys(schema: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Yield (dotted key, its schema), parts of a part after its name."""
    for name, value in schema["properties"].items():
        part = resolved(value)
        if part.get("properties"):
            yield from keys(part, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", part


def place(item: tuple[str, object]) -> int:
    """What the file is comes first, where its figures come from last."""
    order = ("schema", "name", "title", "", "basis", "source", "estimated", "note")
    return order.index(item[0] if item[0] in order else "")


def resolved(part: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return a schema with its reference followed and null left aside."""
    for one in part.get("anyOf", ()):
        if one.get("type") != "null":
            return {**resolved(one), **{k: v for k, v in part.items() if k != "anyOf"}}
    if "$ref" in part:
        target = SCHEMA["$defs"][part["$ref"].rpartition("/")[2]]
        return {**target, **{k: v for k, v in part.items() if k != "$ref"}}
    return part


def written_as(part: Mapping[str, Any]) -> str:
    """Say how a value is written: the choices, an example with its unit, or its type."""
    if "const" in part:
        return f"`{part['const']}`"
    if "enum" in part:
        return ", ".join(f"`{word}`" for word in part["enum"])
    if "examples" in part:
        return f"`{part['examples'][0]}`"
    if "patternProperties" in part:
        ((inner,),) = (part["patternProperties"].values(),)
        return f"`{{p99: {inner['examples'][0]}}}`"
    kind = str(part.get("type", "string"))
    return WORDS.get(kind, kind)


def row(key: str, part: Mapping[str, Any]) -> str:
    return f"| `{key}` | {written_as(part)} | {part['description']} |"


def test_lists_every_key_of_the_schema_as_the_schema_tells_it() -> None:
    wanted = [row(key, part) for key, part in sorted(keys(SCHEMA), key=place)]
    _, _, table = PAGE.partition("| Key | Written as | Meaning |\n|---|---|---|\n")
    found = table.partition("\n\n")[0].splitlines()
    assert found == wanted, "docs/workloads.md needs this table:\n" + "\n".join(wanted)


def test_the_example_says_everything_that_can_be_said(tmp_path: Path) -> None:
    document = parse_yaml(EXAMPLE, path="line.yaml")
    assert validate(WorkloadSpec, document).to_core().rate_hz == 5.0
    Draft202012Validator(SCHEMA).validate(document.data)
    stated = {
        f"{name}.{inner}" if isinstance(value, Mapping) and inner in value else name
        for name, value in document.data.items()
        for inner in (value if isinstance(value, Mapping) else [""])
    }
    missing = {key for key, _ in keys(SCHEMA) if key not in stated and key not in document.data}
    assert not missing
    (tmp_path / "line.yaml").write_text(EXAMPLE, encoding="utf-8")
    assert load_workload(str(tmp_path / "line.yaml")).name == "line-3"
