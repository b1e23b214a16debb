# SPDX-License-Identifier: Apache-2.0
"""Write an output folder completely or not at all, and never over a file that eightbit did not write."""

from __future__ import annotations

import hashlib
import json
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from eightbit.errors import InputError, reason

MANIFEST = "manifest.json"


def write(out: Path, files: Mapping[str, str | bytes], about: Mapping[str, Any]) -> None:
    """Put `files` into `out`: built aside, then renamed file by file, the manifest last.

    Files of an earlier build that this one does not have are removed; the user's own files stay.
    """
    contents = {name: data.encode() if isinstance(data, str) else data for name, data in files.items()}
    hashes = {name: hashlib.sha256(data).hexdigest() for name, data in sorted(contents.items())}
    contents[MANIFEST] = (json.dumps({**about, "files": hashes}, indent=1, sort_keys=True) + "\n").encode()
    ours = _earlier_files(out)
    foreign = [name for name in contents if name not in ours and (out / name).exists()]
    if foreign:
        raise InputError(
            f"{foreign[0]} is in the way",
            where=str(out),
            why="eightbit did not write it and does not overwrite files of others",
            hint="choose another folder with -o, or move the file away",
        )
    try:
        _replace(out, contents, ours)
    except OSError as error:
        raise InputError(
            "cannot write the output folder",
            where=str(out),
            why=reason(error),
            hint="check that the folder can be written and the disk has room",
        ) from error


def _replace(out: Path, contents: Mapping[str, bytes], ours: set[str]) -> None:
    out.parent.mkdir(parents=True, exist_ok=True)
    aside = Path(tempfile.mkdtemp(prefix=f".{out.name}-", dir=out.parent))
    try:
        for name, data in contents.items():
            (aside / name).write_bytes(data)
        out.mkdir(exist_ok=True)
        for name in [*(n for n in contents if n != MANIFEST), MANIFEST]:
            (aside / name).replace(out / name)
        for name in ours - set(contents):
            (out / name).unlink(missing_ok=True)
    finally:
        shutil.rmtree(aside, ignore_errors=True)


def _earlier_files(out: Path) -> set[str]:
    """The files that an earlier build of eightbit wrote here."""
    if out.exists() and not out.is_dir():
        raise InputError(
            "the output is not a folder",
            where=str(out),
            why="a file of that name exists",
            hint="choose another -o",
        )
    manifest = out / MANIFEST
    if not manifest.exists():
        return set()
    return {MANIFEST, *read_manifest(out)["files"]}


def read_manifest(out: Path) -> dict[str, Any]:
    """The manifest of a build folder."""
    try:
        document = json.loads((out / MANIFEST).read_text(encoding="utf-8"))
        names = document["files"]
        if document.get("tool") != "eightbit" or any("/" in name or name in (".", "..") for name in names):
            raise ValueError("it is not a manifest of eightbit")
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise InputError(
            "not a build of eightbit",
            where=str(out),
            why=reason(error),
            hint="give the folder that `eightbit compile -o` wrote",
        ) from error
    return dict(document)
