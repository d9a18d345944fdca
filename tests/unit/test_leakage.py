from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import helper

from placer.core.errors import InputError
from placer.core.leakage import (
    MAX_PSNR_DB,
    MIN_SAMPLES,
    Attack,
    Leak,
    distance_correlation,
    judge_leakage,
    reconstruct_linearly,
)

DIGITS = Path(__file__).parents[2] / "examples" / "01_digits"
BY_DEPTH = ("scaled", "stem.relu", "block1.relu2", "block2.relu2", "pooled", "logits")


def normal(seed: int, *shape: int) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal(shape)


def biased(first: np.ndarray, second: np.ndarray) -> float:
    """The distance correlation of Szekely, Rizzo and Bakirov 2007, as commonly published."""

    def centred(rows: np.ndarray) -> np.ndarray:
        d = np.linalg.norm(rows[:, None] - rows[None, :], axis=2)
        return np.asarray(d - d.mean(axis=0) - d.mean(axis=1)[:, None] + d.mean())

    a, b = centred(first), centred(second)
    return float(np.sqrt((a * b).mean() / np.sqrt((a * a).mean() * (b * b).mean())))


def by_definition(first: np.ndarray, second: np.ndarray) -> float:
    """The corrected one, written out number by number."""
    n = len(first)

    def centred(rows: np.ndarray) -> np.ndarray:
        d = np.array([[float(np.linalg.norm(a - b)) for b in rows] for a in rows])
        found = np.zeros((n, n))
        for i in range(n):
            for j in range(n):
                if i != j:
                    found[i, j] = (
                        d[i, j]
                        - d[i].sum() / (n - 2)
                        - d[:, j].sum() / (n - 2)
                        + d.sum() / ((n - 1) * (n - 2))
                    )
        return found

    def inner(a: np.ndarray, b: np.ndarray) -> float:
        return float((a * b).sum() / (n * (n - 3)))

    a, b = centred(first), centred(second)
    return inner(a, b) / float(np.sqrt(inner(a, a) * inner(b, b)))


# --- distance correlation -------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(5))
def test_independent_data_of_many_dimensions_is_near_zero(seed: int) -> None:
    found = distance_correlation(normal(seed, 64, 3072), normal(seed + 100, 64, 4096))
    assert found is not None
    assert abs(found) < 0.05


def test_the_biased_form_would_call_it_dependent() -> None:
    assert biased(normal(1, 64, 3072), normal(2, 64, 4096)) > 0.98


def test_distance_correlation_is_the_one_of_its_definition() -> None:
    first = normal(1, 12, 5)
    second = first[:, :2] ** 2 + 0.3 * normal(2, 12, 2)
    assert distance_correlation(first, second) == pytest.approx(by_definition(first, second))


def test_distance_correlation_is_one_up_to_scale_and_turns() -> None:
    first = normal(1, 30, 6)
    turn = np.linalg.qr(normal(2, 6, 6))[0]
    assert distance_correlation(first, 5 * first @ turn + 3) == pytest.approx(1.0)


def test_dependence_without_linear_correlation_is_seen() -> None:
    first = normal(1, 200, 1)
    found = distance_correlation(first, first**2)
    assert found is not None
    assert found > 0.15


def test_a_constant_has_no_distance_correlation() -> None:
    assert distance_correlation(normal(1, 20, 3), np.ones((20, 4))) is None


def test_large_data_is_taken_in_blocks() -> None:
    first = normal(1, 40, 250_000).astype(np.float32)  # more than one block
    found = distance_correlation(first, first[:, :125_000])
    assert found is not None
    assert found == pytest.approx(1.0, abs=0.5)


# --- the attack -----------------------------------------------------------------------------


def test_what_is_linear_is_rebuilt() -> None:
    inputs = normal(1, 200, 5, 8)
    hidden = inputs.reshape(200, 40) @ normal(2, 40, 60)
    found = reconstruct_linearly(inputs, [hidden])
    assert found.psnr_db > 80
    assert found.gain_low_db > 60
    assert judge_leakage(inputs, [hidden]).leak is Leak.RAW


