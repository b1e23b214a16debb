# SPDX-License-Identifier: Apache-2.0
"""Headless Chromium, started once for any number of pages and spoken to over a pipe (the DevTools protocol).

EIGHTBIT_CHROMIUM names another browser of its family. Where there is none, what needs one is left out, and listed,
unless EIGHTBIT_TARGETS=all forbids it.
"""

from __future__ import annotations

import base64
import json
import os
import select
import shutil
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

import emulators

VARIABLE = "EIGHTBIT_CHROMIUM"
NAMES = ("chromium", "google-chrome")
PATIENCE = 60.0  # seconds for one answer
# The pages are ours and hold no script, and a sandbox needs what a container may not give.
OPTIONS = "--headless --no-sandbox --disable-gpu --disable-dev-shm-usage --no-first-run --remote-debugging-pipe".split()
SPOKEN = ("Runtime.exceptionThrown", "Runtime.consoleAPICalled", "Log.entryAdded", "Network.requestWillBeSent")


def program() -> str:
    """The browser to start. One that is asked for and is not there is a failure."""
    asked = os.environ.get(VARIABLE)
    found = next(filter(None, map(shutil.which, [asked] if asked else NAMES)), None)
    if found is None:
        why = f"no {asked or ' or '.join(NAMES)}: install the Debian package chromium, or set {VARIABLE}"
        assert not asked, why
        assert os.environ.get(emulators.VARIABLE) != "all", why
        pytest.skip(f"report.html was not looked at: {why}")
    return found


class Browser:
    """One tab of a running browser."""

    def __init__(self, folder: Path) -> None:
        path, self.log = program(), folder / "log"
        theirs, write = os.pipe()
        self.read, others = os.pipe()
        actions = [(os.POSIX_SPAWN_DUP2, theirs, 3), (os.POSIX_SPAWN_DUP2, others, 4)]  # where Chromium looks for them
        output = (os.POSIX_SPAWN_OPEN, 2, str(self.log), os.O_WRONLY | os.O_CREAT, 0o600)
        arguments = [path, *OPTIONS, f"--user-data-dir={folder}"]
        self.process = os.posix_spawn(path, arguments, os.environ, file_actions=[*actions, output], setpgroup=0)
        os.close(theirs)
        os.close(others)
        self.write, self.number, self.rest, self.session = os.fdopen(write, "wb"), 0, b"", ""
        self.said: list[str] = []

    def open(self) -> None:
        """Open the tab."""
        target = self.ask("Target.createTarget", url="about:blank")["targetId"]
        self.session = self.ask("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Runtime", "Log", "Network", "Page"):
            self.ask(f"{domain}.enable")

    def ask(self, method: str, **params: Any) -> Any:
        """Send one command and wait for its answer."""
        self.number += 1
        message = {"id": self.number, "method": method, "params": params}
        text = json.dumps(message | ({"sessionId": self.session} if self.session else {}))
        self.write.write(text.encode() + b"\0")
        self.write.flush()
        while (answer := self._message()).get("id") != self.number:
            if answer.get("method") in SPOKEN:
                self.said.append(json.dumps(answer))
        assert "error" not in answer, answer
        return answer["result"]

    def _message(self) -> dict[str, Any]:
        while b"\0" not in self.rest:
            ready, _, _ = select.select([self.read], [], [], PATIENCE)
            part = os.read(self.read, 1 << 20) if ready else b""
            assert part, f"the browser says no more:\n{self.log.read_text(errors='replace')[-2000:]}"
            self.rest += part
        first, _, self.rest = self.rest.partition(b"\0")
        return dict(json.loads(first))

    def show(self, html: str, width: int, *, dark: bool = False) -> None:
        """Show a page in a window of this width; `said` holds what it then says and asks the network for."""
        self.ask("Emulation.setDeviceMetricsOverride", width=width, height=800, deviceScaleFactor=1, mobile=False)
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.ask("Emulation.setEmulatedMedia", features=[scheme])
        frame = self.ask("Page.getFrameTree")["frameTree"]["frame"]["id"]
        self.said.clear()
        self.ask("Page.setDocumentContent", frameId=frame, html=html)

    def run(self, script: str) -> Any:
        """The value of a JavaScript expression in the page."""
        result = self.ask("Runtime.evaluate", expression=script, awaitPromise=True, returnByValue=True)
        assert "exceptionDetails" not in result, result
        return result["result"].get("value")

    def screenshot(self) -> bytes:
        """The whole page as PNG."""
        size = self.ask("Page.getLayoutMetrics")["cssContentSize"]
        clip = {"x": 0, "y": 0, "width": size["width"], "height": size["height"], "scale": 1}
        return base64.b64decode(self.ask("Page.captureScreenshot", captureBeyondViewport=True, clip=clip)["data"])

    def close(self) -> None:
        """End the browser and its helpers."""
        os.killpg(self.process, signal.SIGKILL)
        os.waitpid(self.process, 0)
        self.write.close()
        os.close(self.read)


@contextmanager
def running(folder: Path) -> Iterator[Browser]:
    """A browser with a new profile in `folder`."""
    found = Browser(folder)
    try:
        found.open()
        yield found
    finally:
        found.close()
