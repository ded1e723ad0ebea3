#!/bin/sh
# What `make` needs from the machine. `setup.sh venv` makes .venv; `setup.sh chromium` finds or installs a browser.
set -eu
cd "$(dirname "$0")/.."

say() { printf '%s\n' "$*" >&2; }

# Install Debian packages when this user may: as root, or by sudo without a password. Fails otherwise.
apt_install() {
    command -v apt-get >/dev/null 2>&1 || return 1
    if [ "$(id -u)" -eq 0 ]; then as=; elif sudo -n true 2>/dev/null; then as='sudo -n'; else return 1; fi
    say "Installing $* with apt-get."
    { $as env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$@" ||
        { $as apt-get update -qq &&
            $as env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$@"; }
    } >/dev/null 2>&1 </dev/null
}

# Print the first Python that runs and is new enough. A name on the path need not run (version managers).
find_python() {
    for python in ${PYTHON:-python3 python3.13 python3.12 python3.11 python3.14 python}; do
        if "$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1; then
            printf '%s\n' "$python"
            return
        fi
    done
    say "Python 3.11 or later is needed. Install it, or name it: make setup PYTHON=/path/to/python3.11"
    return 1
}

# Debian keeps ensurepip, which venv needs, in a package of its own.
need_ensurepip() {
    if "$1" -c 'import ensurepip, venv' >/dev/null 2>&1; then return; fi
    version=$("$1" -c 'import sys; print("%d.%d" % sys.version_info[:2])')
    apt_install "python$version-venv" || apt_install python3-venv || true
    if "$1" -c 'import ensurepip, venv' >/dev/null 2>&1; then return; fi
    say "This Python ($1) has no ensurepip, and it could not be installed from here."
    say "Run: sudo apt-get install python$version-venv"
    return 1
}

make_venv() {
    if ! .venv/bin/python -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1; then
        python=$(find_python)
        need_ensurepip "$python"
        say "Creating .venv with $("$python" --version)."
        "$python" -m venv --clear .venv
    fi
    say "Installing the locked requirements."
    .venv/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes --no-deps \
        -r requirements/uv.txt
    uv() { VIRTUAL_ENV="$PWD/.venv" .venv/bin/uv "$@"; }
    uv pip sync --quiet --require-hashes requirements/dev.txt
    uv pip install --quiet --no-deps --no-build-isolation --editable .
}

find_chromium() {
    [ -n "${TOCSIN_CHROMIUM:-}" ] && return
    for name in chromium chromium-browser google-chrome google-chrome-stable; do
        command -v "$name" >/dev/null 2>&1 && return
    done
    return 1
}

case "${1:-}" in
venv) make_venv ;;
chromium)
    find_chromium || apt_install chromium || say "No chromium, and it could not be installed: browser tests are skipped."
    ;;
*)
    say "usage: setup.sh venv | chromium"
    exit 2
    ;;
esac