@pytest.mark.parametrize("samples", [32, 64, 200])
@pytest.mark.parametrize("seed", range(5))
def test_what_is_independent_is_not(samples: int, seed: int) -> None:
    inputs, noise = normal(seed, samples, 48), normal(seed + 50, samples, 300)
    found = reconstruct_linearly(inputs, [noise], seed=seed)
    assert abs(found.gain_db) < 0.05
    assert judge_leakage(inputs, [noise], seed=seed).text == "not shown recoverable by this attack"


def test_noise_lowers_what_is_rebuilt() -> None:
    inputs = normal(1, 200, 40)
    hidden = inputs @ normal(2, 40, 60)
    psnr_db = [
        reconstruct_linearly(inputs, [hidden + size * normal(3, 200, 60)]).psnr_db
        for size in (0.0, 1.0, 5.0, 50.0)
    ]
    assert psnr_db == sorted(psnr_db, reverse=True)


def test_inputs_are_held_out() -> None:
    """Tensors that name each sample, and say nothing of it, would let a fit on all rebuild it."""
    found = reconstruct_linearly(normal(1, 100, 20), [np.eye(100)])
    assert found.gain_db < 0.05


def test_an_input_that_stands_twice_counts_once() -> None:
    """Its copy would lie in another fold, and each name would be known."""
    inputs = np.repeat(normal(1, 50, 20), 4, axis=0)
    names = np.repeat(np.eye(50), 4, axis=0)
    found = reconstruct_linearly(inputs, [names])
    assert found.samples == 50
    assert found.gain_db < 0.05


def test_all_tensors_of_a_cut_are_used_whatever_their_scale() -> None:
    inputs = normal(1, 200, 40)
    loud, quiet = 1e6 * inputs[:, :20], 1e-6 * inputs[:, 20:]
    together = reconstruct_linearly(inputs, [loud, quiet]).psnr_db
    assert together > reconstruct_linearly(inputs, [loud]).psnr_db + 40


def test_the_same_seed_gives_the_same_figures() -> None:
    inputs = normal(1, 64, 30)
    hidden = np.tanh(inputs @ normal(2, 30, 20))
    first = judge_leakage(inputs, [hidden], seed=3)
    assert first == judge_leakage(inputs.copy(), [hidden.copy()], seed=3)
    assert first != judge_leakage(inputs, [hidden], seed=4)


def test_psnr_is_that_of_its_definition() -> None:
    """Guessing the mean of two values, of a range of 1, is wrong by a half: 6 dB."""
    inputs = np.random.default_rng(1).integers(0, 2, (400, 64)).astype(np.uint8)
    found = reconstruct_linearly(inputs, [normal(2, 400, 3)])
    assert found.mean_psnr_db == pytest.approx(10 * np.log10(4), abs=0.05)
    assert found.psnr_db == pytest.approx(found.mean_psnr_db, abs=0.05)


def test_a_perfect_copy_has_a_finite_figure() -> None:
    inputs = np.repeat(normal(1, 100, 1), 10, axis=1)
    found = reconstruct_linearly(inputs, [inputs])
    assert 80 < found.psnr_db <= MAX_PSNR_DB


def test_tensors_that_are_constant_show_nothing() -> None:
    found = judge_leakage(normal(1, 40, 10), [np.ones((40, 5))])
    assert found.leak is Leak.NOT_SHOWN
    assert found.distance_correlation is None


def test_booleans_and_integers_are_attacked_too() -> None:
    inputs = normal(1, 300, 8)
    found = judge_leakage(inputs, [inputs > 0, (inputs * 2).astype(np.int64)])
    assert found.leak is Leak.LINEARLY_RECOVERABLE
    assert found.text.startswith("linearly recoverable (PSNR ")


# --- pictures -------------------------------------------------------------------------------


def pictures(count: int, height: int, width: int, seed: int = 1) -> np.ndarray:
    """Smooth random pictures of three channels, with an equal spectrum at every place."""
    rng = np.random.default_rng(seed)
    down, right = np.fft.fftfreq(height)[:, None], np.fft.fftfreq(width)[None, :]
    size = np.sqrt(down**2 + right**2)
    size[0, 0] = 1 / max(height, width)
    noise = np.fft.fft2(rng.standard_normal((count, 3, height, width)))
    return np.asarray(np.fft.ifft2(noise / size).real, dtype=np.float32)


