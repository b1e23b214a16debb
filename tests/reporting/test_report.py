# SPDX-License-Identifier: Apache-2.0
"""report.html: one page that needs nothing else, holds every call and buffer, and shows hostile names as text."""

from __future__ import annotations

import json
import re
from functools import cache
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import eightbit
from eightbit.build import Build
from eightbit.planning import plan
from models import classifier, conv_relu, dense, model, node, one, samples, weights

VOID = {"meta", "br"}  # HTML elements without an end; in SVG a slash ends an element
HOSTILE = "</td><script>alert(1)</script>\"'&\x00\u202e{{ 7*7 }}"


class Page(HTMLParser):
    """Elements and text of a page; fails where an end does not fit its beginning."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.open: list[str] = []
        self.drawing: str | None = None
        self.drawn: list[tuple[str | None, str, dict[str, str | None]]] = []  # class of the drawing, element
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.text: list[str] = []
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        assert len(dict(attrs)) == len(attrs)
        self.drawing = dict(attrs).get("class") if tag == "svg" else self.drawing
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        self.drawn.append((self.drawing, tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] != "style":
            self.text.append(data)

    def rects(self, drawing: str) -> list[dict[str, str | None]]:
        return [attributes for svg, tag, attributes in self.drawn if (svg, tag) == (drawing, "rect")]

    def count(self, tag: str, **attributes: str) -> int:
        return sum(t == tag and attributes.items() <= a.items() for t, a in self.elements)


def html(build: Build) -> str:
    return str(build.files()["report.html"])


def small(**options: Any) -> Build:
    return eightbit.compile(conv_relu(), samples(2, 5, 5, count=20), **options)


@cache
def classified() -> Build:
    return eightbit.compile(classifier(), samples(2, 11, 11, count=20), name="classifier")


BUILDS = {"small": small, "classifier": classified, "in buffers of the caller": lambda: small(io="caller")}


def card(page: Page, name: str) -> tuple[str, str]:
    """Figure and remark of the summary."""
    said = [text for text in page.text if text.strip()]
    at = said.index(name)
    return said[at + 1], said[at + 2]


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
    boxes = page.rects("map")
    assert len(boxes) == len(owners) + bool(layout.scratch_bytes)
    for box in boxes:
        x, y, width, height = (float(str(box[key])) for key in ("x", "y", "width", "height"))
        assert 70 <= x < x + width <= 952.1
        assert 13.9 <= y < y + height <= 330.1


def test_boxes_are_to_scale() -> None:
    build = classified()
    area = [a for a in Page(html(build)).rects("map") if a["class"] == "conv"]
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


def test_a_page_of_a_calibration_is_that_of_its_samples(tmp_path: Path) -> None:
    build = small(name="net")
    build.write(tmp_path / "out")
    again = eightbit.compile(conv_relu(), tmp_path / "out" / "calibration.json", name="net")
    assert html(again) == html(build)


def test_a_page_of_a_calibration_without_histograms_says_so(tmp_path: Path) -> None:
    saved = small(name="net").write(tmp_path / "out") / "calibration.json"
    document = json.loads(saved.read_text())
    for key in ("histograms", "result"):
        document.pop(key)
    saved.write_text(json.dumps(document))
    build = eightbit.compile(conv_relu(), saved, name="net")
    page = Page(html(build))
    assert "made from a calibration.json of another version of eightbit" in " ".join(page.text)
    assert page.count("figure") == 0 < len(page.rects("levels"))
    assert build.report()["on_calibration_samples"] is None


def test_a_page_of_a_program_says_what_is_not_known(tmp_path: Path) -> None:
    small(name="net").write(tmp_path / "out")
    (tmp_path / "out" / "calibration.json").unlink()
    build = eightbit.compile(tmp_path / "out" / "program.txt")
    page = Page(html(build))
    said = " ".join(page.text)
    assert "not known" in said
    assert "built without samples" in said
    assert said.count("made from a program.txt, without samples") == 3
    assert page.count("span", **{"class": "track"}) == page.count("figure") == len(page.rects("levels")) == 0
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
    assert card(page, "SQNR at the result") == (f"{expected:.1f}", "dB, on calibration samples")
    assert build.calibration is not None
    assert build.calibration.fidelity["y"].sqnr_db == pytest.approx(expected, abs=0.006)  # decibels, to two places


def test_what_a_sum_costs_and_what_calibration_changed_is_said() -> None:
    said = " ".join(Page(html(classified())).text)
    assert "What sums of unequal scales cost" in said
    assert str(classified().rescales[0]) in said
    assert "Gains and roundings" in said


def labelled(count: int = 20, seed: int = 2) -> dict[str, Any]:
    return {"x": samples(2, 11, 11, count=count, seed=seed), "labels": np.arange(count) % 3}


def evaluated(build: eightbit.Build, x: object) -> dict[str, Any]:
    """The figures, without notes on the samples."""
    found = eightbit.evaluate(build, classifier(), x)
    return {name: figure for name, figure in found.items() if name != "notes"}


def test_what_calibration_samples_say_of_the_result_is_what_evaluate_says() -> None:
    for x in (labelled(), labelled()["x"]):
        build = eightbit.compile(classifier(), x)
        said = build.report()["on_calibration_samples"]
        expected = evaluated(build, x)
        assert said == {key: one if one is None else pytest.approx(one, rel=1e-5) for key, one in expected.items()}
        assert build.report()["on_test_samples"] is None


def test_the_first_128_calibration_samples_are_those_that_count() -> None:
    x = labelled(140)
    build = eightbit.compile(classifier(), x)
    first = {name: rows[:128] for name, rows in x.items()}
    assert build.report()["on_calibration_samples"] == pytest.approx(evaluated(build, first), rel=1e-5)


def test_the_summary_says_on_what_samples_the_accuracy_is_known() -> None:
    x, test = labelled(), labelled(50, seed=9)
    build = eightbit.compile(classifier(), x)
    on = build.report()["on_calibration_samples"]
    figure, remark = card(Page(html(build)), "accuracy, %")
    assert figure == f"{100 * on['accuracy_float']:.2f} / {100 * on['accuracy_fixed']:.2f}"
    assert remark.startswith("float / fixed, on 20 calibration samples, no test")
    _, remark = card(Page(html(eightbit.compile(classifier(), x["x"]))), "same class as float, %")
    assert remark == "of 20 calibration samples, no test"

    tested = eightbit.compile(classifier(), x, test=test)
    on = tested.report()["on_test_samples"]
    assert on == pytest.approx(evaluated(tested, test), rel=1e-5)
    page = Page(html(tested))
    figure, remark = card(page, "accuracy, %")
    assert figure == f"{100 * on['accuracy_float']:.2f} / {100 * on['accuracy_fixed']:.2f}"
    assert remark.startswith("float / fixed, on 50 test samples")
    assert card(page, "SQNR at the result")[0] == f"{on['sqnr_db']:.1f}"
    assert {k: v for k, v in tested.files().items() if not k.startswith("report.")} == {
        k: v for k, v in build.files().items() if not k.startswith("report.")
    }


def test_of_an_autoencoder_the_error_is_said_and_no_class() -> None:
    proto, x = one("Gemm", [1, 4], {"w": weights(4, 4)}), samples(4, count=20)
    build = eightbit.compile(proto, x)
    assert build.report()["on_calibration_samples"] is None
    assert card(Page(html(build)), "accuracy") == ("not known", "compile --test test.npz tells it")
    tested = eightbit.compile(proto, x, test=samples(4, count=30, seed=7))
    assert {"reconstruction_float", "reconstruction_fixed"} < set(tested.report()["on_test_samples"])
    assert (
        card(Page(html(tested)), "mean squared error")[1] == "float / fixed, of the reconstruction of 30 test samples"
    )


def test_every_layer_has_its_bar_and_its_histogram_and_the_worst_are_marked() -> None:
    build = classified()
    page = Page(html(build))
    assert page.count("figure") == len(page.rects("levels")) == 1 + len(build.selection.kernels)
    marked = sum(bar["class"] == "marked" for bar in page.rects("levels"))
    assert marked == page.count("figure", **{"class": "worst"}) == page.count("tr", **{"class": "worst"}) == 3


def test_the_page_of_a_hundred_layers_stays_small() -> None:
    nodes = [node("Gemm", f"h{i} w{i}", f"h{i + 1}") for i in range(100)]
    proto = model(nodes, {"h0": [1, 6]}, {"h100": [1, 6]}, {f"w{i}": weights(6, 6, seed=i) / 1.2 for i in range(100)})
    assert len(html(eightbit.compile(proto, samples(6, count=20)))) < 200_000


def test_every_key_of_the_figures_is_explained() -> None:
    text = (Path(__file__).resolve().parents[2] / "docs" / "report.md").read_text(encoding="utf-8")
    named = set(re.findall(r"`([a-z_]+)`", text))
    report = classified().report()
    assert set(report) <= named
    layers = [layer for layer in report["layers"] if "fidelity" in layer]
    assert {key for layer in report["layers"] for key in layer} - {"layer"} <= named
    assert set(layers[0]["fidelity"]) <= named
