# SPDX-License-Identifier: Apache-2.0
"""The output folder: written completely or not at all, and never over a file of somebody else."""

from __future__ import annotations

import errno
import hashlib
import json
from pathlib import Path
from typing import Any

import pytest

from eightbit.emission import folder
from eightbit.errors import InputError

ABOUT = {"tool": "eightbit", "version": "1", "options": {"target": "generic"}}
FIRST: dict[str, str | bytes] = {"net.c": "int x;\n", "net.h": "", "program.npz": b"\x00\xff"}
SECOND: dict[str, str | bytes] = {"other.c": "int y;\n", "net.h": "/* new */\n"}


def state(out: Path) -> dict[str, bytes]:
    """Every file below a folder."""
    return {str(path.relative_to(out)): path.read_bytes() for path in sorted(out.rglob("*")) if path.is_file()}


def refused(out: Path, files: dict[str, str | bytes] = FIRST) -> InputError:
    with pytest.raises(InputError) as caught:
        folder.write(out, files, ABOUT)
    assert all([caught.value.what, caught.value.where, caught.value.why, caught.value.hint])
    return caught.value


def test_all_files_are_written_and_the_manifest_lists_them_with_their_hashes(tmp_path: Path) -> None:
    folder.write(tmp_path / "deep" / "out", FIRST, ABOUT)
    found = state(tmp_path / "deep" / "out")
    manifest = json.loads(found.pop("manifest.json"))
    assert found == {"net.c": b"int x;\n", "net.h": b"", "program.npz": b"\x00\xff"}
    assert manifest == {**ABOUT, "files": {k: hashlib.sha256(v).hexdigest() for k, v in found.items()}}
    assert [path.name for path in (tmp_path / "deep").iterdir()] == ["out"]


def test_the_same_build_gives_the_same_bytes_and_ordinary_permissions(tmp_path: Path) -> None:
    for name in ("a", "b", "a"):
        folder.write(tmp_path / name, FIRST, ABOUT)
    assert state(tmp_path / "a") == state(tmp_path / "b")
    (tmp_path / "plain").mkdir()
    (tmp_path / "plain" / "file").touch()
    assert (tmp_path / "a").stat().st_mode == (tmp_path / "plain").stat().st_mode
    assert (tmp_path / "a" / "net.c").stat().st_mode == (tmp_path / "plain" / "file").stat().st_mode


def test_a_second_build_replaces_the_first_and_leaves_the_user_s_files(tmp_path: Path) -> None:
    folder.write(tmp_path, FIRST, ABOUT)
    (tmp_path / "build").mkdir()
    (tmp_path / "build" / "net.o").write_bytes(b"object")
    (tmp_path / "notes.txt").write_text("mine")
    folder.write(tmp_path, SECOND, ABOUT)
    assert set(state(tmp_path)) == {"other.c", "net.h", "manifest.json", "build/net.o", "notes.txt"}
    assert (tmp_path / "net.h").read_text() == "/* new */\n"


def test_a_file_of_an_earlier_build_that_the_user_deleted_is_no_trouble(tmp_path: Path) -> None:
    folder.write(tmp_path, FIRST, ABOUT)
    (tmp_path / "net.c").unlink()
    folder.write(tmp_path, SECOND, ABOUT)
    assert set(state(tmp_path)) == {"other.c", "net.h", "manifest.json"}


@pytest.mark.parametrize("kind", ["file", "folder", "link", "dangling link"])
def test_a_file_that_eightbit_did_not_write_is_never_overwritten(tmp_path: Path, kind: str) -> None:
    out, mine = tmp_path / "out", tmp_path / "mine"
    out.mkdir()
    mine.write_text("mine")
    if kind == "file":
        (out / "net.h").write_text("mine")
    elif kind == "folder":
        (out / "net.h").mkdir()
    else:
        (out / "net.h").symlink_to(mine if kind == "link" else "nowhere")
    before = state(tmp_path)
    assert refused(out).what == "net.h is in the way"
    assert state(tmp_path) == before


def test_a_folder_where_an_earlier_build_had_a_file_is_not_touched(tmp_path: Path) -> None:
    folder.write(tmp_path, FIRST, ABOUT)
    (tmp_path / "net.c").unlink()
    (tmp_path / "net.c").mkdir()
    assert refused(tmp_path).what == "net.c is in the way"
    folder.write(tmp_path, SECOND, ABOUT)
    assert (tmp_path / "net.c").is_dir()