def reduced(images: np.ndarray, step: int) -> np.ndarray:
    """Average blocks of pixels; what does not fill a block is left out."""
    n, channels, height, width = images.shape
    rows, columns = height // step, width // step
    whole = images[:, :, : rows * step, : columns * step]
    return np.asarray(whole.reshape(n, channels, rows, step, columns, step).mean(axis=(3, 5)))


@pytest.mark.parametrize(("height", "width"), [(32, 32), (20, 33)])
def test_a_few_pictures_are_enough_where_each_place_is_alike(height: int, width: int) -> None:
    """3,072 values and 40 samples: an attack on whole pictures alone does not see the picture."""
    images = pictures(40, height, width)
    mix = normal(2, 6, 3)
    found = judge_leakage(images, [np.einsum("oc,nchw->nohw", mix, images)])
    assert found.leak is Leak.RAW
    assert found.reconstruction is not None
    assert found.reconstruction.attack is Attack.WINDOWS
    flat = images.reshape(40, -1)
    whole = reconstruct_linearly(flat, [flat])
    assert whole.attack is Attack.WHOLE
    assert whole.gain_db < 3


def test_smaller_pictures_reveal_less() -> None:
    images = pictures(40, 32, 32)
    psnr_db = [
        reconstruct_linearly(images, [reduced(images, step)]).psnr_db for step in (1, 2, 4, 8)
    ]
    assert psnr_db == sorted(psnr_db, reverse=True)
    assert psnr_db[0] > 90
    assert psnr_db[0] > psnr_db[1] + 30


def test_pixels_beyond_the_places_of_a_map_are_guessed() -> None:
    """5 x 5 places of 2 x 2 pixels lie in the middle of 11 x 11 pixels."""
    images = pictures(40, 11, 11)
    cells = images[:, :, :10, :10].reshape(40, 3, 5, 2, 5, 2).transpose(0, 1, 3, 5, 2, 4)
    found = reconstruct_linearly(images, [cells.reshape(40, 12, 5, 5)])
    assert found.attack is Attack.WINDOWS
    left = images - images.mean(axis=0)
    outside = float((left**2).sum() - (left[:, :, :10, :10] ** 2).sum())
    expected_db = 10 * np.log10(float((left**2).sum()) / outside)
    assert found.gain_db == pytest.approx(expected_db, abs=1.0)


def test_places_that_reach_beyond_a_picture_do_no_harm() -> None:
    """4 x 4 places of 2 x 2 pixels for 7 x 7 pixels, as padding makes them."""
    images = pictures(60, 7, 7)
    padded = np.pad(images, ((0, 0), (0, 0), (0, 1), (0, 1)))
    cells = padded.reshape(60, 3, 4, 2, 4, 2).transpose(0, 1, 3, 5, 2, 4).reshape(60, 12, 4, 4)
    assert reconstruct_linearly(images, [cells]).gain_db > 10


def test_maps_of_two_sizes_and_many_channels_are_joined() -> None:
    images = pictures(40, 16, 16)
    wide = np.einsum("oc,nchw->nohw", normal(3, 700, 2), reduced(images, 2)[:, :2])
    found = reconstruct_linearly(images, [wide, reduced(images, 4)[:, 2:]])
    assert found.attack is Attack.WINDOWS
    two_channels = reconstruct_linearly(images, [reduced(images, 2)[:, :2]])
    assert found.gain_db > two_channels.gain_db + 0.3


def test_the_batch_of_one_of_each_run_is_no_dimension_of_a_picture() -> None:
    images = pictures(40, 16, 16)
    found = reconstruct_linearly(images[:, None], [images[:, None]])
    assert found == reconstruct_linearly(images, [images])
    assert found.attack is Attack.WINDOWS


def test_maps_of_other_pictures_show_nothing() -> None:
    images = pictures(60, 24, 24)
    found = judge_leakage(images, [np.roll(images, 20, axis=0)])
    assert found.leak is Leak.NOT_SHOWN
    assert found.reconstruction is not None
    assert abs(found.reconstruction.gain_db) < 0.05


@pytest.mark.parametrize("shape", [(40, 3, 1, 1), (40, 0, 8, 8), (40, 3, 64, 64), (40, 3, 8)])
def test_what_is_no_map_of_the_picture_is_attacked_as_a_whole(shape: tuple[int, ...]) -> None:
    found = reconstruct_linearly(pictures(40, 16, 16), [normal(1, *shape)])
    assert found.attack is Attack.WHOLE


