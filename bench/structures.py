"""Write the table of published architectures, or compare what it is made of with torchvision.

    ./dev bench structures               write profiles/measured/structures.yaml
    ./dev bench structures --check       say whether it is what would be written
    ./dev bench structures --export DIR  compare with files of torchvision's own models in DIR

Builds each architecture of tests/published_architectures.py and takes its structure. `--export`
compares them with NAME.onnx and NAME.ANYTHING.onnx in a folder, exported elsewhere, for instance:
torch.onnx.export(torchvision.models.resnet50(), torch.randn(1, 3, 224, 224), "resnet50.onnx").
"""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path

from placer.core.structure import Structure
from placer.onnx_files.reader import read_model
from tests.published_architectures import PUBLISHED, built_structure, table_text

TABLE = Path(__file__).parent.parent / "profiles" / "measured" / "structures.yaml"


def main() -> int:
    """Write or compare; the exit status is 1 where something differs."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true")
    parser.add_argument("--export", type=Path, metavar="DIR")
    asked = parser.parse_args()
    if asked.export is not None:
        return compare(asked.export)
    text = table_text({name: built_structure(name) for name in PUBLISHED})
    if asked.check:
        same = TABLE.is_file() and TABLE.read_text(encoding="utf-8") == text
        print(f"{TABLE.name} {'is up to date' if same else 'differs: ./dev bench structures'}")
        return 0 if same else 1
    TABLE.write_text(text, encoding="utf-8")
    print(f"{TABLE.name}: {len(PUBLISHED)} architectures")
    return 0


def compare(folder: Path) -> int:
    """Print which exported files have the structure and the work of what is built here."""
    differing = compared = 0
    for name in sorted(PUBLISHED):
        for path in sorted({*folder.glob(f"{name}.onnx"), *folder.glob(f"{name}.*.onnx")}):
            same = is_the_same(read_model(str(path)).structure, built_structure(name))
            print(f"{path.name}: {'the same' if same else 'DIFFERS'}", flush=True)
            compared += 1
            differing += not same
    print(f"{compared} files compared, {differing} differ")
    return 1 if differing or not compared else 0


def is_the_same(exported: Structure | None, built: Structure) -> bool:
    """Tell whether nothing is in the export that is not in what is built here."""
    if exported is None or set(exported.besides) - set(built.besides):
        return False
    return replace(exported, besides=built.besides) == built


if __name__ == "__main__":
    raise SystemExit(main())
