"""The exceptions: each is documented and raised, and its message names the fix."""

import re
from pathlib import Path

from alledge import errors
from alledge.errors import AlledgeError, MissingPackageError, UsageError, unknown_name

ROOT = Path(__file__).resolve().parent.parent
FAMILY = [
    kind
    for kind in vars(errors).values()
    if isinstance(kind, type) and issubclass(kind, AlledgeError)
]


def test_the_docstring_lists_every_exception():
    for kind in FAMILY:
        assert re.search(rf"\b{kind.__name__}\b", errors.__doc__)


def test_every_exception_is_raised_in_a_test():
    tests = "\n".join(
        path.read_text(encoding="utf-8")
        for path in (ROOT / "tests").rglob("test_*.py")
        if path != Path(__file__)
    )
    for kind in FAMILY:
        if kind is not AlledgeError:
            assert re.search(rf"raises\(\s*\(?[^)]*\b{kind.__name__}\b", tests), kind.__name__


def test_a_message_carries_what_is_allowed_and_the_fix():
    error = AlledgeError("it is 3", allowed=["1", "2"], fix="use 2")
    assert str(error) == "it is 3\nallowed: 1, 2\nfix: use 2"
    assert error.one_line == "it is 3; allowed: 1, 2; fix: use 2"


def test_wrong_usage_exits_with_2_and_other_errors_with_1():
    assert UsageError("x").exit_code == 2
    assert {kind.exit_code for kind in FAMILY if kind is not UsageError} == {1}


def test_unknown_name_suggests_the_nearest_and_lists_all():
    error = unknown_name("model", "mobilnet", ["mobilenetv2", "vgg16"])
    assert "did you mean 'mobilenetv2'?" in str(error)
    assert "vgg16" in str(error)


def test_a_missing_package_names_the_extra_that_brings_it():
    error = MissingPackageError("onnxruntime", "onnx", "running this bundle")
    assert 'pip install "alledge[onnx]"' in str(error)
