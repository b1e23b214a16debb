# SPDX-License-Identifier: Apache-2.0
"""Which files of a build a saved calibration or program does not bring back: they hold what only samples tell."""

from __future__ import annotations

from eightbit import Build

TOLD = {"report.json", "report.html", "manifest.json"}


def lasting(build: Build) -> dict[str, str | bytes]:
    """The files that a saved calibration gives again, byte for byte."""
    return {name: text for name, text in build.files().items() if name not in TOLD}
