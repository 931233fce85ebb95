#!/bin/sh
# Installs a pack for the Raspberry Pi 5 on an emulated arm64 system, offline, and compares its
# answers with this machine's. Real aarch64 wheels run; timings mean nothing and are not shown.
#
#   devices/emulated_arm64.sh [BUNDLE]        default: bundles/mobilenetv2-float32
#
# Not int8 by default: XNNPACK needs /sys to know the processor, and with /sys the engine crashes
# under the emulator. Without XNNPACK its int8 kernels are others, here as on x86 (docs/devices.md).
#
# ALLEDGE_ARM64_ROOT: where the system is kept (320 MB, made once)   [.cache/arm64-root]
# PYTHON: a Python with alledge installed                            [.venv/bin/python]
set -eu
cd "$(dirname "$0")/.."
BUNDLE=${1:-bundles/mobilenetv2-float32}
ROOT=${ALLEDGE_ARM64_ROOT:-$PWD/.cache/arm64-root}
PYTHON=${PYTHON:-.venv/bin/python}
BINFMT=/proc/sys/fs/binfmt_misc
MIRROR=http://deb.debian.org/debian

skip() { echo "skipped: $1"; exit 0; }
[ "$(uname -s)" = Linux ] || skip "user-mode emulation needs Linux"
[ -f "$BUNDLE/bundle.json" ] || skip "there is no bundle $BUNDLE"
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

echo "packing $BUNDLE for raspberry-pi-5"
"$PYTHON" -m alledge pack --device raspberry-pi-5 --python 3.11 --bundle "$BUNDLE" \
    --out "$WORK/pi5.tar"
rm -rf "$ROOT/srv/pack"
mkdir -p "$ROOT/srv/pack/images"
tar -xf "$WORK/pi5.tar" -C "$ROOT/srv/pack"
"$PYTHON" - "$BUNDLE" "$ROOT/srv/pack/images" <<'CODE'
import sys
import numpy as np
from PIL import Image
images = np.load(f"{sys.argv[1]}/reference/inputs.npz")["inputs"]
for number, image in enumerate(images):
    Image.fromarray(image).save(f"{sys.argv[2]}/{number:02}.png")
CODE

# a network namespace of its own: what installs here, installs without any network
inside() { unshare --net --mount sh -c 'mount -t proc proc "$0/proc" && exec chroot "$0" "$@"' "$ROOT" "$@"; }
echo "installing on $(inside uname -m), without a network"
inside sh /srv/pack/alledge-raspberry-pi-5/install.sh --prefix /srv/pack/installed
inside du -sm /srv/pack/installed | sed 's/\t.*/ MiB on disk, Python aside/'
inside /srv/pack/installed/bin/alledge classify --json /srv/pack/images >"$WORK/there.jsonl"
"$PYTHON" -m alledge classify --json --backend tflite --bundle "$BUNDLE" "$ROOT/srv/pack/images" \
    >"$WORK/here.jsonl"
"$PYTHON" - "$WORK/here.jsonl" "$WORK/there.jsonl" "$BUNDLE/parity.json" <<'CODE'
import json
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
print(f"classify, {platform.machine()} and emulated aarch64: {same} of {len(here)} labels the same, "
      f"max |Δp| {max(apart):.6f} (allowed {allowed:g})")
sys.exit(not (set(here) == set(there) and same == len(here) and max(apart) <= allowed))
CODE
