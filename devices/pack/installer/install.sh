#!/bin/sh
# Finds the Python of this pack and runs install.py with it, without a network.
unset CDPATH
here=$(cd "$(dirname "$0")" && pwd) || exit 1
for python in "python@PYTHON@" python3; do
    if command -v "$python" >/dev/null 2>&1; then
        exec "$python" -I "$here/install.py" "$@"
    fi
done
echo "not installed: Python @PYTHON@ was not found" >&2
exit 1
