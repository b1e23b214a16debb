# SPDX-License-Identifier: Apache-2.0
"""Write an output folder completely or not at all, and never over a file that eightbit did not write."""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
from collections.abc import Iterable, Mapping
from pathlib import Path, PurePosixPath
from typing import Any

from eightbit.errors import InputError, reason

MANIFEST = "manifest.json"
MAKE_ONE = ", or make it: eightbit compile model.onnx --calibration samples.npz -o FOLDER"


def write(out: Path, files: Mapping[str, str | bytes], about: Mapping[str, Any]) -> None:
    """Put `files` into `out`: built aside, then renamed file by file, the manifest last.

    Files of an earlier build that this one does not have are removed; the user's own files stay.
    """
    contents = {name: data.encode() if isinstance(data, str) else data for name, data in files.items()}
    hashes = {name: hashlib.sha256(data).hexdigest() for name, data in sorted(contents.items())}
    contents[MANIFEST] = (json.dumps({**about, "files": hashes}, indent=1, sort_keys=True) + "\n").encode()
    try:
        ours = _earlier_files(out)
        _refuse_foreign(out, set(contents) - ours)
        _replace(out, contents, ours)
    except OSError as error:
        raise InputError(
            "cannot write the output folder",
            where=str(out),
            why=reason(error),
            hint="check that the folder can be written and the disk has room",
        ) from error


def _earlier_files(out: Path) -> set[str]:
    """The files that an earlier build of eightbit wrote here."""
    try:
        return {name for name in (MANIFEST, *read_manifest(out)["files"]) if (out / name).is_file()}
    except InputError:
        return set()


def _refuse_foreign(out: Path, names: set[str]) -> None:
    in_the_way = [out] if os.path.lexists(out) and not out.is_dir() else []
    in_the_way += [out / name for name in sorted(names) if os.path.lexists(out / name)]
    if in_the_way:
        raise InputError(
            f"{in_the_way[0].name} is in the way",
            where=str(in_the_way[0]),
            why="eightbit did not write it and does not overwrite files of others",
            hint="choose another folder with -o, or move the file away",
        )


def _replace(out: Path, contents: Mapping[str, bytes], ours: set[str]) -> None:
    """Inside `out`, where it exists: its parent may be read-only or on another disk."""
    home = out if out.is_dir() else out.parent
    home.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".eightbit-", dir=home) as temporary:
        new, old = Path(temporary) / "new", Path(temporary) / "old"
        new.mkdir()
        for name, data in contents.items():
            (new / name).parent.mkdir(parents=True, exist_ok=True)
            (new / name).write_bytes(data)
        if home != out:
            new.rename(out)
            return
        old.mkdir()
        _swap(out, new, old, [*(ours - set(contents)), *contents])


def _swap(out: Path, new: Path, old: Path, names: list[str]) -> None:
    """Move `out`/name to `old`, then `new`/name to `out`; if that fails, `out` becomes what it was."""
    made = [name for name in names if (new / name).exists()]
    try:
        for name in names:
            if (out / name).exists():
                _move(out / name, old / name)
            if name in made:
                _move(new / name, out / name)
    except BaseException:
        for name in made:
            if not (new / name).exists():
                (out / name).unlink()
        for name in names:
            if (old / name).exists():
                _move(old / name, out / name)
        raise
    finally:
        _remove_empty(out, names)


def _move(source: Path, to: Path) -> None:
    to.parent.mkdir(parents=True, exist_ok=True)
    source.rename(to)


def _remove_empty(out: Path, names: list[str]) -> None:
    """The folders in `out` that held only files which are gone."""
    parents = {out / parent for name in names for parent in PurePosixPath(name).parents if parent.parts}
    for folder in sorted(parents, reverse=True):  # the inner ones first
        if folder.is_dir() and not any(folder.iterdir()):
            folder.rmdir()


def as_written(out: Path, names: Iterable[str]) -> bool:
    """Is `out` a build in which these files are what eightbit wrote, by the hashes of its manifest?"""
    try:
        hashes = read_manifest(out)["files"]
        return all(hashlib.sha256((out / name).read_bytes()).hexdigest() == hashes[name] for name in names)
    except (InputError, OSError, KeyError, TypeError):
        return False


def _inside(name: str) -> bool:
    """Is it a file within the folder?"""
    path = PurePosixPath(name)
    return bool(path.parts) and not path.is_absolute() and ".." not in path.parts


def read_manifest(out: Path) -> dict[str, Any]:
    """The manifest of a build folder."""
    try:
        document = json.loads((out / MANIFEST).read_text(encoding="utf-8"))
        ours = document["tool"] == "eightbit" and isinstance(document["options"], dict)
        ours = ours and isinstance(document.get("numerics", 0), int)
        if not ours or not all(map(_inside, document["files"])):
            raise ValueError("its manifest is not one of eightbit")
    except Exception as error:  # JSON that is no manifest fails in many ways
        raise InputError(
            "not a build of eightbit",
            where=str(out),
            why=reason(error),
            hint="give the folder that `eightbit compile -o` wrote" + ("" if out.exists() else MAKE_ONE),
        ) from error
    return dict(document)
