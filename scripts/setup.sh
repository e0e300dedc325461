#!/bin/sh
# Makes .venv ready to run Coverslip: the system libraries that Qt needs, then the Python packages
# in the versions that constraints.txt pins. Quick when there is nothing to do.
#
#     scripts/setup.sh EXTRAS      EXTRAS as in pyproject.toml, such as "dev" or "dev,bench"
set -eu
cd -P "$(dirname "$0")/.."
extras=${1:-dev}
venv_python=.venv/bin/python
seldom_imported='/(tests?|transformers/models|ray/(rllib|tune|train|serve|dashboard))/'

say() { printf '%s\n' "$*" >&2; }

# Debian compiles its Python with optimizations, and pyenv by itself does not: all tests take a tenth
# less CPU time. So the system's comes before others on the path, where it is new enough and makes
# environments without a further package.
find_python() {
    usual=/usr/bin/python3
    is_usable='import ensurepip, sys, venv; sys.exit(sys.version_info < (3, 11))'
    if [ -z "${PYTHON:-}" ] && "$usual" -c "$is_usable" 2>/dev/null; then
        echo "$usual"
        return
    fi
    for candidate in ${PYTHON:-python3 python3.14 python3.13 python3.12 python3.11}; do
        if "$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
            echo "$candidate"
            return
        fi
    done
}

# Each line: a library that Qt or one of its window-system plugins links, and Debian's package of it.
qt_libraries() {
    cat <<'LIBRARIES'
libEGL.so.1 libegl1
libGL.so.1 libgl1
libX11.so.6 libx11-6
libX11-xcb.so.1 libx11-xcb1
libbrotlidec.so.1 libbrotli1
libdbus-1.so.3 libdbus-1-3
libfontconfig.so.1 libfontconfig1
libfreetype.so.6 libfreetype6
libglib-2.0.so.0 libglib2.0-0
libgssapi_krb5.so.2 libgssapi-krb5-2
libwayland-client.so.0 libwayland-client0
libwayland-cursor.so.0 libwayland-cursor0
libwayland-egl.so.1 libwayland-egl1
libxcb-cursor.so.0 libxcb-cursor0
libxcb-glx.so.0 libxcb-glx0
libxcb-icccm.so.4 libxcb-icccm4
libxcb-image.so.0 libxcb-image0
libxcb-keysyms.so.1 libxcb-keysyms1
libxcb-randr.so.0 libxcb-randr0
libxcb-render-util.so.0 libxcb-render-util0
libxcb-render.so.0 libxcb-render0
libxcb-shape.so.0 libxcb-shape0
libxcb-shm.so.0 libxcb-shm0
libxcb-sync.so.1 libxcb-sync1
libxcb-util.so.1 libxcb-util1
libxcb-xfixes.so.0 libxcb-xfixes0
libxcb-xkb.so.1 libxcb-xkb1
libxcb.so.1 libxcb1
libxkbcommon-x11.so.0 libxkbcommon-x11-0
libxkbcommon.so.0 libxkbcommon0
LIBRARIES
}

# The Debian packages that are missing, in one line.
missing_packages() {
    present=" $(PATH="$PATH:/sbin:/usr/sbin" ldconfig -p | awk '{ print $1 }' | tr '\n' ' ') "
    qt_libraries | while read -r library package; do
        case $present in *" $library "*) ;; *) printf '%s ' "$package" ;; esac
    done
    # Without any font Qt draws no text.
    ls /usr/share/fonts/truetype/*/*.ttf >/dev/null 2>&1 || printf 'fonts-dejavu-core '
    python=$(find_python)
    if [ -z "$python" ]; then
        printf 'python3 python3-venv '
    elif ! "$python" -c 'import ensurepip, venv' 2>/dev/null; then
        # Debian cuts these out of each of its Pythons into a package of their own.
        printf '%s-venv ' "$("$python" -c 'import sys; print("python3.%d" % sys.version_info[1])')"
    fi
}

install_system_packages() {
    command -v apt-get >/dev/null && command -v dpkg >/dev/null || return 0
    packages=$(missing_packages)
    [ -n "$packages" ] || return 0
    if [ "$(id -u)" = 0 ]; then
        as_root=
    elif command -v sudo >/dev/null && sudo -n true 2>/dev/null; then
        as_root=sudo
    else
        say "Coverslip needs system packages that are not here. Install them, then try again:"
        say "    sudo apt-get update && sudo apt-get install -y --no-install-recommends $packages"
        exit 1
    fi
    say "Installing system packages: $packages"
    log=$(mktemp)
    # shellcheck disable=SC2086  # one word a package
    if ! { $as_root apt-get -qq update &&
        $as_root env DEBIAN_FRONTEND=noninteractive \
            apt-get -qq install -y --no-install-recommends $packages; } >"$log" 2>&1; then
        cat "$log" >&2
        rm -f "$log"
        say "The system packages could not be installed: the reason is in the lines above."
        exit 1
    fi
    rm -f "$log"
}

# A screen for the tests that start the window on one; they are skipped where it is absent.
install_test_screen() {
    command -v Xvfb >/dev/null || ! command -v apt-get >/dev/null || [ "$(id -u)" != 0 ] ||
        { apt-get -qq update && DEBIAN_FRONTEND=noninteractive \
            apt-get -qq install -y --no-install-recommends xvfb; } >/dev/null 2>&1 ||
        say "Without Xvfb the tests of the window on a screen are skipped."
}

make_venv() {
    python=$(find_python)
    if [ -z "$python" ]; then
        say "Coverslip needs Python 3.11 or newer, and found none. Install one, or name it:" \
            "PYTHON=/path/to/python3 make run"
        exit 1
    fi
    rm -rf .venv
    "$python" -m venv .venv
}

install_python_packages() {
    $venv_python -m pip install -q --disable-pip-version-check -c constraints.txt setuptools &&
        $venv_python -m pip install -q --disable-pip-version-check -c constraints.txt \
            --no-compile --no-build-isolation -e ".[$extras]" &&
        # pip compiles on one core; a package may hold files that are not for this Python. What
        # packages test themselves with is never imported, and of a few large ones a small part.
        { $venv_python -m compileall -q -j 0 -x "$seldom_imported" .venv/lib >/dev/null 2>&1 ||
            true; }
}

packages_work() {
    $venv_python -c 'import numpy, imagecodecs, openslide, PySide6.QtWidgets, viewer' 2>/dev/null
}

# What the environment was made from: other content, another place or another Python is another stamp.
stamp_of_now() {
    { pwd && cat pyproject.toml setup.py constraints.txt scripts/setup.sh viewer/__init__.py; } | cksum
}

install_system_packages

stamp=.venv/ready-for-$extras
now=$(stamp_of_now)
if [ -x $venv_python ] && [ "$(cat "$stamp" 2>/dev/null)" = "$now" ]; then
    exit 0
fi

say "Setting up .venv (a few minutes the first time)"
# A half-made or moved environment has no pip that starts this very .venv/bin/python.
grep -qsF "$PWD/.venv/bin/python" .venv/bin/pip && $venv_python -c '' 2>/dev/null || make_venv
install_python_packages && packages_work || {
    say "Making .venv anew"
    make_venv
    install_python_packages
}
case $extras in *dev*) install_test_screen ;; esac
echo "$now" >"$stamp"
