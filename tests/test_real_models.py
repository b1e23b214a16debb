# SPDX-License-Identifier: Apache-2.0
"""The real networks, a small part of benchmarks/first_light.py: bits, memory and accuracy."""

from __future__ import annotations

import pytest

import eightbit
import real

SHORT = real.folder() is None


@pytest.fixture(scope="module", params=sorted(real.NETWORKS))
def network(request: pytest.FixtureRequest) -> real.Network:
    if SHORT:
        pytest.skip(f"{real.VARIABLE} is not set: {request.param} was left out")
    return real.NETWORKS[request.param]


@pytest.fixture(scope="module")
def build(network: real.Network) -> eightbit.Build:
    return eightbit.compile(real.path(network), real.calibration(network), name=network.name)


@pytest.mark.parametrize("cc", ["gcc", "clang"])
def test_the_c_of_a_real_network_has_the_simulators_bits(network: real.Network, build: eightbit.Build, cc: str) -> None:
    x = {network.input: real.samples(network, "eval", slice(8))[network.input]}
    assert build.verify(x, cc).ok


def test_activations_meet_the_lower_bound(network: real.Network, build: eightbit.Build) -> None:
    assert build.layout.optimal
    if network.name == "kws":
        assert build.layout.activation_bytes == 16_000


def test_fixed_point_keeps_the_accuracy(network: real.Network, build: eightbit.Build) -> None:
    result = eightbit.evaluate(build, real.path(network), real.samples(network, "eval"))
    assert result["accuracy_fixed"] >= result["accuracy_float"] - 0.005
    assert result["agreement"] >= 0.988
    assert result["sqnr_db"] >= 32.5


@pytest.mark.parametrize("name", ["digits_cnn", "digits_mlp"])
def test_both_exporters_give_the_same_constants(name: str) -> None:
    if SHORT:
        pytest.skip(f"{real.VARIABLE} is not set: the two exports of {name} were not compared")
    pair = [real.NETWORKS[name], real.NETWORKS[f"{name}_dynamo"]]
    builds = [eightbit.compile(real.path(network), real.calibration(network), name=name) for network in pair]
    first, second = (build.emission.files[f"{name}_weights.inc"] for build in builds)
    assert first == second
