"""What an engine compiled is kept for the next process, and never trusted unseen."""

from __future__ import annotations

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from alledge.runtime.backends import open_backend
from alledge.runtime.bundle.bundle import Bundle
from alledge.runtime.caches import KEPT_ENTRIES, cache_root, with_cache

BATCH = np.random.default_rng(1).integers(0, 256, (1, 224, 224, 3), dtype=np.uint8)


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("ALLEDGE_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def answer(bundle: Path) -> float:
    backend = open_backend(Bundle.open(bundle), "openvino", 1)
    try:
        return float(backend.predict(BATCH)[0, 1])
    finally:
        backend.close()


def entries(root: Path) -> list[str]:
    return sorted(path.name for path in root.iterdir())


def test_the_second_start_uses_what_the_first_compiled(
    root: Path, bundle: Path, tiny: ModuleType
) -> None:
    first = answer(bundle)
    (entry,) = entries(root)
    before = {path: path.stat().st_mtime_ns for path in (root / entry).iterdir()}
    assert len(before) == 2
    assert answer(bundle) == pytest.approx(first, abs=1e-6)
    assert {path: path.stat().st_mtime_ns for path in (root / entry).iterdir()} == before
    assert first == pytest.approx(tiny.expected(BATCH[0]), abs=1e-5)


def test_another_bundle_is_another_entry(root: Path, own_bundle: Path, bundles: ModuleType) -> None:
    answer(own_bundle)
    bundles.edit(own_bundle, name="renamed")
    answer(own_bundle)
    assert len(entries(root)) == 2


@pytest.mark.parametrize("damage", ["flipped bit", "cut", "gone", "sums gone", "foreign file"])
def test_a_damaged_entry_is_made_anew(
    root: Path, bundle: Path, tiny: ModuleType, damage: str
) -> None:
    answer(bundle)
    (entry,) = root.iterdir()
    (blob,) = entry.glob("*.blob")
    content = bytearray(blob.read_bytes())
    blob.chmod(0o600)
    if damage == "flipped bit":
        content[len(content) // 2] ^= 0x55
        blob.write_bytes(content)
    elif damage == "cut":
        blob.write_bytes(content[:100])
    elif damage == "gone":
        blob.unlink()
    elif damage == "sums gone":
        (entry / "sums.json").unlink()
    else:
        (entry / "other.blob").write_bytes(content)
    assert answer(bundle) == pytest.approx(tiny.expected(BATCH[0]), abs=1e-5)
    assert len(list(entry.iterdir())) == 2


def test_many_processes_may_start_at_once(root: Path, bundle: Path) -> None:
    code = (
        "import sys; from pathlib import Path; import numpy as np\n"
        "from alledge.runtime.backends import open_backend\n"
        "from alledge.runtime.bundle.bundle import Bundle\n"
        "backend = open_backend(Bundle.open(sys.argv[1]), 'openvino', 1)\n"
        "print(backend.predict(np.full((1, 224, 224, 3), 90, np.uint8))[0, 1])\n"
    )
    running = [
        subprocess.Popen([sys.executable, "-c", code, bundle], stdout=subprocess.PIPE)
        for _ in range(4)
    ]
    said = [process.communicate()[0] for process in running]
    assert [process.returncode for process in running] == [0] * 4
    assert len(set(said)) == 1
    assert len(entries(root)) == 1


def test_off_means_off(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, bundle: Path) -> None:
    monkeypatch.setenv("ALLEDGE_CACHE", "off")
    monkeypatch.chdir(tmp_path)
    assert cache_root() is None
    answer(bundle)
    assert list(tmp_path.iterdir()) == []


def test_a_machine_without_a_writable_folder_has_no_cache(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, bundle: Path, tiny: ModuleType
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("ALLEDGE_CACHE", str(tmp_path / "file" / "below"))
    assert answer(bundle) == pytest.approx(tiny.expected(BATCH[0]), abs=1e-5)


def test_a_user_without_a_home_has_no_cache(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("ALLEDGE_CACHE", "XDG_CACHE_HOME", "LOCALAPPDATA"):
        monkeypatch.delenv(name, raising=False)

    def homeless(_: type[Path]) -> Path:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.setattr(Path, "home", classmethod(homeless))
    assert cache_root() is None


def test_an_engine_that_keeps_nothing_leaves_nothing(root: Path) -> None:
    with_cache("empty", lambda folder: None)
    assert entries(root) == []


def test_an_engine_that_fails_leaves_nothing(root: Path) -> None:
    def fail(folder: Path | None) -> None:
        raise RuntimeError("no")

    with pytest.raises(RuntimeError):
        with_cache("failing", fail)
    assert entries(root) == []


def test_old_entries_make_room(root: Path) -> None:
    def keep(folder: Path | None) -> None:
        assert folder is not None
        (folder / "blob").write_bytes(b"x")

    for number in range(KEPT_ENTRIES + 3):
        with_cache(f"entry-{number}", keep)
    assert len(entries(root)) == KEPT_ENTRIES


def test_threads_that_make_the_same_entry_do_not_meet(root: Path) -> None:
    def keep(folder: Path | None) -> None:
        if folder is not None and not (folder / "blob").exists():
            (folder / "blob").write_bytes(b"x" * 100_000)

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda _: with_cache("same", keep), range(40)))
    assert entries(root) == ["same"]
