"""The cache of compiled models: used by the next process, checked before use, safe to share."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import ModuleType
from typing import Any

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
def test_a_damaged_entry_is_replaced(
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
    outputs = [process.communicate()[0] for process in running]
    assert [process.returncode for process in running] == [0] * 4
    assert len(set(outputs)) == 1
    assert len(entries(root)) == 1


def test_the_cache_can_be_switched_off(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, bundle: Path
) -> None:
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


def test_an_engine_that_writes_nothing_leaves_no_entry(root: Path) -> None:
    with_cache("empty", lambda folder: None)
    assert entries(root) == []


def test_an_engine_that_fails_leaves_no_entry(root: Path) -> None:
    def fail(folder: Path | None) -> None:
        raise RuntimeError("no")

    with pytest.raises(RuntimeError):
        with_cache("failing", fail)
    assert entries(root) == []


def test_the_oldest_entries_are_removed(root: Path) -> None:
    def fill(folder: Path | None) -> None:
        assert folder is not None
        (folder / "blob").write_bytes(b"x")

    for number in range(KEPT_ENTRIES + 3):
        with_cache(f"entry-{number}", fill)
    assert len(entries(root)) == KEPT_ENTRIES


def test_threads_that_fill_the_same_entry_do_not_disturb_each_other(root: Path) -> None:
    def fill(folder: Path | None) -> None:
        if folder is not None and not (folder / "blob").exists():
            (folder / "blob").write_bytes(b"x" * 100_000)

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda _: with_cache("same", fill), range(40)))
    assert entries(root) == ["same"]


def write(content: str) -> Callable[[Path | None], None]:
    def use(folder: Path | None) -> None:
        assert folder is not None
        if not (folder / "blob").exists():
            (folder / "blob").write_text(content, encoding="utf-8")

    return use


def test_an_entry_that_another_process_writes_meanwhile_is_not_deleted(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The other process writes it as soon as this one has seen that there is none."""
    others: list[Path] = []

    def then_other_writes(method: Callable[..., Any]) -> Callable[..., Any]:
        def look(path: Path, *args: Any, **options: Any) -> Any:
            try:
                return method(path, *args, **options)
            except FileNotFoundError:
                if "same" in path.parts and not others:
                    others.append(root / "same")
                    with_cache("same", write("the other's"))
                raise

        return look

    for name in ("stat", "read_text"):
        monkeypatch.setattr(Path, name, then_other_writes(getattr(Path, name)))
    with_cache("same", write("mine"))
    assert others
    assert (root / "same" / "blob").read_text(encoding="utf-8") == "the other's"
    assert entries(root) == ["same"]


def test_a_damaged_entry_that_another_process_has_replaced_is_not_deleted(root: Path) -> None:
    with_cache("same", write("damaged"))
    (root / "same" / "sums.json").unlink()

    def use(folder: Path | None) -> None:
        write("mine")(folder)
        with_cache_in_a_thread("same", write("the other's"))

    with_cache("same", use)
    assert (root / "same" / "blob").read_text(encoding="utf-8") == "the other's"
    assert entries(root) == ["same"]


def with_cache_in_a_thread(name: str, use: Callable[[Path | None], None]) -> None:
    with ThreadPoolExecutor(1) as pool:
        pool.submit(with_cache, name, use).result()


def test_folders_that_killed_processes_left_are_removed_and_no_others(root: Path) -> None:
    left, features = root / ".openvino-0f.4711.99", root / ".features"
    for folder in (left, features):
        folder.mkdir(parents=True)
        os.utime(folder, (0, 0))
    recent = root / ".openvino-0f.4712.99"
    recent.mkdir()
    with_cache("new", write("x"))
    assert entries(root) == [features.name, recent.name, "new"]


def test_a_folder_of_the_user_is_no_cache_entry(root: Path) -> None:
    users = [root / f"thesis-{number}" for number in range(KEPT_ENTRIES + 3)]
    users += [root / ".python.3.11"]
    for folder in users:
        folder.mkdir(parents=True)
        (folder / "chapter.txt").write_text("years", encoding="utf-8")
        os.utime(folder, (0, 0))
    for number in range(KEPT_ENTRIES + 3):
        with_cache(f"entry-{number}", write("x"))
    assert all((folder / "chapter.txt").is_file() for folder in users)
    assert len(entries(root)) == len(users) + KEPT_ENTRIES


@pytest.mark.skipif(os.name != "posix", reason="POSIX special files")
@pytest.mark.timeout(20)
def test_an_entry_with_a_fifo_is_replaced_and_not_read(root: Path) -> None:
    def use(folder: Path | None) -> None:
        assert folder is not None
        (folder / "x").write_bytes(b"content")

    with_cache("entry", use)
    (root / "entry" / "x").unlink()
    os.mkfifo(root / "entry" / "x")
    with_cache("entry", use)
    assert (root / "entry" / "x").read_bytes() == b"content"
