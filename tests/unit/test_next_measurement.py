"""The command that is advised can be typed as it stands."""

import pytest

from placer.core.next_measurement import with_option


@pytest.mark.parametrize(
    ("command", "expected"),
    [
        ("placer recommend m.onnx", "placer recommend m.onnx --network FILE"),
        (
            "placer recommend m.onnx --network a --sla 1s",
            "placer recommend m.onnx --sla 1s --network FILE",
        ),
        ("placer recommend m.onnx --network='my net'", "placer recommend m.onnx --network FILE"),
        (
            "placer recommend 'my m.onnx' --networks x",
            "placer recommend 'my m.onnx' --networks x --network FILE",
        ),
    ],
)
def test_an_option_that_was_typed_is_replaced(command: str, expected: str) -> None:
    assert with_option(command, "--network", "FILE") == expected
