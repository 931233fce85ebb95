"""Memory of this process and of others."""

from __future__ import annotations

import subprocess
import sys

import pytest

from alledge.runtime.process_memory import current_mib, peak_mib


def test_the_peak_of_this_process_is_known_and_at_least_its_current_memory() -> None:
    current, peak = current_mib(), peak_mib()  # in this order: reading takes memory too
    assert peak is not None
    assert peak > 10
    if sys.platform in ("linux", "win32"):
        assert current is not None
        assert 0 < current <= peak


def test_the_peak_of_another_running_process_is_its_own() -> None:
    waiting = [sys.executable, "-c", "print('ready', flush=True); input()"]
    with subprocess.Popen(
        waiting, stdin=subprocess.PIPE, stdout=subprocess.PIPE, encoding="utf-8"
    ) as child:
        assert child.stdout is not None
        assert child.stdout.readline().strip() == "ready"
        peak, own = peak_mib(child.pid), peak_mib()
        child.communicate("\n")
    assert peak is not None
    assert own is not None
    assert 1 < peak < own


def test_the_memory_of_a_process_that_has_ended_is_not_known() -> None:
    assert peak_mib(999_999_999) is None


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_reading_the_memory_of_this_process_imports_no_package() -> None:
    code = (
        "import sys; from alledge.runtime.process_memory import peak_mib; peak_mib();"
        "assert 'psutil' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
