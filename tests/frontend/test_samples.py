# SPDX-License-Identifier: Apache-2.0
"""Samples: what is taken, and how everything else is refused."""

from __future__ import annotations

import io
import pickle
import zipfile
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from eightbit.errors import InputError
from eightbit.frontend import samples as sampling
from models import samples

SHAPES = {"x": (1, 4)}
X = samples(4)


def archive(**arrays: Any) -> bytes:
    file = io.BytesIO()
    np.savez(file, **arrays)
    return file.getvalue()


def refused(source: Any, shapes: dict[str, tuple[int, ...]] | None = None) -> InputError:
    with pytest.raises(InputError) as caught:
        sampling.read(source, shapes or SHAPES)
    assert all([caught.value.what, caught.value.where, caught.value.why, caught.value.hint])
    return caught.value


# --- what is taken -------------------------------------------------------------------------------------------


def test_a_file_a_dictionary_and_an_array_hold_the_same_samples(tmp_path: Path) -> None:
    path = tmp_path / "samples.npz"
    path.write_bytes(archive(x=X))
    for source in (path, str(path), {"x": X}, X, X.tolist(), X[:, None], np.asfortranarray(X)):
        found = sampling.read(source, SHAPES)
        assert found.count == 4
        assert found.arrays["x"].dtype == np.float32
        assert np.array_equal(found.arrays["x"], X[:, None])


@given(
    hnp.array_shapes(min_dims=0, max_dims=3, max_side=3),
    st.integers(1, 3),
    st.booleans(),
    st.sampled_from([np.float16, np.float64, np.int8, np.uint8, np.bool_]),
)
@settings(deadline=None)
def test_rows_come_back_in_the_model_s_shape_whatever_their_number_type(
    row: tuple[int, ...], count: int, batched: bool, dtype: type[np.generic]
) -> None:
    shape = (1, *row) if batched else row
    array = np.arange(count * int(np.prod(row))).reshape(count, *row).astype(dtype)
    found = sampling.read({"value": array}, {"value": shape})
    assert found.count == count
    for index in range(count):
        assert found.row(index)["value"].shape == shape
        assert np.array_equal(found.row(index)["value"].ravel(), array[index].ravel().astype(np.float32))


def test_labels_are_kept_apart_and_cut_with_the_samples() -> None:
    found = sampling.read({"x": X, "labels": np.arange(4, dtype=np.uint8)}, SHAPES).first(3)
    assert found.count == 3
    assert found.labels is not None
    assert found.labels.tolist() == [0, 1, 2]
    assert found.first(100).count == 3
    assert sampling.read(X, SHAPES).first(2).labels is None


def test_an_input_may_be_called_labels() -> None:
    found = sampling.read({"labels": X}, {"labels": (1, 4)})
    assert found.labels is None
    assert list(found.arrays) == ["labels"]


# --- files ---------------------------------------------------------------------------------------------------

NO_ARCHIVES = {"nothing": b"", "text": b"hello", "a pickle": pickle.dumps({"x": 1}), "a cut archive": b"PK\x03\x04"}


@pytest.mark.parametrize("content", NO_ARCHIVES.values(), ids=NO_ARCHIVES)
def test_a_file_of_another_kind_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "s.npz").write_bytes(content)
    assert refused(tmp_path / "s.npz").why == "it is not an .npz archive"


def test_a_single_array_file_is_refused_since_it_names_no_input(tmp_path: Path) -> None:
    np.save(tmp_path / "s.npy", X)
    assert "numpy.savez" in refused(tmp_path / "s.npy").hint


def test_a_missing_file_and_a_folder_are_refused(tmp_path: Path) -> None:
    assert refused(tmp_path / "none.npz").why == "No such file or directory"
    assert refused(tmp_path).why == "Is a directory"
    assert {refused(path).hint for path in (tmp_path / "none.npz", tmp_path)} == {"check the path of the .npz file"}


def test_pickled_objects_are_refused_unread(tmp_path: Path) -> None:
    class Trap:
        def __reduce__(self) -> tuple[Any, ...]:
            return (Path.touch, (tmp_path / "sprung",))

    (tmp_path / "s.npz").write_bytes(archive(x=np.array([[Trap()] * 4], dtype=object)))
    refused(tmp_path / "s.npz")
    assert not (tmp_path / "sprung").exists()


def test_an_archive_of_something_else_is_refused(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "s.npz", "w") as file:
        file.writestr("x", b"hello")
    assert refused(tmp_path / "s.npz").what == "samples of input 'x' are not numbers"


def test_a_header_that_promises_terabytes_is_refused(tmp_path: Path) -> None:
    header = io.BytesIO()
    np.lib.format.write_array_header_2_0(header, {"descr": "<f4", "fortran_order": False, "shape": (2**50, 4)})
    with zipfile.ZipFile(tmp_path / "s.npz", "w") as file:
        file.writestr("x.npy", header.getvalue())
    refused(tmp_path / "s.npz")


