# SPDX-License-Identifier: Apache-2.0
"""The C of a build as a folder that a build system takes as it is: CMake, or the Arduino IDE and PlatformIO."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from eightbit.emission.emit import Emission, render
from eightbit.options import Options


def arranged(emission: Emission, context: Mapping[str, Any], options: Options) -> dict[str, str]:
    """All files by their path in the folder. `context` is that of the C."""
    readme = {"README.md": render("README.md.j2", {**context, "arduino": options.package == "arduino"})}
    if options.package == "cmake":
        return {**emission.files, **readme, "CMakeLists.txt": render("CMakeLists.txt.j2", context)}
    name, code = emission.name, options.sources(Path())
    return {
        **{str(code / file): text for file, text in emission.files.items()},
        **readme,
        "library.properties": render("library.properties.j2", context),
        "library.json": render("library.json.j2", context),
        f"examples/{name}_once/{name}_once.ino": render("sketch.ino.j2", context),
    }
