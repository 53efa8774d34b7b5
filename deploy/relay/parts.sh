#!/bin/sh
# Lays out the relay's image in /image: the program beside this file, and the libraries it is linked to.
set -eu
cd "$(dirname "$0")"
fail() { echo "soundport: $*" >&2; exit 1; }

[ -f soundport ] ||
    fail "There is no program soundport in deploy/relay: put it there with cp target/release/soundport deploy/relay/."
chmod 755 soundport
said=$(./soundport --version 2>&1) ||
    fail "deploy/relay/soundport does not run on $(. /etc/os-release && echo "$PRETTY_NAME"), $(uname -m): build it for that with cargo xtask build ($said)."
mkdir -p /image/var/lib/soundport
cp soundport /image/
ldd soundport | grep -o '/[^ ]*' | xargs cp --dereference --parents --target-directory=/image
