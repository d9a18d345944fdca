"""Maps of a picture whose channels stand first or last, or whose places stand in a row."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from placer.core.leakage import Attack, Leak, judge_leakage, reconstruct_linearly
from placer.core.leakage_windows import window_errors
from tests.unit.test_leakage import normal, pictures

SAMPLES, SIDE = 40, 16
IMAGES = pictures(SAMPLES, SIDE, SIDE)
PATCHES = IMAGES.reshape(SAMPLES, 3, 4, 4, 4, 4).transpose(0, 1, 3, 5, 2, 4).reshape(-1, 48, 4, 4)


def in_a_row(made: np.ndarray) -> np.ndarray:
    return np.swapaxes(made.reshape(len(made), made.shape[1], -1), 1, 2)


def after_a_token(made: np.ndarray) -> np.ndarray:
    return np.concatenate([normal(3, len(made), 1, made.shape[1]), in_a_row(made)], axis=1)


LAYOUTS: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "channels first": lambda made: made,
    "channels last": lambda made: np.moveaxis(made, 1, -1),
    "places in a row": in_a_row,
    "places in a row after a token": after_a_token,
    "channels and a row of places": lambda made: np.swapaxes(in_a_row(made), 1, 2),
}


MEANS = np.kron(np.eye(4, 3), np.full((1, 16), 1 / 16))
"""Of each colour of a patch, and nothing: 4 channels of 4 x 4 places may be read in two ways."""


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize(("mix", "is_last"), [(MEANS, False), (normal(2, 20, 48), True)])
def test_a_map_is_attacked_whatever_its_layout(layout: str, mix: np.ndarray, is_last: bool) -> None:
    """As convolutions and transformers keep 4 x 4 patches."""
    made = np.einsum("oc,nchw->nohw", mix, PATCHES)
    images = np.moveaxis(IMAGES, 1, -1) if is_last else IMAGES
    found = reconstruct_linearly(images, [LAYOUTS[layout](made)])
    assert found.attack is Attack.WINDOWS
    assert found.psnr_db == pytest.approx(reconstruct_linearly(IMAGES, [made]).psnr_db, abs=1.0)
    assert found.gain_low_db > 1


def test_tensors_of_several_layouts_are_joined() -> None:
    first, last = PATCHES[:, :24], np.moveaxis(PATCHES[:, 24:], 1, -1)
    found = judge_leakage(IMAGES, [first, last])
    assert found.leak is Leak.RAW
    assert judge_leakage(IMAGES, [last]).leak is not Leak.RAW


def test_a_layout_more_makes_nothing_of_other_pictures() -> None:
    moved = np.roll(np.einsum("oc,nchw->nohw", MEANS, PATCHES), 15, axis=0)  # read in two ways
    assert judge_leakage(IMAGES, [in_a_row(moved)]).leak is Leak.NOT_SHOWN


@pytest.mark.parametrize("shape", [(11, 8), (5, 3), (2, 19), (16, 32, 4), (0, 16), (3, 1, 1)])
def test_what_is_no_map_in_any_layout_is_attacked_as_a_whole(shape: tuple[int, ...]) -> None:
    tensor, rng = normal(1, SAMPLES, *shape), np.random.default_rng(0)
    assert window_errors(pictures(SAMPLES, 8, 12), [tensor], np.arange(SAMPLES) % 4, rng) == ()
