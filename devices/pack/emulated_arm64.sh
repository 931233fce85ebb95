#!/bin/sh
# Installs packs for the Raspberry Pi 5 on an emulated arm64 system, offline, and compares their
# answers with this machine's: once as a Cortex-A76 (dot products: Pi 5), once as a Cortex-A72
# (none: Pi 4, and the Pi 3's kernels). Real aarch64 wheels run; timings mean nothing, none is shown.
#
#   devices/pack/emulated_arm64.sh [BUNDLE...]
#
# By default bundles/mobilenetv2-int8, then -float32; where one is missing, the tiny one that the
# tests exported (.cache/export-int8-*, .cache/export-float32-*).
#
# ALLEDGE_ARM64_ROOT: where the system is kept (320 MB, made once)   [.cache/arm64-root]
# PYTHON: a Python with alledge installed                            [.venv/bin/python]
set -eu
unset CDPATH
cd "$(dirname "$0")/../.."
ROOT=${ALLEDGE_ARM64_ROOT:-$PWD/.cache/arm64-root}
PYTHON=${PYTHON:-.venv/bin/python}
BINFMT=/proc/sys/fs/binfmt_misc
MIRROR=http://deb.debian.org/debian
MOST_BYTES=150000000  # of an installation, Python aside

skip() { echo "skipped: $1"; exit 0; }
if [ $# = 0 ]; then
    for precision in int8 float32; do
        for found in "bundles/mobilenetv2-$precision" .cache/export-"$precision"-*/bundle; do
            if [ -f "$found/bundle.json" ]; then set -- "$@" "$found"; break; fi
        done
    done
fi
[ $# -gt 0 ] || skip "no bundle: alledge export --model mobilenetv2 --int8, or run tests/export once"
[ "$(uname -s)" = Linux ] || skip "user-mode emulation needs Linux"
[ "$(id -u)" = 0 ] || skip "chroot and binfmt_misc need root"
QEMU=$(command -v qemu-aarch64-static) || skip "no qemu-aarch64-static (apt-get install qemu-user-static)"
[ -f "$ROOT/.whole" ] || command -v debootstrap >/dev/null || skip "no debootstrap (apt-get install debootstrap)"
[ -e $BINFMT/register ] || mount -t binfmt_misc binfmt_misc $BINFMT 2>/dev/null ||
    skip "this kernel has no binfmt_misc, or it cannot be mounted here"

WORK=$(mktemp -d)
registered=
cleanup() {
    [ -z "$registered" ] || echo -1 >$BINFMT/qemu-aarch64
    rm -rf "$WORK" "$ROOT/srv/pack"
}
trap cleanup EXIT
trap 'exit 130' INT TERM
if ! [ -e $BINFMT/qemu-aarch64 ]; then
    # the header of an aarch64 ELF program; F: the interpreter is opened now, outside the root
    printf '%s' ":qemu-aarch64:M::\\x7fELF\\x02\\x01\\x01\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x02\\x00\\xb7\\x00:\\xff\\xff\\xff\\xff\\xff\\xff\\xff\\x00\\xff\\xff\\xff\\xff\\xff\\xff\\xff\\xff\\xfe\\xff\\xff\\xff:$QEMU:F" \
        >$BINFMT/register || skip "qemu-aarch64 cannot be registered with binfmt_misc"
    registered=yes
fi

if ! [ -f "$ROOT/.whole" ]; then
    echo "making an arm64 Debian 12 in $ROOT (minutes, once)"
    rm -rf "$ROOT"
    mkdir -p "$(dirname "$ROOT")"
    debootstrap --arch=arm64 --foreign --variant=minbase --include=python3,python3-venv \
        bookworm "$ROOT" $MIRROR >"$WORK/log" 2>&1 || { tail -5 "$WORK/log"; exit 1; }
    chroot "$ROOT" /debootstrap/debootstrap --second-stage >"$WORK/log" 2>&1 ||
        { tail -5 "$WORK/log"; exit 1; }
    touch "$ROOT/.whole"
fi

# become FAMILY: which core is emulated, and the /proc/cpuinfo of four of them
become() {
    case $1 in
    cortex-a76) part=0xd0b features="atomics fphp asimdhp cpuid asimdrdm lrcpc dcpop asimddp" ;;
    cortex-a72) part=0xd08 features=cpuid ;;
    esac
    export QEMU_CPU="$1"
    for number in 0 1 2 3; do
        printf 'processor\t: %s\nBogoMIPS\t: 108.00\nFeatures\t: %s\n' "$number" \
            "fp asimd evtstrm aes pmull sha1 sha2 crc32 $features"
        printf 'CPU implementer\t: 0x41\nCPU architecture: 8\nCPU variant\t: 0x4\n'
        printf 'CPU part\t: %s\nCPU revision\t: 1\n\n' "$part"
    done >"$ROOT/srv/cpuinfo"
}

