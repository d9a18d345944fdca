"""ONNX Runtime with OpenVINO inside: it takes the place of the onnxruntime package.

So it is installed apart and put first on the path. The plugin package (onnxruntime-ep-openvino)
offers a device on Intel's processors only; this build runs on any x86-64 one.
"""

from __future__ import annotations

import os
import platform
import subprocess
import sys
from pathlib import Path

import pytest

BUILD = "onnxruntime-openvino==1.24.1"


@pytest.fixture(scope="session")
def openvino_site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a directory with that build of ONNX Runtime."""
    if sys.platform != "linux" or platform.machine() != "x86_64":
        pytest.skip(f"there is no {BUILD} for {sys.platform} on {platform.machine()}")
    folder = tmp_path_factory.mktemp("openvino") / "site"
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--target"]
    installed = subprocess.run(
        [*command, str(folder), BUILD], capture_output=True, text=True, check=False
    )
    if installed.returncode != 0:
        reason = f"{BUILD} could not be installed: {installed.stderr[-300:]}"
        (pytest.fail if os.environ.get("CI") else pytest.skip)(reason)
    return folder
