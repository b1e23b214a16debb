# SPDX-License-Identifier: Apache-2.0
"""report.html: one page that needs nothing else, holds every call and buffer, and shows hostile names as text."""

from __future__ import annotations

import re
from functools import cache
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import eightbit
from eightbit import plan
from eightbit.build import Build
from models import conv_relu, dense, model, node, samples, weights

VOID = {"meta", "br"}  # HTML elements without an end; in SVG a slash ends an element
HOSTILE = "</td><script>alert(1)</script>\"'&\x00\u202e{{ 7*7 }}"


class Page(HTMLParser):
    """Elements and text of a page; fails where an end does not fit its beginning."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.open: list[str] = []
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.text: list[str] = []
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        assert len(dict(attrs)) == len(attrs)
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] != "style":
            self.text.append(data)

    def count(self, tag: str, **attributes: str) -> int:
        return sum(t == tag and attributes.items() <= a.items() for t, a in self.elements)


def html(build: Build) -> str:
    return str(build.files()["report.html"])


def small(**options: Any) -> Build:
    return eightbit.compile(conv_relu(), samples(2, 5, 5, count=20), **options)


@cache
def classifier() -> Build:
    nodes = [
        node("Conv", "x w b", "c", pads=[1, 1, 1, 1]),
        node("Relu", "c", "r"),
        node("Conv", "r v", "d", pads=[1, 1, 1, 1]),
        node("Add", "r d", "s"),
        node("GlobalAveragePool", "s", "g"),
        node("Flatten", "g", "f"),
        node("Softmax", "f", "y"),
    ]
    consts = {"w": weights(3, 2, 3, 3), "b": weights(3), "v": weights(3, 3, 3, 3)}
    proto = model(nodes, {"x": [1, 2, 11, 11]}, {"y": [1, 3]}, consts)
    return eightbit.compile(proto, samples(2, 11, 11, count=20), name="classifier")


BUILDS = {"small": small, "classifier": classifier, "in buffers of the caller": lambda: small(io="caller")}


@pytest.mark.parametrize("name", BUILDS)
def test_the_page_is_well_formed_and_has_every_call(name: str) -> None:
    build = BUILDS[name]()
    page = Page(html(build))
    said = "\n".join(page.text)
    assert all(call in page.text for call in build.selection.kernels)
    assert all(kernel.symbol in said for kernel in build.selection.kernels.values())
    assert f"{build.report()['macs']:,}" in page.text
    assert f"{build.report()['context_bytes'] + build.report()['io_bytes']:,}" in page.text
    assert f"{build.report()['weight_bytes']:,}" in page.text


@pytest.mark.parametrize("name", BUILDS)
def test_the_page_needs_nothing_else(name: str) -> None:
    text = html(BUILDS[name]())
    page = Page(text)
    assert not {tag for tag, _ in page.elements} & {"script", "link", "img", "iframe", "object", "image", "use"}
    assert not {key for _, attributes in page.elements for key in attributes} & {"src", "href", "xlink:href", "srcset"}
    assert not re.search(r"://|url\(|@import|\bon\w+=", text)


@pytest.mark.parametrize("name", BUILDS)
def test_there_is_one_box_for_each_buffer_of_the_arena_and_it_lies_in_the_drawing(name: str) -> None:
    build = BUILDS[name]()
    page, layout = Page(html(build)), build.layout
    owners = {home for home in plan.roots(build.program).values() if layout.buffer(home) is None}
    boxes = [attributes for tag, attributes in page.elements if tag == "rect"]
    assert len(boxes) == len(owners) + bool(layout.scratch_bytes)
    for box in boxes:
        x, y, width, height = (float(str(box[key])) for key in ("x", "y", "width", "height"))
        assert 70 <= x < x + width <= 952.1
        assert 13.9 <= y < y + height <= 330.1


def test_boxes_are_to_scale() -> None:
    build = classifier()
    area = [a for tag, a in Page(html(build)).elements if tag == "rect" and a["class"] == "conv"]
    (first, second) = (build.layout.places[call.output] for call in build.program.calls if call.op == "conv")
    heights = [float(str(box["height"])) for box in area]
    assert heights == pytest.approx([p.size * 316 / build.layout.arena_bytes for p in (first, second)], abs=0.06)
    column = (960 - 70 - 8) / (len(build.selection.kernels) + 2)
    widths = [float(str(box["width"])) for box in area]
    assert widths == pytest.approx([column * (p.last - p.first + 1) for p in (first, second)], abs=0.06)


def test_the_same_build_gives_the_same_page_without_dates_and_paths(tmp_path: Path) -> None:
    first, second = html(small(name="net")), html(small(name="net"))
    assert first == second
    assert str(tmp_path.anchor) + "tmp" not in first
    assert not re.search(r"\b20\d\d-\d\d", first)
    small(name="net").write(tmp_path / "out")
    again = eightbit.compile(conv_relu(), tmp_path / "out" / "calibration.json", name="net")
    assert html(again) == first


def test_a_page_of_a_program_says_what_is_not_known(tmp_path: Path) -> None:
    small(name="net").write(tmp_path / "out")
    (tmp_path / "out" / "calibration.json").unlink()
    build = eightbit.compile(tmp_path / "out" / "program.txt")
    page = Page(html(build))
    said = " ".join(page.text)
    assert "not known" in said
    assert "built without samples" in said
    assert "made without samples" in said
    assert page.count("span", **{"class": "track"}) == 0
    assert set(build.selection.kernels) <= set(page.text)


def test_names_of_models_are_text() -> None:
    proto = dense()
    for item in proto.graph.node:
        item.name = f"{HOSTILE}{item.op_type}"
    for names in (proto.graph.node[0].input, proto.graph.node[1].output):
        names[:] = [HOSTILE if value in ("x", "y") else value for value in names]
    proto.graph.node[1].output[0] = HOSTILE + "out"
    proto.graph.input[0].name, proto.graph.output[0].name = HOSTILE, HOSTILE + "out"
    text = html(eightbit.compile(proto, {HOSTILE: samples(4)}, name=HOSTILE))
    page = Page(text)
    assert "<script" not in text
    assert not set(text) & {"\x00", "\u202e"}
    assert any("<script>alert(1)</script>\"'&\\x00\\u202e{{ 7*7 }}" in line for line in page.text)


def test_the_sqnr_at_the_result_is_that_of_evaluate() -> None:
    x = samples(2, 5, 5, count=20)
    build = eightbit.compile(conv_relu(), x)
    expected = eightbit.evaluate(build, conv_relu(), x)["sqnr_db"]
    page = Page(html(build))
    assert f"{expected:.1f}" in page.text[page.text.index("SQNR at the result") :][:8]
    assert np.isclose(build.calibration.fidelity["y"].sqnr_db, expected, atol=0.006)  # type: ignore[union-attr, arg-type]


def test_what_a_sum_costs_and_what_calibration_changed_is_said() -> None:
    said = " ".join(Page(html(classifier())).text)
    assert "What sums of unequal scales cost" in said
    assert str(classifier().rescales[0]) in said
    assert "Gains and roundings" in said
