#!/bin/bash
# Install Debian sid's apptainer on Debian 12 (bookworm) without touching libc6.
# Reads the mirror and keyring from this machine's own apt configuration.
# Idempotent; needs root; about 20 s.
# shellcheck disable=SC2012,SC2016  # names without blanks; $(REPO_URI) is for apt
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
suite=${APPTAINER_SUITE:-sid}
cache=${APPTAINER_CACHE:-/var/cache/apptainer-deb}
export DEBIAN_FRONTEND=noninteractive
if command -v apptainer >/dev/null && apptainer version >/dev/null 2>&1; then
    echo "apptainer $(apptainer version) already works"; exit 0
fi
uri=$(apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' 'Release: bookworm' | head -1)
keyring=/usr/share/keyrings/debian-archive-keyring.gpg
if [ -z "$uri" ]; then   # a machine which never ran apt-get update
    apt-get -qq update
    uri=$(apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' 'Release: bookworm' | head -1)
fi
[ -n "$uri" ] || { echo "no bookworm source in apt's configuration" >&2; exit 1; }
work=$(mktemp -d /tmp/apptainer-install.XXXXXX); trap 'rm -rf "$work"' EXIT
mkdir -p "$work/lists/partial" "$work/cache/archives/partial" "$cache"; chmod 755 "$work"
deb=$(ls "$cache"/apptainer_*.deb 2>/dev/null | tail -1 || true)
if [ -z "$deb" ]; then
    echo "deb [signed-by=$keyring] $uri $suite main" > "$work/list"
    A=(-o Dir::Etc::sourcelist="$work/list" -o Dir::Etc::sourceparts=/dev/null
       -o Dir::State::lists="$work/lists" -o Dir::Cache="$work/cache" -o APT::Sandbox::User=root
       -o Acquire::Languages=none)
    apt-get "${A[@]}" -qq update
    (cd "$cache" && apt-get "${A[@]}" -qq download apptainer)
    deb=$(ls "$cache"/apptainer_*.deb | tail -1)
fi
dpkg-deb -R "$deb" "$work/pkg"
# the only thing newer than bookworm's glibc is __isoc23_strto{l,ul}@GLIBC_2.38
python3 "$here/glibc_downlevel.py" "$work/pkg/usr/bin/apptainer" \
    "$work"/pkg/usr/lib/*/apptainer/bin/starter "$work"/pkg/usr/lib/*/apptainer/lib/*.so
sed -i -E -e 's/^(Version: .*)$/\1+hydria12/' -e 's/libc6 \(>= 2\.[0-9]+\)/libc6 (>= 2.36)/' "$work/pkg/DEBIAN/control"
(cd "$work/pkg" && find . -type f ! -path './DEBIAN/*' -printf '%P\0' | xargs -0 md5sum > DEBIAN/md5sums)
dpkg-deb -Znone --root-owner-group -b "$work/pkg" "$work/apptainer.deb" >/dev/null
chmod 644 "$work/apptainer.deb"
apt-get install -y -qq --no-install-recommends -o Dpkg::Options::=--force-confold "$work/apptainer.deb" squashfuse fuse-overlayfs fuse2fs fakeroot uidmap squashfs-tools debootstrap libcap2-bin >/dev/null
# ordinary users need the fuse device for mounting SIF files; real hosts ship it 0666
[ ! -e /dev/fuse ] || chmod 666 /dev/fuse
# `apptainer build --fakeroot` as root needs a subordinate range for root too
for f in /etc/subuid /etc/subgid; do grep -qs '^root:' "$f" || echo root:1000000:65536 >> "$f"; done
# A root whose capability bounding set is not full (VMs, containers) makes apptainer
# fail with "Requesting capability set 0x1ffffffffff while permitted ...": then keep
# for root exactly the capabilities that are there.
bnd=$(awk '/^CapBnd/{print $2}' /proc/self/status)
last=$(cat /proc/sys/kernel/cap_last_cap)
if [ $(( 0x$bnd )) -ne $(( (1 << (last + 1)) - 1 )) ]; then
    missing=$(capsh --decode="$(printf '%016x' $(( ((1 << (last + 1)) - 1) & ~0x$bnd )))" | sed 's/.*=//' | tr a-z, 'A-Z|')
    have=$(apptainer capability avail | grep -oE '^CAP_[A-Z_]+' | grep -vxE "$missing" | paste -sd,)
    apptainer config global --set "root default capabilities" file
    apptainer capability add --user root "$have" 2>/dev/null
fi
apptainer --version
