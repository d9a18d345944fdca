"""Any tensor survives any format, as far as the format promises."""

from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from placer.core.errors import InputError
from placer.core.wire_formats import (
    ELEMENT_TYPES,
    Precision,
    WireFormat,
    decode,
    encode,
    formats_for,
    read_header,
)

ARRAYS: st.SearchStrategy[Any] = st.sampled_from(ELEMENT_TYPES).flatmap(
    lambda dtype: hnp.arrays(dtype, hnp.array_shapes(min_dims=0, max_dims=4, min_side=0))
)
FORMATS = st.builds(WireFormat, st.sampled_from(list(Precision)), st.booleans())


@settings(deadline=None, max_examples=300)
@given(array=ARRAYS, wire_format=FORMATS)
def test_what_a_format_does_not_narrow_comes_back_bit_for_bit(
    array: np.ndarray, wire_format: WireFormat
) -> None:
    message = encode(array, wire_format)
    found = decode(message)
    assert (found.dtype, found.shape) == (array.dtype, array.shape)
    if read_header(message).wire_dtype == array.dtype.name:
        assert found.tobytes() == array.tobytes()


@settings(deadline=None, max_examples=300)
@given(
    array=hnp.arrays(np.float32, hnp.array_shapes(min_side=0)),
    is_compressed=st.booleans(),
)
def test_narrowed_floats_are_near_and_no_number_is_lost(
    array: np.ndarray, is_compressed: bool
) -> None:
    finite = np.isfinite(array)
    largest = float(np.max(np.abs(array), initial=0.0, where=finite))
    for precision, step in ((Precision.FLOAT16, 2**-11), (Precision.INT8, None)):
        found = decode(encode(array, WireFormat(precision, is_compressed)))
        assert np.array_equal(np.isnan(found), np.isnan(array))
        assert np.array_equal(np.isinf(found), np.isinf(array))
        error = np.abs(found[finite].astype(np.float64) - array[finite].astype(np.float64))
        allowed: Any = largest / 254 * (1 + 1e-5)
        if step is not None:
            allowed = np.maximum(np.abs(array[finite].astype(np.float64)) * step, 2**-25)
        assert (error <= allowed + 1e-45).all()


@settings(deadline=None, max_examples=200)
@given(array=ARRAYS)
def test_the_first_two_formats_on_offer_change_nothing(array: np.ndarray) -> None:
    for wire_format in formats_for([array.dtype.name])[:2]:
        assert decode(encode(array, wire_format)).tobytes() == array.tobytes()


@settings(deadline=None, max_examples=300)
@given(array=ARRAYS, wire_format=FORMATS, data=st.data())
def test_a_message_with_changed_bytes_is_read_or_refused(
    array: np.ndarray, wire_format: WireFormat, data: st.DataObject
) -> None:
    message = bytearray(encode(array, wire_format))
    place = data.draw(st.integers(0, len(message) - 1))
    message[place] = data.draw(st.integers(0, 255))
    try:
        found = decode(bytes(message), max_bytes=10**6)
    except InputError:
        return
    assert found.nbytes <= 10**6