def test_a_truncated_archive_is_refused(tmp_path: Path) -> None:
    content = archive(x=X)
    for size in range(0, len(content), 3):
        (tmp_path / "s.npz").write_bytes(content[:size])
        refused(tmp_path / "s.npz")


@given(position=st.integers(0, len(archive(x=X)) - 1), value=st.integers(0, 255))
@settings(deadline=None)
def test_a_damaged_archive_is_read_or_refused_but_never_fails(
    tmp_path_factory: pytest.TempPathFactory, position: int, value: int
) -> None:
    content = bytearray(archive(x=X))
    content[position] = value
    path = tmp_path_factory.getbasetemp() / "damaged.npz"
    path.write_bytes(content)
    with suppress(InputError):
        sampling.read(path, SHAPES)


# --- names, shapes, numbers ----------------------------------------------------------------------------------


@pytest.mark.parametrize("given_names", [[], ["y"], ["X"], ["x", "y"], ["x", "x "]])
def test_other_names_than_the_model_s_are_refused_and_both_sets_told(given_names: list[str]) -> None:
    why = refused(dict.fromkeys(given_names, X)).why
    assert str(sorted(given_names)) in why
    assert "['x']" in why


def test_names_of_mixed_types_are_told_too() -> None:
    assert "['1', 'x']" in refused({"x": X, 1: X}).why


def test_one_array_cannot_serve_two_inputs() -> None:
    assert "'x', 'y'" in refused(X, {"x": (1, 4), "y": (1, 4)}).why


@pytest.mark.parametrize("array", [X[0], samples(5), samples(4, 1), samples(2, 2), samples(), np.float32(3)])
def test_another_shape_is_refused_and_both_told(array: np.ndarray) -> None:
    why = refused({"x": array}).why
    assert str(list(array.shape)) in why
    assert "[n, 4]" in why


@pytest.mark.parametrize(
    ("found", "hint"),
    [
        ((8, 6, 5, 3), "array.transpose(0, 3, 1, 2)"),  # channels last
        ((8, 90), "array.reshape(-1, 3, 6, 5)"),
        ((3, 6, 5), "array[None]"),  # one sample
        ((8, 3, 6, 6), "one row per sample"),
    ],
)
def test_where_sizes_tell_how_an_array_is_to_be_turned_the_hint_says_so(found: tuple[int, ...], hint: str) -> None:
    assert hint in refused({"x": samples(*found, count=1)[0]}, {"x": (1, 3, 6, 5)}).hint


def test_a_signal_with_its_channels_last_is_told_so_too() -> None:
    array = samples(50, 4, count=2)
    hint = refused({"x": array}, {"x": (1, 4, 50)}).hint
    assert "array.transpose(0, 2, 1)" in hint
    assert sampling.read({"x": array.transpose(0, 2, 1)}, {"x": (1, 4, 50)}).count == 2


def test_a_hint_on_names_can_be_pasted(tmp_path: Path) -> None:
    np.savez(tmp_path / "s.npz", X)
    assert "numpy.savez(file, **{'x': array})" in refused(tmp_path / "s.npz").hint


def test_inputs_without_samples_or_with_different_numbers_of_them_are_refused() -> None:
    assert refused(X[:0]).what == "there are no samples"
    two = {"x": (1, 4), "y": (1, 4)}
    assert refused({"x": X, "y": X[:2]}, two).why == "'x' has 4, 'y' has 2"
    assert refused({"x": X, "y": X[:0]}, two).why == "'x' has 4, 'y' has 0"


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 1e300])
def test_what_is_not_finite_in_float32_is_refused_and_the_sample_named(value: float) -> None:
    array = X.astype(np.float64)
    array[2, 1] = value
    assert "sample 2 " in refused(array).why


NO_NUMBERS = {
    "strings": np.array([["a"] * 4]),
    "complex": X * 1j,
    "dates": np.zeros((2, 4), "M8[s]"),
    "records": np.zeros((2, 4), [("a", "f4")]),
    "objects": np.array([[None] * 4]),
    "nothing": None,
    "a word": "word",
}


@pytest.mark.parametrize("array", NO_NUMBERS.values(), ids=NO_NUMBERS)
def test_what_is_not_a_number_is_refused(array: Any) -> None:
    assert refused({"x": array}).what == "samples of input 'x' are not numbers"


def test_rows_of_different_lengths_are_refused() -> None:
    refused([[1, 2], [3]])
    refused({"x": [[1, 2], [3]]})


@pytest.mark.parametrize(
    "labels", [np.zeros(3, int), np.zeros(4), np.zeros((4, 1), int), np.array(0), np.array(["a"] * 4)]
)
def test_labels_that_are_not_one_integer_per_sample_are_refused(labels: np.ndarray) -> None:
    assert "for 4 samples" in refused({"x": X, "labels": labels}).why
