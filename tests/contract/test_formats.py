"""Every format of model files: its runtime keeps to the seam, and says truly what it is."""

from __future__ import annotations

import importlib

import pytest

from placer.api import formats
from placer.core.runtime import EXECUTION_PROVIDERS


@pytest.mark.parametrize(("format_", "module"), formats.RUNTIME_MODULES.items())
def test_the_runtime_of_a_format_keeps_to_the_seam(format_: str, module: str) -> None:
    runtime = formats.runtime_of(format_)
    assert module == runtime.MODULE
    # a test may have registered a plugin in this process, whose devices have names of their own
    eps = [ep for ep in runtime.available_eps() if ep in EXECUTION_PROVIDERS]
    assert eps[-1] == "cpu"  # what others are held against, and fall back to
    assert all(runtime.why_unavailable(ep) is None for ep in eps)
    assert formats.is_current(runtime.runtime_version())
    for name in ("load", "open_session"):
        assert callable(getattr(importlib.import_module(module), name))


@pytest.mark.parametrize("runtime", ["onnxruntime 0.1", "litert 0.1", "tensorrt 10", ""])
def test_another_version_or_runtime_is_not_the_installed_one(runtime: str) -> None:
    assert not formats.is_current(runtime)
