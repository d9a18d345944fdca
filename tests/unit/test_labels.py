"""Labels are read strictly: whose, of which type, how many, in which range."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from placer.core.errors import InputError, UsageError
from placer.core.graph import TensorSpec
from placer.core.variant import accuracy
from placer.onnx_files.labels import load_labels

SCORES = TensorSpec("scores", "float32", (1, 10), 40)
OTHER = TensorSpec("other", "float32", (1, 4), 16)
LABEL = TensorSpec("label", "int64", (1,), 8)
BOXES = TensorSpec("boxes", "float32", (1, 8, 4), 128)


def written(folder: Path, **arrays: Any) -> str:
    path = folder / ("labels.npz" if arrays.keys() - {"npy"} else "labels.npy")
    if "npy" in arrays:
        np.save(path, arrays["npy"])
    else:
        np.savez(path, **arrays)
    return str(path)


def test_a_plain_array_is_of_the_only_output_with_scores(tmp_path: Path) -> None:
    path = written(tmp_path, npy=np.array([1, 2, 3], dtype=np.uint8))
    for outputs in ([SCORES], [LABEL, SCORES], [BOXES, SCORES]):
        found = load_labels(path, outputs, 3, "s.npz")
        assert found["scores"].tolist() == [1, 2, 3]
    assert load_labels(path, [LABEL, BOXES], 3, "s.npz").keys() == {"label"}


def test_an_archive_names_outputs_or_has_one_array_called_labels(tmp_path: Path) -> None:
    path = written(tmp_path, other=np.array([0, 3]), scores=np.array([9, 0]))
    assert load_labels(path, [SCORES, OTHER], 2, "s.npz").keys() == {"scores", "other"}
    path = written(tmp_path, labels=np.array([4, 5]))
    assert load_labels(path, [SCORES], 2, "s.npz")["scores"].tolist() == [4, 5]


@pytest.mark.parametrize(
    ("arrays", "outputs", "message"),
    [
        ({"npy": np.zeros(3)}, [SCORES], "float64, wanted are whole numbers"),
        ({"npy": np.zeros(3, bool)}, [SCORES], "bool, wanted are whole numbers"),
        ({"npy": np.zeros(4, int)}, [SCORES], r"shape \(4\), s.npz has 3 samples"),
        ({"npy": np.zeros((3, 1), int)}, [SCORES], r"shape \(3,1\), s.npz has 3 samples"),
        ({"npy": np.array([0, 10, 1])}, [SCORES], "label 10 of sample 1.* 0 to 9"),
        ({"npy": np.array([0, 1, -1])}, [SCORES], "label -1 of sample 2.* 0 to 9"),
        ({"npy": np.zeros(3, int)}, [BOXES], "no output of the model has classes: boxes"),
        ({"npy": np.zeros(3, int)}, [SCORES, OTHER], "does not say which output.*scores, other"),
        ({"score": np.zeros(3, int)}, [SCORES], "'score' is no output.*did you mean 'scores'"),
        ({"boxes": np.zeros(3, int)}, [SCORES, BOXES], "'boxes' has no classes"),
        ({}, [SCORES], "is no output|holds no labels"),
    ],
)
def test_wrong_labels_are_told(
    arrays: dict[str, Any], outputs: list[TensorSpec], message: str, tmp_path: Path
) -> None:
    path = tmp_path / "empty.npz"
    np.savez(path)
    with pytest.raises(UsageError, match=message):
        load_labels(written(tmp_path, **arrays) if arrays else str(path), outputs, 3, "s.npz")


def test_a_file_that_is_missing_or_no_array_is_an_input_error(tmp_path: Path) -> None:
    (tmp_path / "text.npy").write_text("1 2 3")
    for name in ("none.npy", "text.npy"):
        with pytest.raises(InputError, match=name):
            load_labels(str(tmp_path / name), [SCORES], 3, "s.npz")


def test_every_labelled_output_must_be_right() -> None:
    scores = np.eye(4, dtype=np.float32)[:, np.newaxis]  # (4, 1, 4): says 0 1 2 3
    outputs = {"scores": scores, "label": np.array([[5], [6], [7], [8]])}
    alone = accuracy(outputs, {"scores": np.array([0, 1, 2, 0])})
    assert (alone.ratio, alone.samples) == (0.75, 4)
    assert alone.low_ratio < 0.75 < alone.high_ratio
    both = {"scores": np.array([0, 1, 2, 0]), "label": np.array([5, 0, 7, 8])}
    assert accuracy(outputs, both).ratio == 0.5
