#!/usr/bin/env bash
# Make .venv and install what a lock file names, and the project itself, into it:  .ci/venv.sh requirements.lock
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
. .ci/lib.sh
lock=$1

find_python() {
    local candidate version
    for candidate in python3.11 python3.12 python3.13 python3.14 python3 python; do
        command -v "$candidate" >/dev/null || continue
        if "$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
            command -v "$candidate"
            return
        fi
    done
    version=$(python3 --version 2>/dev/null || echo "no Python at all")
    say "The dialer needs Python 3.11 or later, and this machine has $version."
    say "On Debian 12 or Ubuntu 24.04 and later:  apt-get install python3 python3-venv"
    return 1
}

make_venv() {
    local python version reason
    python=$(find_python)
    version=$("$python" -c 'import sys; print("%d.%d" % sys.version_info[:2])')
    if ! "$python" -c 'import ensurepip, venv' 2>/dev/null; then
        reason=$(why_no_apt)
        if [ -n "$reason" ]; then
            say "Python $version here cannot make virtual environments, and its package cannot be installed: $reason."
            say "Install it (on Debian and Ubuntu:  apt-get install python$version-venv) and try again."
            return 1
        fi
        say "Installing python$version-venv ..."
        apt_install "python$version-venv"
    fi
    say "Making .venv with Python $version ..."
    rm -rf .venv
    "$python" -m venv .venv
}

if ! .venv/bin/python -c 'import pip' 2>/dev/null; then
    make_venv
fi
say "Installing what $lock names (a few minutes the first time) ..."
pip=(.venv/bin/python -m pip --disable-pip-version-check install --quiet)
"${pip[@]}" --require-hashes -r requirements-build.lock -r "$lock"
"${pip[@]}" --no-deps --no-build-isolation -e .
