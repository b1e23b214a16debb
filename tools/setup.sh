#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Prepare a checkout for `make demo`, `make test` or `make check`: Debian packages where missing, then .venv.
# `toolchains`: the compilers and emulators of all targets that CI runs, and no .venv.
# Usage: tools/setup.sh demo|test|check|toolchains. Exit status 2 when something is missing that it may not install.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
goal=${1:-}
missing=() # Debian packages

say() { printf 'setup: %s\n' "$*" >&2; }

# fail WHAT WHY HINT
fail() {
    printf 'setup: error: %s\n  where: %s\n  why:   %s\n  hint:  %s\n' "$1" "$PWD" "$2" "$3" >&2
    exit 2
}

has() { command -v "$1" >/dev/null 2>&1; }

# builds COMPILER HEADER FLAG...: does it compile and link a program that includes the header?
builds() {
    has "$1" || return 1
    local dir status=0
    dir=$(mktemp -d)
    printf '#include <%s>\nint main(void) { return 0; }\n' "$2" >"$dir/probe.c"
    "$1" "${@:3}" "$dir/probe.c" -o "$dir/probe" >/dev/null 2>&1 || status=1
    rm -rf "$dir"
    return $status
}

# Finds a Python 3.11 or newer, sets $python and $version.
find_python() {
    local candidate
    for candidate in ${PYTHON:-} python3 python3.14 python3.13 python3.12 python3.11; do
        "$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || continue
        python=$(command -v "$candidate")
        version=$("$python" -c 'import sys; print("%d.%d" % sys.version_info[:2])')
        return
    done
    fail "no Python 3.11 or newer" "none of python3, python3.11 to python3.14 on PATH is one" \
        "install one, or name it: PYTHON=/path/to/python3.12 make $goal"
}

need_python() {
    "$python" -c 'import ensurepip' 2>/dev/null || missing+=("python$version-venv")
}

need_host_compiler() {
    builds gcc string.h || missing+=(gcc libc6-dev)
    has size || missing+=(binutils)
}

need_test_compilers() {
    has g++ || missing+=(g++)
    builds clang string.h || missing+=(clang)
    builds avr-gcc avr/io.h -mmcu=atmega2560 || missing+=(gcc-avr avr-libc)
    builds gcc simavr/sim_avr.h -lsimavr || missing+=(libsimavr-dev)
    has simavr || missing+=(simavr) # the program, of a package of its own
}

# For the test that looks at report.html. Ubuntu has no Chromium for apt: there that test is left out, and listed.
need_browser() {
    if [ -n "${EIGHTBIT_CHROMIUM:-}" ]; then
        has "$EIGHTBIT_CHROMIUM" || fail "no browser '$EIGHTBIT_CHROMIUM'" "EIGHTBIT_CHROMIUM names it" "name another, or none"
    elif ! has chromium && ! has google-chrome; then
        if grep -qx ID=ubuntu /etc/os-release; then
            say "Ubuntu has no Chromium for apt: report.html will not be looked at in a browser (EIGHTBIT_CHROMIUM names one)"
        else
            missing+=(chromium)
        fi
    fi
}

# What targets/*.toml name; said in full, since it is large.
need_toolchains() {
    has dpkg-query || fail "cannot tell which packages are there" "there is no dpkg-query: this is no Debian or Ubuntu" \
        "install by hand what targets/*.toml name under packages"
    local package wanted
    wanted=$("$python" tools/packages.py)
    for package in $wanted; do
        [ "$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null)" = installed ] || missing+=("$package")
    done
    say "the emulated targets need ${wanted//$'\n'/ }"
    [ ${#missing[@]} -gt 0 ] || say "all of them are there"
}

# The package carries clang's major version in its name, so clang has to be there first.
need_sanitizers() {
    builds clang string.h -fsanitize=address,undefined ||
        missing+=("libclang-rt-$(clang -dumpversion | cut -d. -f1)-dev")
}

# Installs $missing by apt-get, where there is one and it may be used: as root, or by sudo without a password.
install_missing() {
    [ ${#missing[@]} -gt 0 ] || return 0
    local what="missing Debian packages: ${missing[*]}" sudo=()
    local by_hand="sudo apt-get update && sudo apt-get install --no-install-recommends ${missing[*]}"
    local hint="run this, then make $goal again: $by_hand"
    has apt-get || fail "$what" "make $goal needs them; there is no apt-get here" "install the same tools by hand"
    [ "${EIGHTBIT_APT:-}" != no ] || fail "$what" "make $goal needs them; EIGHTBIT_APT=no" "$hint"
    if [ "$(id -u)" != 0 ]; then
        sudo -n true 2>/dev/null ||
            fail "$what" "make $goal needs them; not root, and no sudo without a password" "$hint"
        sudo=(sudo -n)
    fi
    say "apt-get install ${missing[*]}"
    # A list that cannot be refreshed is no error as long as the packages can be had.
    "${sudo[@]}" apt-get -qq update || say "apt-get update failed; going on with the lists there are"
    "${sudo[@]}" env DEBIAN_FRONTEND=noninteractive \
        apt-get -qq -o DPkg::Lock::Timeout=300 -o Dpkg::Use-Pty=0 \
        install -y --no-install-recommends "${missing[@]}" >/dev/null ||
        fail "apt-get could not install ${missing[*]}" "its message is above" "$hint"
    say "installed ${#missing[@]} packages"
    missing=()
}

# python_packages REQUIREMENT: into .venv, which is made where there is none or a broken one
python_packages() {
    if ! .venv/bin/python -m pip --version >/dev/null 2>&1; then
        say "making .venv with Python $version ($python)"
        "$python" -m venv --clear .venv
    fi
    say "installing $1 and what it needs into .venv (the first time takes about a minute)"
    .venv/bin/python -m pip install --quiet --disable-pip-version-check --editable "$1" ||
        fail "pip could not install $1" "its message is above" "check the network and run make $goal again"
}

case $goal in
demo | test | check | toolchains) find_python ;;
*) fail "no set of tools named '$goal'" "there are four" "tools/setup.sh demo|test|check|toolchains" ;;
esac
if [ "$goal" = toolchains ]; then
    need_toolchains
    install_missing
    exit
fi
need_python
[ "$goal" = check ] || need_host_compiler
[ "$goal" != test ] || need_test_compilers
[ "$goal" != test ] || need_browser
install_missing
[ "$goal" != test ] || need_sanitizers
install_missing
if [ "$goal" = demo ]; then
    python_packages .
else
    python_packages '.[dev]'
fi
