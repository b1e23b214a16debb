# SPDX-License-Identifier: Apache-2.0
"""report.html in headless Chromium, narrow and wide: nothing is blank, cut off, or wider than the window."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path

import pytest

import browser
import eightbit
import emulators
import real
from browser import Browser
from models import classifier, samples

SECTIONS = [
    "Inputs and outputs",
    "Memory over time",
    "Signal to noise by layer",
    "Layers",
    "Values on the s8 range",
    "What to do about the worst layers",
]

# Headings with the height of what follows and whether it says anything; what is wider than its place; what leaves its
# drawing. Tables and drawings in .wide scroll by themselves.
LOOK = """(() => {
  const sections = [...document.querySelectorAll('h2')].map(h => {
    let height = 0, text = '';
    for (let e = h.nextElementSibling; e && e.tagName != 'H2'; e = e.nextElementSibling) {
      height += e.getBoundingClientRect().height; text += e.textContent.trim(); }
    return [h.textContent, height, text.length]; });
  const root = document.documentElement;
  const places = [...document.querySelectorAll('body, .cards div, figure')];
  const wide = places.filter(e => e.scrollWidth > e.clientWidth + 1);
  const out = [...document.querySelectorAll('svg')].flatMap(svg => {
    const box = svg.getBoundingClientRect();
    return [...svg.querySelectorAll('rect, path, text, line')].filter(e => {
      const b = e.getBoundingClientRect();
      return !(b.left >= box.left - 1 && b.right <= box.right + 1 && b.top >= box.top - 1 && b.bottom <= box.bottom + 1)
    }).map(e => e.outerHTML.slice(0, 99)); });
  return {sections, scroll: root.scrollWidth - root.clientWidth, wide: wide.map(e => e.outerHTML.slice(0, 99)), out};
})()"""

# The share of the most frequent colour and the number of colours: of the picture, and in it of every drawing.
COLOURS = """(async png => {
  const boxes = [...document.querySelectorAll('svg')].map(e => e.getBoundingClientRect())
    .map(b => [b.left + scrollX, b.top + scrollY, Math.min(b.width, innerWidth - b.left), b.height]);
  const image = new Image(); image.src = 'data:image/png;base64,' + png; await image.decode();
  const canvas = Object.assign(document.createElement('canvas'), {width: image.width, height: image.height});
  const context = canvas.getContext('2d'); context.drawImage(image, 0, 0);
  return [[0, 0, image.width, image.height], ...boxes].map(box => {
    const counts = new Map();
    for (const p of new Uint32Array(context.getImageData(...box.map(Math.round)).data.buffer))
      counts.set(p, (counts.get(p) || 0) + 1);
    const all = [...counts.values()];
    return [Math.max(...all) / all.reduce((a, b) => a + b), all.length]; });
})(%s)"""


def faults(chromium: Browser, html: str, width: int, *, dark: bool = False, keep: Path | None = None) -> list[str]:
    """What is wrong with a page in a window of this width."""
    chromium.show(html, width, dark=dark)
    seen, picture = chromium.run(LOOK), chromium.screenshot()
    if keep is not None:
        keep.write_bytes(picture)
    found = [f"the page says {said}" for said in chromium.said]
    if [title for title, _, _ in seen["sections"]][: len(SECTIONS)] != SECTIONS:
        found.append(f"the sections are {seen['sections']}")
    found += [f"section {title} is empty" for title, height, size in seen["sections"] if height < 20 or size < 5]
    if seen["scroll"] > 0:
        found.append(f"the page is {seen['scroll']} px wider than the window")
    found += [f"too wide: {element}" for element in seen["wide"]]
    found += [f"outside of its drawing: {element}" for element in seen["out"]]
    whole, *drawings = chromium.run(COLOURS % json.dumps(base64.b64encode(picture).decode()))
    if whole[0] > 0.97 or whole[1] < 50:
        found.append(f"the page has {whole[1]} colours, one of them on {whole[0]:.1%}")
    blank = [number for number, (share, colours) in enumerate(drawings) if share > 0.985 or colours < 3]
    return found + [f"drawing {number} is blank: {drawings[number]}" for number in blank]


@pytest.fixture(scope="module")
def chromium(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    with browser.running(tmp_path_factory.mktemp("chromium")) as found:
        yield found


@cache
def small() -> str:
    build = eightbit.compile(classifier(), samples(2, 11, 11, count=20), name="classifier")
    return str(build.files()["report.html"])


def kws() -> str:
    if real.folder() is None:
        pytest.skip(f"{real.VARIABLE} is not set: the page of kws was not looked at")
    network = real.NETWORKS["kws"]
    build = eightbit.compile(real.path(network), real.samples(network, "calib", slice(100)), name="kws")
    return str(build.files()["report.html"])


@pytest.mark.parametrize("page", [small, kws])
def test_the_page_is_whole_narrow_and_wide_in_light_and_in_dark(
    chromium: Browser, page: Callable[[], str], tmp_path: Path
) -> None:
    html = page()
    wrong = {
        f"{width} px, {'dark' if dark else 'light'}": found
        for width in (400, 1200)
        for dark in (False, True)
        if (found := faults(chromium, html, width, dark=dark, keep=tmp_path / f"{width}-{dark:d}.png"))
    }
    assert not wrong, f"see {tmp_path}"


DAMAGES = {
    "is blank": ("<svg", '<svg style="visibility: hidden"'),
    "colours, one of them on": ("<body>", '<body style="opacity: 0">'),
    "wider than the window": ("<h1>", '<h1 style="width: 1300px">'),
    "section Layers is empty": (r"(?s)(<h2>Layers</h2>).*?<h2>", r"\1<h2>"),
    "the sections are": ("<h2>Layers</h2>", ""),
    "outside of its drawing": (r'(<text class="axis") x="38"', r'\1 x="-40"'),
    "the page says": ("</body>", "<script>console.error(1)</script></body>"),
    "ReferenceError": ("</body>", "<script>missing()</script></body>"),
    "example.invalid": ("</body>", '<img src="https://example.invalid/x.png" alt=""></body>'),
}


@pytest.mark.parametrize("fault", DAMAGES)
def test_a_damaged_page_is_found_out(chromium: Browser, fault: str) -> None:
    damaged = re.sub(*DAMAGES[fault], small())
    assert damaged != small()
    assert any(fault in found for found in faults(chromium, damaged, 1200))


def test_no_browser_is_a_failure_where_nothing_may_be_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(browser.VARIABLE, raising=False)
    monkeypatch.setenv(emulators.VARIABLE, "all")
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(AssertionError, match="install the Debian package chromium"):
        browser.program()
    monkeypatch.delenv(emulators.VARIABLE)
    with pytest.raises(pytest.skip.Exception, match="was not looked at"):
        browser.program()
    monkeypatch.setenv(browser.VARIABLE, "/nowhere/chrome")
    with pytest.raises(AssertionError, match="no /nowhere/chrome"):
        browser.program()
