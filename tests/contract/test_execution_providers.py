"""Every row of EXECUTION_PROVIDERS, and every one that this machine has on a real model."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from placer.core.errors import UsageError
from placer.core.measurement import SessionSettings
from placer.core.runtime import (
    EXECUTION_PROVIDERS,
    REMOTE_EXECUTION_PROVIDERS,
    SessionRequest,
    parse_ep,
    short_ep_name,
)
from placer.runtimes.inventory import HOW_TO_GET
from placer.runtimes.onnxruntime import available_eps, open_session

DIGITS = Path(__file__).parent.parent.parent / "examples" / "01_digits"


@pytest.mark.parametrize(("short", "full"), EXECUTION_PROVIDERS.items())
def test_both_names_lead_to_it(short: str, full: str) -> None:
    assert short == short.lower()
    assert full.endswith("ExecutionProvider")
    assert {parse_ep(name) for name in (short, short.upper(), full, full.lower())} == {short}
    assert short_ep_name(full) == short


def test_all_but_the_cpu_say_how_to_get_them() -> None:
    assert set(HOW_TO_GET) == set(EXECUTION_PROVIDERS) - {"cpu"}


def test_a_remote_one_is_never_the_edge() -> None:
    assert not REMOTE_EXECUTION_PROVIDERS & set(EXECUTION_PROVIDERS.values())
    for name in REMOTE_EXECUTION_PROVIDERS:
        with pytest.raises(UsageError, match="calls a remote service"):
            parse_ep(name)


@pytest.mark.parametrize("ep", available_eps())
def test_a_real_model_runs_on_each_one_that_is_here(ep: str, tmp_path: Path) -> None:
    images = np.load(DIGITS / "samples.npz")["image"][:20, None]
    inputs = tmp_path / "inputs.npz"
    np.savez(inputs, image=images)
    session = open_session(
        SessionRequest(
            model_path=str(DIGITS / "digits.onnx"),
            ep=ep,
            settings=SessionSettings(intra_op_threads=1, allow_spinning=False),
            inputs_path=str(inputs),
            dtypes=(),
        )
    )
    for run in session.runs():
        run()
    assert dict(session.nodes_by_ep())[ep] >= 1
