#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Build the wheel and the sdist, install each into an empty environment outside the checkout, and compile and verify a
# network there: kws where EIGHTBIT_MODELS names the real networks, else the example.
# Usage: tools/try_install.sh [PYTHON...]: interpreters to try the wheel with, by default python3. The sdist has the first.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
root=$PWD
pythons=("${@:-python3}")
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# environment NAME PYTHON FILE: an empty environment with the package in it
environment() {
    "$2" -m venv "$work/$1"
    "$work/$1/bin/python" -m pip install --quiet --disable-pip-version-check "$3"
}

# try NAME: compile and verify with what is installed there, and nothing of the checkout
try() {
    local eightbit="$work/$1/bin/eightbit" out="$work/$1/out"
    cd "$work/$1"
    env -u PYTHONPATH "$eightbit" --version
    env -u PYTHONPATH "$eightbit" compile "$model" --calibration "$calibration" -o "$out" >/dev/null
    env -u PYTHONPATH "$eightbit" verify "$out" --json
    cd "$root"
}

"${pythons[0]}" -m venv "$work/build"
"$work/build/bin/python" -m pip install --quiet --disable-pip-version-check hatchling
"$work/build/bin/python" -m hatchling build -d "$work/dist" >/dev/null

model=$root/examples/digits/digits.onnx
calibration=$root/examples/digits/calibration.npz
if [ -n "${EIGHTBIT_MODELS:-}" ]; then
    model=$EIGHTBIT_MODELS/mlperf_tiny/kws/kws_float_from_keras.onnx
    calibration=$work/kws.npz
fi

number=0
for python in "${pythons[@]}"; do
    number=$((number + 1))
    environment "wheel$number" "$python" "$work"/dist/eightbit-*.whl
    if [ ! -f "$calibration" ]; then
        "$work/wheel$number/bin/python" "$EIGHTBIT_MODELS/samples.py" kws calib --count 100 --out "$calibration"
    fi
    echo "try_install: wheel, $("$python" --version)"
    try "wheel$number"
done
environment sdist "${pythons[0]}" "$work"/dist/eightbit-*.tar.gz
echo "try_install: sdist, $("${pythons[0]}" --version)"
try sdist
cmp "$work/wheel1/out/manifest.json" "$work/sdist/out/manifest.json"
echo "try_install: wheel and sdist give the same files"
