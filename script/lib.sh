# Sourced by the scripts beside it: where we are, what we say, which packages there must be.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

BUILD_PACKAGES=(g++ cmake ninja-build ccache pkg-config libboost1.81-dev libssl-dev nlohmann-json3-dev libxml2-dev
    libtomlplusplus-dev libcli11-dev libspdlog-dev libfmt-dev libsqlite3-dev libzstd-dev zlib1g-dev libhowardhinnant-date-dev libc-ares-dev
    liburing-dev libavformat-dev libavcodec-dev libswresample-dev libswscale-dev libseccomp-dev
    libvpx-dev libturbojpeg0-dev libopus-dev)
RUN_PACKAGES=(espeak-ng jq curl)
TEST_PACKAGES=(curl libgtest-dev libgmock-dev libsrtp2-dev sip-tester baresip-core libxml2-utils openssl procps iproute2 nftables
    ffmpeg libvncserver-dev)
CI_PACKAGES=(clang-14 libclang-rt-14-dev clang-format-14 clang-tidy-14 chromium kamailio kamailio-tls-modules kamailio-utils-modules rtpengine-daemon python3)
BENCH_PACKAGES=(libbenchmark-dev)
PAIRED_PACKAGES=(python3 iproute2 tcpdump rtpengine-daemon) # of script/bench paired

# ccache may not look into precompiled headers without being told that this is safe here.
export CCACHE_SLOPPINESS=pch_defines,time_macros,include_file_mtime,include_file_ctime
# What one clone compiled, the next one on this machine need not: no path of the clone is part of the key.
export CCACHE_BASEDIR="$PWD" CCACHE_NOHASHDIR=1

say() { printf '\033[1m== %s\033[0m\n' "$*" >&2; }
die() { printf 'error: %s\n' "$*" >&2; exit 1; }

as_root() {
    if [ "$(id -u)" = 0 ]; then "$@"
    elif command -v sudo >/dev/null; then sudo "$@"
    else die "installing packages needs root: run this as root, or install them yourself: $*"
    fi
}

# Runs a command that installs packages; what they bring as services is not started.
without_services() {
    local policy=/usr/sbin/policy-rc.d
    [ ! -e "$policy" ] || { "$@"; return; }
    ( # whose end takes the file away, also after Ctrl-C: left behind, no service would ever start
        trap 'as_root rm -f "$policy"' EXIT
        trap 'exit 130' INT
        trap 'exit 143' TERM
        printf '#!/bin/sh\nexit 101\n' | as_root tee "$policy" >/dev/null
        as_root chmod 755 "$policy"
        "$@"
    )
}

# Installs those of the named Debian packages that are missing, without what they only recommend.
ensure_packages() {
    local missing=() package
    for package in "$@"; do
        dpkg-query -W -f '${Status}' "$package" 2>/dev/null | grep -q 'ok installed' || missing+=("$package")
    done
    [ ${#missing[@]} -gt 0 ] || return 0
    say "installing ${#missing[@]} Debian packages: ${missing[*]}"
    command -v apt-get >/dev/null || die "apt-get is missing; Earshot is built on Debian 12"
    as_root apt-get update -qq
    # -qq still prints a line a package: that is the progress a person wants to see.
    without_services as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}" >&2
}

# Debian's npm conflicts with NodeSource's nodejs, which brings its own: take what is there.
ensure_node() {
    command -v npm >/dev/null || ensure_packages nodejs npm
}

jobs_count() { nproc; }
