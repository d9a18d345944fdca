"""Code of init containers that surely changes no model, and files that tools only point to."""

from __future__ import annotations

import json

import pytest

from placer.manifests.harmless_code import is_harmless_python
from placer.manifests.nodes import Field
from placer.manifests.parsing import parse_yaml
from placer.manifests.pods import workers_of

OWN = "/models/best.onnx"
FETCHED = "<initContainers.fetch>"


def prepared(*command: str) -> list[str]:
    """The models of a pod whose init container mounts the volume of the model."""
    pod = {
        "initContainers": [
            {
                "name": "fetch",
                "command": command,
                "volumeMounts": [{"name": "v", "mountPath": "/models"}],
            }
        ],
        "containers": [
            {
                "name": "s",
                "args": ["--model", OWN],
                "volumeMounts": [{"name": "v", "mountPath": "/models"}],
            }
        ],
        "volumes": [{"name": "v", "emptyDir": {}}],
    }
    (document,) = parse_yaml(json.dumps(pod), "a.yaml").documents
    found = workers_of(Field(document, document.root))
    return sorted({one.uri.value for worker in found for one in worker.models})


@pytest.mark.parametrize(
    "code",
    [
        "import torch; print(torch.cuda.is_available())",
        "import torch as t, sys\nsys.exit(0 if t.cuda.is_available() else 1)",
        "import onnxruntime as o; print('has', o.get_available_providers(), flush=True)",
        "import torch, torch.cuda; assert torch.cuda.device_count() > 0, f'none of {1}'",
        "import os\nif not os.path.exists('/dev/nvidia0'): exit(1)",
    ],
)
def test_code_that_only_tells_something_changes_no_model(code: str) -> None:
    assert prepared("python3", "-c", code) == [OWN]
    assert prepared("sh", "-c", f'python3 -u -c "{code}"') == [OWN]


@pytest.mark.parametrize(
    "code",
    [
        "",
        "(",
        "import fetch_model",
        "import torch; torch.hub.load('a', 'b')",
        "import torch; torch.save(1, '/models/best.onnx')",
        "open('/models/best.onnx', 'w')",
        "print(1, file=open('/models/best.onnx', 'w'))",
        "import sys; print(1, file=sys.stderr)",
        "import os; os.system('x')",
        "import os as print; print('x')",
        "import os as torch, torch; torch.system('x')",
        "import os; p = os.rename; p('a', 'b')",
        "from os import rename as print; print('a', 'b')",
        "print = exec; print('x')",
        "(print := exec)('x')",
        "len = __import__",
        "__import__('os').system('x')",
        "eval('x')",
        "[exec][0]('x')",
        "print(*map(exec, ['x']))",
        "import numpy; numpy.save('/models/best.onnx', 1)",
        "import sys; sys.stdout.write('x')",
        "class A: pass",
        "max(['x'], key=exec)",
        "def f(): pass",
        "print(**{'file': 1})",
    ],
)
def test_other_code_may_write_the_model(code: str) -> None:
    assert not is_harmless_python("python3", ["-c", code])
    assert prepared("python3", "-c", code) == [FETCHED]


@pytest.mark.parametrize(
    ("program", "words"),
    [
        ("python3", ["x.py"]),
        ("python3", ["-m", "x", "-c", "print(1)"]),
        ("python3", ["-c"]),
        ("python3", []),
        ("node", ["-c", "print(1)"]),
        ("python3", ["-c", "print(1)" + " " * 3000]),
    ],
)
def test_only_code_of_python_that_can_be_read_is_harmless(program: str, words: list[str]) -> None:
    assert not is_harmless_python(program, words)


def test_the_output_of_harmless_code_is_written_where_it_is_sent() -> None:
    assert prepared("sh", "-c", f"python3 -c 'print(1)' > {OWN}") == [FETCHED]
    assert prepared("sh", "-c", "python3 -c 'print(1)' > /tmp/x") == [OWN]


@pytest.mark.parametrize(
    ("script", "model"),
    [
        ("dvc pull /models/best.onnx.dvc", FETCHED),
        ("dvc checkout '/models/best.onnx.dvc' --force", FETCHED),
        ("dvc pull /models.dvc", FETCHED),
        ("dvc pull /models/dvc.yaml:train", FETCHED),
        ("dvc pull /dvc.lock", FETCHED),
        ("dvc pull /models/other.onnx.dvc", OWN),
    ],
)
def test_dvc_writes_what_its_file_stands_for(script: str, model: str) -> None:
    assert prepared("sh", "-c", script) == [model]
