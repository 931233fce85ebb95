"""The key of the tests' cache changes with the code that builds an entry, and with nothing else."""

import pytest

from support import build_cache

BUILDER = '"""Builds."""\nfrom .part import value\n\nresult = value\n'
PART = '"""A part."""\n\n\ndef value():\n    """Return it."""\n    return 1  # one\n'


@pytest.fixture
def key_of(tmp_path, monkeypatch):
    """Return the function that gives the key of a builder whose imported module has this code."""

    def key(part: str) -> str:
        folder = tmp_path / str(len(list(tmp_path.iterdir())))
        (folder / "package").mkdir(parents=True)
        (folder / "package" / "builder.py").write_text(BUILDER, encoding="utf-8")
        (folder / "package" / "part.py").write_text(part, encoding="utf-8")
        monkeypatch.setattr(build_cache, "ROOT", folder)
        return build_cache.code_key(("package/builder.py",))

    return key


@pytest.mark.parametrize(("old", "new"), [("A part.", "Another text."), ("# one", "# 1")])
def test_prose_does_not_change_the_key(key_of, old, new):
    assert key_of(PART) == key_of(PART.replace(old, new))


def test_code_of_an_imported_module_changes_the_key(key_of):
    assert key_of(PART) != key_of(PART.replace("return 1", "return 2"))


def test_an_entry_is_built_once(tmp_path, monkeypatch):
    monkeypatch.setattr(build_cache, "CACHE", tmp_path / "cache")
    built = []

    def build(path):
        path.mkdir()
        built.append(path)

    source = ("tests/support/tiny.py",)
    first = build_cache.cached("entry", source, build)
    assert build_cache.cached("entry", source, build) == first
    assert len(built) == 1
    assert first.is_dir()
