#!/usr/bin/env bash
# Install what the tests run against: SIP peers, a mailbox, PostgreSQL, a browser, a reader of Access files and one of compose files
# that nobody here wrote.
# What cannot be had is reported, and the tests that need it are skipped; in CI (CI=true) that is a failure.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
. .ci/lib.sh

has() {
    case $1 in
        postgresql) compgen -G '/usr/lib/postgresql/*/bin/postgres' >/dev/null || command -v postgres >/dev/null ;;
        fonts-liberation) compgen -G '/usr/share/fonts/truetype/liberation*/*' >/dev/null ;;
        libatomic1) compgen -G '/usr/lib/*/libatomic.so.1' >/dev/null ;; # which Playwright's driver is linked with
        sip-tester) command -v sipp >/dev/null ;;
        baresip-core) command -v baresip >/dev/null ;;
        mdbtools) command -v mdb-export >/dev/null ;;
        dovecot-imapd) PATH=$PATH:/usr/sbin command -v dovecot >/dev/null && [ -d /usr/lib/dovecot ] ;;
        kamailio) PATH=$PATH:/usr/sbin command -v kamailio >/dev/null ;;
        docker-compose) command -v docker-compose >/dev/null || docker compose version >/dev/null 2>&1 ;;
        chromium) command -v chromium >/dev/null || command -v chromium-browser >/dev/null ;;
    esac
}

missing=()
for package in sip-tester baresip-core kamailio dovecot-imapd postgresql chromium libatomic1 fonts-liberation docker-compose mdbtools; do
    has "$package" || missing+=("$package")
done
[ ${#missing[@]} -gt 0 ] || exit 0

# These packages start a server of their own on a well-known port when they are installed. The tests start theirs, on free
# ports, so the packages' servers are neither started nor made.
POLICY=/usr/sbin/policy-rc.d
CLUSTER=/etc/postgresql-common/createcluster.d/zz-dialer-tests.conf
policy_is_ours=""
cluster_is_ours=""

hold_servers_back() {
    if [ ! -e $POLICY ]; then
        printf '#!/bin/sh\nexit 101\n' | as_root tee $POLICY >/dev/null
        as_root chmod 755 $POLICY
        policy_is_ours=yes
    fi
    if [[ " ${missing[*]} " == *" postgresql "* ]] && [ ! -e $CLUSTER ]; then
        as_root mkdir -p "$(dirname $CLUSTER)"
        echo "create_main_cluster = false" | as_root tee $CLUSTER >/dev/null
        cluster_is_ours=yes
    fi
}

let_servers_go() {
    [ -z "$policy_is_ours" ] || as_root rm -f $POLICY
    [ -z "$cluster_is_ours" ] || as_root rm -f $CLUSTER
    [ -d /run/systemd/system ] || return 0
    local each
    for each in kamailio:kamailio dovecot-imapd:dovecot; do
        [[ " ${missing[*]} " != *" ${each%:*} "* ]] || as_root systemctl disable --quiet --now "${each#*:}" || true
    done
}

reason=$(why_no_apt)
if [ -z "$reason" ]; then
    say "Installing for the tests: ${missing[*]} ..."
    trap let_servers_go EXIT
    hold_servers_back
    if ! apt_install "${missing[@]}"; then
        for package in "${missing[@]}"; do
            apt_install "$package" || reason="apt-get could not install it"
        done
    fi
fi

lacking=0
for package in "${missing[@]}"; do
    has "$package" && continue
    say "SKIP: the tests that need $package will be skipped: ${reason:-apt-get installed it, yet it is not there}."
    lacking=1
done
if [ $lacking = 1 ] && in_ci; then
    say "In CI every peer must be there."
    exit 1
fi
