"""Every JSON document is read strictly, or refused with its name and the position."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from alledge.errors import BundleError, DataError
from alledge.runtime.files import write_json
from alledge.runtime.json_documents import parse_json, read_json, read_json_lines
from alledge.runtime.regular_files import read_regular_file

posix = pytest.mark.skipif(os.name != "posix", reason="POSIX special files")


def write(path, content):
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


DAMAGE = {
    "empty": (b"", "line 1, column 1"),
    "cut": (b'{"a": 1,\n "b": [1, 2', "line 2"),
    "two values": (b"{} {}", "column 4"),
    "NaN": (b'{"a": NaN}', "the number NaN is not allowed"),
    "Infinity": (b"[-Infinity]", "-Infinity"),
    "too large for a float": (b"[1e309]", "1e309"),
    "more than 64 bits": (b"[18446744073709551616]", "18446744073709551616"),
    "five thousand digits": (b"[" + b"9" * 5000 + b"]", "9…"),
    "duplicate key": (b'{"a": {"b": 1, "b": 2}}', "the key 'b' occurs twice"),
    "deep arrays": (b"[" * 65 + b"]" * 65, "more than 64 levels"),
    "very deep arrays": (b"[" * 200_000, "more than 64 levels"),
    "deep objects": (b'{"a":' * 70 + b"1" + b"}" * 70, "more than 64 levels"),
    "latin-1": ('{"a": "é"}'.encode("latin-1"), "byte 8 is not UTF-8"),
    "UTF-16": ('{"a": 1}'.encode("utf-16"), "it is in UTF-16, not in UTF-8"),
    "half a character": (b'{"a": ["\\ud800"]}', "half of a surrogate pair"),
    "half a character in a key": (b'{"\\uDc00": 1}', "half of a surrogate pair"),
    "NUL bytes": (b"\0" * 100, "column 1"),
    "control character": (b'"a\x01"', "Invalid control character"),
}


@pytest.mark.parametrize("name", DAMAGE)
def test_a_damaged_document_is_refused_with_its_name_and_the_position(name, tmp_path):
    content, part = DAMAGE[name]
    with pytest.raises(BundleError) as error:
        read_json(write(tmp_path / "x.json", content), error=BundleError, fix="write it again")
    assert "x.json is not a JSON document" in str(error.value)
    assert part in str(error.value)
    assert error.value.fix == "write it again"


@pytest.mark.parametrize(
    "value",
    [None, True, "é 𝄞 \0", 0, -1, 2**64 - 1, -(2**63), 1e308, [], {}, {"a": [{"b": [1.5, None]}]}],
)
def test_a_valid_document_is_read(value, tmp_path):
    path = write(tmp_path / "x.json", json.dumps(value))
    assert read_json(path, error=DataError) == value
    assert parse_json(b"\xef\xbb\xbf" + path.read_bytes(), "x", error=DataError) == value


def test_64_levels_are_read():
    assert parse_json(b"[" * 64 + b"]" * 64, "x", error=DataError)


def test_a_large_file_is_refused_before_it_is_read(tmp_path):
    path = tmp_path / "x.json"
    with path.open("wb") as stream:
        stream.truncate(1 << 40)  # a sparse file
    with pytest.raises(DataError, match=r"x\.json is too large: 1099511627776 bytes"):
        read_json(path, error=DataError)
    write(path, "123456")
    assert read_regular_file(path, limit_bytes=6, error=DataError) == b"123456"
    with pytest.raises(DataError, match="6 bytes\nallowed: at most 5 bytes"):
        read_regular_file(path, limit_bytes=5, error=DataError)


def test_a_missing_file_a_folder_and_an_impossible_path_are_refused(tmp_path):
    for path, part in (
        (tmp_path / "none.json", "there is no file"),
        (tmp_path, "it is a folder, not a regular file"),
        ("a\0b", "cannot be read"),
        (write(tmp_path / "file", "1") / "x.json", "file"),
    ):
        with pytest.raises(DataError, match=part):
            read_json(path, error=DataError)


@posix
def test_special_files_are_refused_and_links_followed(tmp_path):
    os.mkfifo(tmp_path / "fifo")
    (tmp_path / "link").symlink_to("fifo")
    for path, part in (
        (tmp_path / "fifo", "it is a FIFO"),
        (tmp_path / "link", "it is a FIFO"),
        ("/dev/zero", "it is a device"),
        ("/dev/null", "it is a device"),
    ):
        with pytest.raises(DataError, match=part):
            read_json(path, error=DataError)
    write(tmp_path / "x.json", "[1]")
    (tmp_path / "good").symlink_to("x.json")
    assert read_json(tmp_path / "good", error=DataError) == [1]


@posix
@pytest.mark.skipif(os.name == "posix" and os.geteuid() == 0, reason="root reads every file")
def test_an_unreadable_file_is_refused(tmp_path):
    path = write(tmp_path / "x.json", "1")
    path.chmod(0)
    with pytest.raises(DataError, match=r"x\.json cannot be read: Permission denied"):
        read_json(path, error=DataError)


LINES = b'{"a": 1}\n{"a": 2}\n'


@pytest.mark.parametrize(
    "end", [b'{"a": 3', b'{"a": 3\n', b"\0" * 512, b"\xff\n", b'{"a": NaN}\n', b"x\n\n"]
)
def test_a_damaged_last_line_is_dropped_with_a_note(end, tmp_path):
    lines = read_json_lines(write(tmp_path / "r.jsonl", LINES + end), error=DataError)
    assert lines.records == [{"a": 1}, {"a": 2}]
    assert lines.valid_bytes == len(LINES)
    assert (
        lines.note
        == f"the last line of {tmp_path / 'r.jsonl'}, line 3, is incomplete and was dropped"
    )


@pytest.mark.parametrize("line", [b"", b"\n", b'{"a": 3}', b'{"a": 3}\r\n'])
def test_valid_lines_are_read_without_a_note(line, tmp_path):
    lines = read_json_lines(write(tmp_path / "r.jsonl", LINES + line), error=DataError)
    assert lines.records[:2] == [{"a": 1}, {"a": 2}]
    assert (len(lines.records), lines.note) == (3 if line.strip() else 2, None)


def test_a_damaged_line_in_the_middle_is_an_error_with_its_number(tmp_path):
    path = write(tmp_path / "r.jsonl", LINES + b'{"a": \n' + LINES)
    with pytest.raises(DataError, match=r"line 3 of .*r.jsonl is damaged: column"):
        read_json_lines(path, error=DataError)


def test_the_reader_imports_the_standard_library_only():
    code = (
        "import sys, alledge.runtime.json_documents;"
        "print(*[m for m in ('numpy', 'PIL', 'click', 'hashlib', 'tempfile') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""


# Files that parse JSON themselves, and why they may.
OWN_PARSERS = {
    "runtime/json_documents.py": "is the reader",
    "runtime/json_schema.py": "reads alledge's own schemas",
    "runtime/bundle/bundle.py": "checks the bytes of bundle.json as well",
    "runtime/bundle/verify.py": "reads inside a bundle",
    "runtime/station/history/agreement.py": "reads bodies of its own database",
    "runtime/station/history/queries.py": "reads bodies of its own database",
    "runtime/station/history/verification.py": "reads bodies of its own database",
    "runtime/station/server/openapi.py": "reads alledge's own schemas",
    "runtime/station/server/request_parts.py": "reads the bytes of a request",
    "export/convert/worker.py": "reads what the pool of its own processes wrote",
    "train/fitting/training_loop.py": "its state may hold an infinite loss",
    "train/demo/full_page.py": "reads what its own processes printed",
    "train/demo/quick_page.py": "reads what its own processes printed",
    "benchmarks/internal/hangs.py": "reads what its own processes printed",
    "benchmarks/internal/cell_peers.py": "reads what its own processes printed",
    "devices/pack/installer/install.py": "runs without alledge",
}
ROOT = Path(__file__).resolve().parents[2]


def test_no_other_module_parses_json():
    packages = ("runtime", "train", "export", "devices", "benchmarks")
    users = {
        path.relative_to(ROOT).as_posix()
        for package in packages
        for path in (ROOT / package).rglob("*.py")
        if re.search(r"\bjson\.loads?\(", path.read_text(encoding="utf-8"))
    }
    assert users <= set(OWN_PARSERS)


@pytest.mark.parametrize("name", ["b\udce9\udcff/d", "\udc80", "é😀"])
def test_a_record_holds_names_of_files_that_are_no_utf8(tmp_path, name):
    write_json(tmp_path / "run.json", {"root": name})
    read = read_json(tmp_path / "run.json", error=DataError, file_names=True)
    assert read == {"root": name}


@pytest.mark.parametrize("text", ["\\ud800", "\\udc7f", "\\udbff"])
def test_halves_that_are_no_byte_of_a_name_are_refused_in_a_record_too(tmp_path, text):
    record = write(tmp_path / "run.json", f'{{"root": "{text}"}}')
    with pytest.raises(DataError, match="half of a surrogate pair"):
        read_json(record, error=DataError, file_names=True)
