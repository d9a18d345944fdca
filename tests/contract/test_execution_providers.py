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
    options_of,
    parse_ep,
    parse_ep_option,
    short_ep_name,
    split_ep,
)
from placer.runtimes.inventory import HOW_TO_GET, LAST_RUN, MADE_FOR
from placer.runtimes.onnxruntime import available_eps, open_session

DIGITS = Path(__file__).parent.parent.parent / "examples" / "01_digits"


@pytest.mark.parametrize(("short", "full"), EXECUTION_PROVIDERS.items())
def test_both_names_lead_to_it(short: str, full: str) -> None:
    assert short == short.lower()
    assert full.endswith("ExecutionProvider")
    assert {parse_ep(name) for name in (short, short.upper(), full, full.lower())} == {short}
    assert short_ep_name(full) == short


def test_a_device_is_named_behind_it() -> None:
    assert parse_ep("OpenVINO:GPU") == "openvino:gpu"
    assert parse_ep("OpenVINOExecutionProvider:npu") == "openvino:npu"
    for wrong, words in (
        ("openvino:tpu", "'tpu' is no kind of device"),
        ("openvino:", "'' is no kind of device"),
        ("cpu:cpu", "cpu has one device"),
        (":gpu", "unknown execution provider"),
    ):
        with pytest.raises(UsageError, match=words):
            parse_ep(wrong)


def test_the_full_name_of_a_plugin_that_nobody_knows_stands_for_itself() -> None:
    assert parse_ep("FrobnicatorExecutionProvider") == "FrobnicatorExecutionProvider"
    for wrong in (
        "ExecutionProvider",
        "CUDDAExecutionProvider",
        "frobnicator",
        "A BExecutionProvider",
    ):
        with pytest.raises(UsageError, match="unknown execution provider"):
            parse_ep(wrong)


def test_options_are_by_name_and_those_of_a_device_win() -> None:
    given = [parse_ep_option(text) for text in ("openvino.a=1", "openvino:gpu.a=2", "cuda.b=c=d.e")]
    assert options_of("openvino", given) == (("a", "1"),)
    assert options_of("openvino:gpu", given) == (("a", "2"),)
    assert options_of("openvino:npu", given) == (("a", "1"),)
    assert options_of("cuda", given) == (("b", "c=d.e"),)
    for wrong in ("cuda", "cuda.x", "cuda=1", ".x=1", "cuda.=1", "cuda. =1"):
        with pytest.raises(UsageError, match=r"is not NAME\.KEY=VALUE"):
            parse_ep_option(wrong)
    with pytest.raises(UsageError, match="cpu has no options"):
        parse_ep_option("cpu.x=1")
    with pytest.raises(UsageError, match="placer sets it"):
        parse_ep_option("openvino.num_of_threads=1")
    twice = [parse_ep_option(text) for text in ("cuda.a=1", "cuda.a=2")]
    with pytest.raises(UsageError, match=r"cuda\.a is given twice"):
        options_of("cuda", twice)
    device = [parse_ep_option("openvino.device_type=CPU")]
    assert options_of("openvino", device) == (("device_type", "CPU"),)
    with pytest.raises(UsageError, match="both choose the device"):
        options_of("openvino:gpu", device)


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


def test_the_page_lists_every_one_and_when_it_last_ran_on_a_device() -> None:
    rows = []
    for short, full in EXECUTION_PROVIDERS.items():
        devices = [ep for ep in LAST_RUN if split_ep(ep)[0] == short]
        told = "; ".join(
            f"{split_ep(ep)[1] or 'cpu'}: {LAST_RUN[ep]}"
            + ("" if ep == "cpu" else "; other devices: never, experimental")
            for ep in devices
        )
        rows.append(f"| `{short}` | `{full}` | {told or 'never: experimental'} |")
    page = Path(__file__).parents[2] / "docs" / "execution-providers.md"
    table = page.read_text().partition("| Last run on a real device |\n|---|---|---|\n")[2]
    assert table.splitlines() == rows, "the page needs:\n" + "\n".join(rows)


def test_each_that_is_not_here_says_for_what_hardware_it_is() -> None:
    assert set(MADE_FOR) == set(HOW_TO_GET)
    assert {split_ep(ep)[0] for ep in LAST_RUN} <= set(EXECUTION_PROVIDERS)