# A network namespace of its own: what installs here, installs without any network. XNNPACK does
# not start without /sys, and crashes on the host's: its caches belong to another processor than
# /proc/cpuinfo names. So both are those of a board with four cores, and no caches are named.
inside() {
    unshare --net --mount sh -c '
        C="$0/sys/devices/system/cpu"
        mount -t proc proc "$0/proc" && mount --bind "$0/srv/cpuinfo" "$0/proc/cpuinfo" &&
            mount -t tmpfs none "$0/sys" && mkdir -p "$C" && echo 0-3 >"$C/possible" &&
            echo 0-3 >"$C/present" && echo 0-3 >"$C/online" && echo 3 >"$C/kernel_max" &&
            exec chroot "$0" "$@"' "$ROOT" "$@"
}

# compare BUNDLE: what was classified there with what was classified here
compare() {
    "$PYTHON" - "$WORK/here.jsonl" "$WORK/there.jsonl" "$1/parity.json" <<'CODE'
import json
import os
import pathlib
import platform
import sys
here, there = (
    {pathlib.Path(row["image"]).name: row for row in map(json.loads, open(name, encoding="utf-8"))}
    for name in sys.argv[1:3]
)
parity = json.load(open(sys.argv[3], encoding="utf-8"))
allowed = parity["formats"]["tflite"]["tolerance"]["here_max_dp"]
apart = [abs(here[name]["probability"] - there[name]["probability"]) for name in here]
same = sum(here[name]["label"] == there[name]["label"] for name in here)
print(f"classify, {platform.machine()} and {os.environ['QEMU_CPU']}: {same} of {len(here)} labels "
      f"the same, max |Δp| {max(apart):.6f} (allowed {allowed:g})")
sys.exit(not (set(here) == set(there) and same == len(here) and max(apart) <= allowed))
CODE
}

# try BUNDLE: pack, install, measure; verify and classify as either core
try() {
    echo "== $1"
    "$PYTHON" -m alledge pack --device raspberry-pi-5 --python 3.11 --bundle "$1" --out "$WORK/pi5.tar"
    rm -rf "$ROOT/srv/pack"
    mkdir -p "$ROOT/srv/pack/images"
    tar -xf "$WORK/pi5.tar" -C "$ROOT/srv/pack"
    "$PYTHON" - "$1" "$ROOT/srv/pack/images" <<'CODE'
import sys
import numpy as np
from PIL import Image
images = np.load(f"{sys.argv[1]}/reference/inputs.npz")["inputs"]
for number, image in enumerate(images):
    Image.fromarray(image).save(f"{sys.argv[2]}/{number:02}.png")
CODE
    "$PYTHON" -m alledge classify --json --backend tflite --bundle "$1" "$ROOT/srv/pack/images" \
        >"$WORK/here.jsonl"
    become cortex-a76
    echo "installing on $(inside uname -m), without a network"
    inside sh /srv/pack/alledge-raspberry-pi-5/install.sh --prefix /srv/pack/installed
    bytes=$(inside du -s -B1 /srv/pack/installed | cut -f1)
    echo "$bytes bytes on disk, Python aside (fewer than $MOST_BYTES allowed)"
    [ "$bytes" -lt $MOST_BYTES ] || failed=yes
    for family in cortex-a76 cortex-a72; do
        become $family
        echo "as $family:"
        inside /srv/pack/installed/bin/alledge verify \
            "/$(cd "$ROOT" && echo srv/pack/installed/versions/*/share/alledge/bundle)" || failed=yes
        inside /srv/pack/installed/bin/alledge classify --json /srv/pack/images >"$WORK/there.jsonl" ||
            failed=yes
        compare "$1" || failed=yes
    done
}

failed=
for bundle in "$@"; do try "$bundle"; done
[ -z "$failed" ]
