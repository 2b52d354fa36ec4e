# What the scripts of this folder share; read by each of them with `.`.
# shellcheck shell=bash disable=SC2034
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
ROOT=$PWD

NAME=hero-supervisor
# The one place of the version.
VERSION=${DIST_VERSION:-$(sed -n '/^\[package\]/,/^\[/s/^version = "\(.*\)"/\1/p' Cargo.toml)}
ARCH=$(uname -m)
# The oldest C library that the binaries run with, that of Debian 10 and RHEL 8.
GLIBC=2.28
# The Zinit that is packed, and the digest of its crate.
ZINIT=0.3.9
ZINIT_SHA256=2f39ae5bd27bfbf1cfc7f6dd7e38951a2a15259de9ed76c2e6c529bc120fccd5

# What is handed out, and what is made on the way.
DIST=$ROOT/dist
WORK=$ROOT/target/packaging
BINARIES=(hero-supervisor osis_actor sal_actor python_actor v_actor)

# Everything has the date of the commit.
: "${SOURCE_DATE_EPOCH:=$(git log -1 --format=%ct 2>/dev/null || date +%s)}"
export SOURCE_DATE_EPOCH TZ=UTC LC_ALL=C.UTF-8
umask 022

say() { echo "dist: $*" >&2; }

die() { say "$*"; exit 1; }

# A tar of a folder's content whose bytes depend on nothing but names, modes and contents.
pack() { # <folder> [argument of tar…]
    tar --create --directory "$1" --sort=name --format=gnu --mtime="@$SOURCE_DATE_EPOCH" --owner=0 --group=0 --numeric-owner "${@:2}"
}
