#!/bin/sh
# Installs packs for the Raspberry Pi 5 on an emulated arm64 system without a network, and compares
# the results with those of this machine: as a Cortex-A76 (dot products: Pi 5) and as a Cortex-A72
# (none: Pi 4, and the kernels of the Pi 3). Real aarch64 wheels run. No latency is shown, because
# emulated ones mean nothing.
#
#   devices/pack/emulated_arm64.sh [BUNDLE...]
#
# By default bundles/mobilenetv2-int8 and -float32; if one is missing, the tiny bundle that the
# tests exported (.cache/export-int8-*, .cache/export-float32-*).
#
# ALLEDGE_ARM64_ROOT: folder of the system (320 MB, created once)    [.cache/arm64-root]
# PYTHON: a Python with alledge installed                            [.venv/bin/python]
set -eu
unset CDPATH
cd "$(dirname "$0")/../.."
ROOT=${ALLEDGE_ARM64_ROOT:-$PWD/.cache/arm64-root}
PYTHON=${PYTHON:-.venv/bin/python}
BINFMT=/proc/sys/fs/binfmt_misc
MIRROR=http://deb.debian.org/debian
MAX_BYTES=150000000  # of an installation, without Python

skip() { echo "skipped: $1"; exit 0; }
if [ $# = 0 ]; then
    for precision in int8 float32; do
        for bundle in "bundles/mobilenetv2-$precision" .cache/export-"$precision"-*/bundle; do
            if [ -f "$bundle/bundle.json" ]; then set -- "$@" "$bundle"; break; fi
        done
    done
fi
[ $# -gt 0 ] || skip "no bundle: alledge export --model mobilenetv2 --int8, or run tests/export once"
[ "$(uname -s)" = Linux ] || skip "user-mode emulation needs Linux"
[ "$(id -u)" = 0 ] || skip "chroot and binfmt_misc need root"
QEMU=$(command -v qemu-aarch64-static) || skip "no qemu-aarch64-static (apt-get install qemu-user-static)"
[ -f "$ROOT/.complete" ] || command -v debootstrap >/dev/null || skip "no debootstrap (apt-get install debootstrap)"
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
    # magic and mask of an aarch64 ELF header; F opens the interpreter now, outside the new root
    printf '%s' ":qemu-aarch64:M::\\x7fELF\\x02\\x01\\x01\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x02\\x00\\xb7\\x00:\\xff\\xff\\xff\\xff\\xff\\xff\\xff\\x00\\xff\\xff\\xff\\xff\\xff\\xff\\xff\\xff\\xfe\\xff\\xff\\xff:$QEMU:F" \
        >$BINFMT/register || skip "qemu-aarch64 cannot be registered with binfmt_misc"
    registered=yes
fi

if ! [ -f "$ROOT/.complete" ]; then
    echo "creating an arm64 Debian 12 in $ROOT (takes minutes, once)"
    rm -rf "$ROOT"
    mkdir -p "$(dirname "$ROOT")"
    debootstrap --arch=arm64 --foreign --variant=minbase --include=python3,python3-venv \
        bookworm "$ROOT" $MIRROR >"$WORK/log" 2>&1 || { tail -5 "$WORK/log"; exit 1; }
    chroot "$ROOT" /debootstrap/debootstrap --second-stage >"$WORK/log" 2>&1 ||
        { tail -5 "$WORK/log"; exit 1; }
    touch "$ROOT/.complete"
fi

# emulate_core FAMILY: selects the emulated core and writes the /proc/cpuinfo of four of them
emulate_core() {
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

# Runs a command in the emulated system, in a network namespace without a network. XNNPACK does not
# start without /sys, and crashes with the host's /sys, whose caches do not belong to the processor
# in /proc/cpuinfo. So both describe a board with four cores, and /sys names no caches.
in_system() {
    unshare --net --mount sh -c '
        C="$0/sys/devices/system/cpu"
        mount -t proc proc "$0/proc" && mount --bind "$0/srv/cpuinfo" "$0/proc/cpuinfo" &&
            mount -t tmpfs none "$0/sys" && mkdir -p "$C" && echo 0-3 >"$C/possible" &&
            echo 0-3 >"$C/present" && echo 0-3 >"$C/online" && echo 3 >"$C/kernel_max" &&
            exec chroot "$0" "$@"' "$ROOT" "$@"
}

# compare BUNDLE: compares the results of the emulated system with those of this machine
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
differences = [abs(here[name]["probability"] - there[name]["probability"]) for name in here]
equal = sum(here[name]["label"] == there[name]["label"] for name in here)
print(f"classify, {platform.machine()} and {os.environ['QEMU_CPU']}: {equal} of {len(here)} labels "
      f"the same, max |Δp| {max(differences):.6f} (allowed {allowed:g})")
sys.exit(not (set(here) == set(there) and equal == len(here) and max(differences) <= allowed))
CODE
}

# test_bundle BUNDLE: packs, installs and measures it; verifies and classifies as both cores
test_bundle() {
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
    emulate_core cortex-a76
    echo "installing on $(in_system uname -m), without a network"
    in_system sh /srv/pack/alledge-raspberry-pi-5/install.sh --prefix /srv/pack/installed
    bytes=$(in_system du -s -B1 /srv/pack/installed | cut -f1)
    echo "$bytes bytes on disk, without Python (less than $MAX_BYTES allowed)"
    [ "$bytes" -lt $MAX_BYTES ] || failed=yes
    for family in cortex-a76 cortex-a72; do
        emulate_core $family
        echo "as $family:"
        in_system /srv/pack/installed/bin/alledge verify \
            "/$(cd "$ROOT" && echo srv/pack/installed/versions/*/share/alledge/bundle)" || failed=yes
        in_system /srv/pack/installed/bin/alledge classify --json /srv/pack/images >"$WORK/there.jsonl" ||
            failed=yes
        compare "$1" || failed=yes
    done
}

failed=
for bundle in "$@"; do test_bundle "$bundle"; done
[ -z "$failed" ]
