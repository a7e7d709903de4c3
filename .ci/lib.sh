# Shared by the set-up scripts. Sourced, never run.

say() { printf '%s\n' "$*" >&2; }

in_ci() { [ "${CI:-}" = true ]; }

# Run a command as root; fails when this user cannot become root without a password.
as_root() {
    if [ "$(id -u)" = 0 ]; then
        "$@"
    else
        sudo -n "$@"
    fi
}

# Why nothing can be installed here ("" if it can).
why_no_apt() {
    if ! command -v apt-get >/dev/null; then
        echo "there is no apt-get on this system"
    elif [ "$(id -u)" != 0 ] && ! { command -v sudo >/dev/null && sudo -n true 2>/dev/null; }; then
        echo "it needs root, or sudo without a password"
    fi
}

# apt_install PACKAGE...; fetches the package lists when there are none, or when they are too old to install from.
apt_install() {
    local options=(install -y -q --no-install-recommends)
    if ! compgen -G '/var/lib/apt/lists/*_Packages*' >/dev/null; then
        as_root env DEBIAN_FRONTEND=noninteractive apt-get update -q >&2
    fi
    as_root env DEBIAN_FRONTEND=noninteractive apt-get "${options[@]}" "$@" >&2 || {
        as_root env DEBIAN_FRONTEND=noninteractive apt-get update -q >&2
        as_root env DEBIAN_FRONTEND=noninteractive apt-get "${options[@]}" "$@" >&2
    }
}