@pytest.mark.parametrize("content", ["", "{}", "[]", '{"tool": "eightbit", "options": {}, "files": ["../precious"]}'])
def test_a_manifest_of_something_else_is_in_the_way_like_any_file(tmp_path: Path, content: str) -> None:
    out = tmp_path / "out"
    out.mkdir()
    (tmp_path / "precious").write_text("mine")
    (out / "manifest.json").write_text(content)
    assert refused(out).what == "manifest.json is in the way"
    assert set(state(tmp_path)) == {"precious", "out/manifest.json"}


def test_a_file_where_the_folder_should_be_is_refused(tmp_path: Path) -> None:
    (tmp_path / "out").write_text("mine")
    assert refused(tmp_path / "out").what == "out is in the way"
    assert refused(tmp_path / "out" / "inner").what == "cannot write the output folder"
    assert state(tmp_path) == {"out": b"mine"}


def test_a_folder_reached_through_a_link_is_written(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to("real")
    folder.write(tmp_path / "link", FIRST, ABOUT)
    assert set(state(tmp_path / "real")) == {*FIRST, "manifest.json"}


# --- failures ------------------------------------------------------------------------------------------------


def fail_at(monkeypatch: pytest.MonkeyPatch, method: str, count: int, error: BaseException) -> None:
    """Let the `count`-th call of a Path method fail, once."""
    original, left = getattr(Path, method), [count]

    def failing(self: Path, *args: Any, **kwargs: Any) -> Any:
        left[0] -= 1
        if left[0] == 0:
            raise error
        return original(self, *args, **kwargs)

    monkeypatch.setattr(Path, method, failing)


@pytest.mark.parametrize("error", [OSError(errno.ENOSPC, "No space left on device"), KeyboardInterrupt()])
@pytest.mark.parametrize("count", [1, 2, 4])
def test_a_first_build_that_fails_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, count: int, error: BaseException
) -> None:
    fail_at(monkeypatch, "write_bytes", count, error)
    with pytest.raises((InputError, KeyboardInterrupt)):
        folder.write(tmp_path / "out", FIRST, ABOUT)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("error", [OSError(errno.EIO, "Input/output error"), KeyboardInterrupt()])
@pytest.mark.parametrize(("method", "calls"), [("write_bytes", 3), ("rename", 7)])
def test_a_later_build_that_fails_leaves_the_earlier_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, method: str, calls: int, error: BaseException
) -> None:
    folder.write(tmp_path, FIRST, ABOUT)
    (tmp_path / "notes.txt").write_text("mine")
    before = state(tmp_path)
    for count in range(1, calls + 1):
        with monkeypatch.context() as patch:
            fail_at(patch, method, count, error)
            with pytest.raises((InputError, KeyboardInterrupt)):
                folder.write(tmp_path, SECOND, ABOUT)
        assert state(tmp_path) == before
        assert not list(tmp_path.glob(".eightbit-*"))
    folder.write(tmp_path, SECOND, ABOUT)
    assert set(state(tmp_path)) == {"other.c", "net.h", "manifest.json", "notes.txt"}


def test_a_full_disk_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fail_at(monkeypatch, "write_bytes", 2, OSError(errno.ENOSPC, "No space left on device"))
    assert refused(tmp_path / "out").why == "No space left on device"


# --- reading -------------------------------------------------------------------------------------------------

DAMAGED = {
    "nothing": "",
    "a cut file": '{"tool": "eight',
    "another tool": '{"tool": "other", "options": {}, "files": []}',
    "no tool": '{"options": {}, "files": []}',
    "no files": '{"tool": "eightbit", "options": {}}',
    "no options": '{"tool": "eightbit", "files": []}',
    "options of another type": '{"tool": "eightbit", "options": [], "files": []}',
    "files of another type": '{"tool": "eightbit", "options": {}, "files": 3}',
    "names of another type": '{"tool": "eightbit", "options": {}, "files": [3]}',
    "a name elsewhere": '{"tool": "eightbit", "options": {}, "files": ["/etc/passwd"]}',
    "a numerics version that is no number": '{"tool": "eightbit", "numerics": "x", "options": {}, "files": []}',
    "a list": "[]",
    "a nest": "[" * 100_000,
}


@pytest.mark.parametrize("content", DAMAGED.values(), ids=DAMAGED)
def test_a_damaged_manifest_is_refused(tmp_path: Path, content: str) -> None:
    (tmp_path / "manifest.json").write_text(content)
    with pytest.raises(InputError, match="not a build of eightbit") as caught:
        folder.read_manifest(tmp_path)
    assert caught.value.why
    assert caught.value.hint


def test_a_manifest_that_is_no_text_or_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="No such file"):
        folder.read_manifest(tmp_path)
    (tmp_path / "manifest.json").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(InputError, match="utf-8"):
        folder.read_manifest(tmp_path)
