#!/bin/sh
# Finds the Python that this pack is for and lets it install; no network is used.
unset CDPATH
here=$(cd "$(dirname "$0")" && pwd) || exit 1
for python in "python@PYTHON@" python3; do
    if command -v "$python" >/dev/null 2>&1; then
        exec "$python" -I "$here/install.py" "$@"
    fi
done
echo "not installed: no Python @PYTHON@ is here" >&2
exit 1