# --- what is claimed ------------------------------------------------------------------------


def test_the_graph_says_raw_without_samples() -> None:
    found = judge_leakage(np.zeros((0, 3)), [np.zeros((0, 4))], raw_reason="x -> Pad")
    assert found.text == "raw"
    assert found.reason == "the graph shows it: x -> Pad"
    assert found.samples == found.needed_samples == 0


@pytest.mark.parametrize("count", [0, 1, 3, 31])
def test_too_few_samples_make_no_claim_and_say_how_many_are_missing(count: int) -> None:
    inputs = normal(1, count, 5)
    found = judge_leakage(inputs, [inputs])
    assert found.leak is Leak.NO_CLAIM
    assert found.needed_samples == MIN_SAMPLES - count
    assert found.reason == f"{count} different inputs of the 32 that a claim needs"
    with pytest.raises(InputError, match=f"{count} different inputs are too few"):
        reconstruct_linearly(inputs, [inputs])


def test_the_same_inputs_over_and_over_are_few() -> None:
    found = judge_leakage(np.ones((500, 3)), [np.ones((500, 3))])
    assert found.needed_samples == 31


def test_nothing_is_ever_called_private() -> None:
    assert not any("private" in leak for leak in Leak)
    found = judge_leakage(normal(1, 40, 10), [normal(2, 40, 5)])
    assert "private" not in found.text + found.reason
    assert "a stronger one may do better" in found.reason


@pytest.mark.parametrize(
    ("inputs", "tensors", "message"),
    [
        (np.zeros((40, 3)), [np.zeros((39, 3))], r"\(39, 3\) stands beside inputs of \(40, 3\)"),
        (np.zeros((40, 3)), [], "no tensor crosses"),
        (np.full((40, 3), np.nan), [np.zeros((40, 3))], "NaN or an infinity"),
        (np.zeros((40, 3)), [np.full((40, 3), np.inf)], "NaN or an infinity"),
        (np.zeros((40, 3), dtype="S3"), [np.zeros((40, 3))], "have no distances"),
        (np.float64(1), [np.zeros((40, 3))], r"\(\) stands beside"),
    ],
)
def test_refuses_samples_that_do_not_fit(inputs: Any, tensors: Any, message: str) -> None:
    with pytest.raises(InputError, match=message):
        judge_leakage(np.asarray(inputs), tensors)


def test_refuses_a_correlation_of_three_samples() -> None:
    with pytest.raises(InputError, match="3 samples have no distance correlation"):
        distance_correlation(np.eye(3), np.eye(3))


# --- a trained network ----------------------------------------------------------------------


@cache
def digits(count: int) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """Return real images and what the trained network makes of them, by tensor."""
    model = onnx.load(DIGITS / "digits.onnx")
    names = [name for node in model.graph.node for name in node.output]
    present = {info.name for info in model.graph.output}
    model.graph.output.extend(
        helper.make_empty_tensor_value_info(name) for name in names if name not in present
    )
    session = onnxruntime.InferenceSession(model.SerializeToString())
    images = np.load(DIGITS / "samples.npz")["image"][:count]
    rows = [session.run(list(BY_DEPTH), {"image": image[None]}) for image in images]
    return images, {
        name: np.stack(column)
        for name, column in zip(BY_DEPTH, zip(*rows, strict=True), strict=True)
    }


def test_what_can_be_rebuilt_falls_with_depth() -> None:
    images, tensors = digits(150)
    found = [reconstruct_linearly(images, [tensors[name]]) for name in BY_DEPTH]
    psnr_db = [one.psnr_db for one in found]
    assert psnr_db == sorted(psnr_db, reverse=True)
    assert psnr_db[0] > 40
    assert psnr_db[-1] < 16
    assert all(one.mean_psnr_db == pytest.approx(11.4, abs=0.3) for one in found)


def test_deep_tensors_of_a_trained_network_are_still_linearly_recoverable() -> None:
    images, tensors = digits(150)
    assert judge_leakage(images, [tensors["block2.relu2"]]).leak is Leak.LINEARLY_RECOVERABLE


def test_tensors_of_other_images_show_nothing() -> None:
    images, tensors = digits(150)
    others = np.roll(tensors["stem.relu"], 40, axis=0)
    assert judge_leakage(images, [others]).leak is Leak.NOT_SHOWN
