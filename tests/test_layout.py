"""The layout: which package may import which, no import circles, and what every file has."""

import ast
import configparser
import graphlib
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
# The packages that the files of a folder may import; the row of the innermost folder applies.
MAY_IMPORT: dict[str, set[str]] = {
    "runtime": {"runtime"},
    "train": {"train", "runtime"},
    "export": {"export", "train", "runtime"},
    "devices": {"devices", "runtime"},
    "devices/pack/installer": set(),  # runs on a device before alledge is installed there
    "benchmarks": {"benchmarks", "devices", "runtime"},
    # measures how networks are trained, on frozen bases
    "benchmarks/internal/cell_ablation": {"benchmarks", "train", "runtime"},
    # trains a network on fields with known bodies, of which some are drawn
    "benchmarks/internal/learned_detection": {"benchmarks", "train", "runtime"},
    # reads the images and the networks of a run
    "benchmarks/internal/adoption": {"benchmarks", "train", "export", "runtime"},
    "benchmarks/internal/feature_guards": {"benchmarks", "train", "export", "runtime"},
    # converts the networks of a run in other ways than an export
    "benchmarks/internal/converters": {"benchmarks", "train", "export", "runtime"},
    # draws generated cells, and reads the predictions of a run
    "benchmarks/internal/unusual_fields": {"benchmarks", "train", "runtime"},
}
PACKAGES = {folder.partition("/")[0] for folder in MAY_IMPORT}
NOT_INSTALLED = {"benchmarks/internal", "benchmarks/suite"}
TENSORFLOW = {"tensorflow", "keras"}
USE_TENSORFLOW = {"train", "export", "benchmarks/internal/converters"}

FILES = [
    path
    for package in sorted(PACKAGES)
    for path in sorted((ROOT / package).rglob("*.py"))
    if "suite" not in path.relative_to(ROOT).parts
]
MODULES = [*sorted(ROOT.glob("*.py")), *FILES]
TESTS = sorted((ROOT / "tests").rglob("*.py"))
by_path = pytest.mark.parametrize("path", FILES, ids=lambda path: path.relative_to(ROOT).as_posix())


def module_name(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(("alledge", *(parts[:-1] if parts[-1] == "__init__" else parts)))


NAMES = {module_name(path) for path in MODULES}


def imports_of(path: Path) -> Iterator[tuple[str, str | None]]:
    """Yield the module and the name of each import of a file, wherever in the file it stands.

    Relative imports are resolved; the name is None for ``import module``.
    """
    package = path.relative_to(ROOT).parent.parts
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from ((alias.name, None) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            module = node.module or ""
            if node.level:
                above = package[: len(package) - node.level + 1]
                module = ".".join(filter(None, ("alledge", *above, module)))
            yield from ((module, alias.name) for alias in node.names)


def modules_imported_by(path: Path) -> set[str]:
    """Return the modules of alledge that a file imports, those under TYPE_CHECKING included."""
    modules = set()
    for module, name in imports_of(path):
        submodule = f"{module}.{name}"
        modules.add(submodule if submodule in NAMES else module)
    return modules & NAMES - {module_name(path)}


@by_path
def test_a_package_imports_only_the_packages_it_may(path: Path) -> None:
    inside = path.relative_to(ROOT)
    folders = [parent.as_posix() for parent in inside.parents]
    allowed = next(MAY_IMPORT[folder] for folder in folders if folder in MAY_IMPORT)
    imported = {module.split(".")[1] for module in modules_imported_by(path) if "." in module}
    assert imported & PACKAGES <= allowed
    if not USE_TENSORFLOW & set(folders):
        assert not {module.split(".")[0] for module, _ in imports_of(path)} & TENSORFLOW


@by_path
def test_imports_inside_the_package_are_relative(path: Path) -> None:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    absolute = [
        node.lineno
        for node in ast.walk(tree)
        if (isinstance(node, ast.ImportFrom) and not node.level and node.module)
        and node.module.split(".")[0] == "alledge"
    ]
    assert not absolute


@by_path
def test_installed_code_imports_nothing_that_is_not_installed(path: Path) -> None:
    if not any(path.is_relative_to(ROOT / folder) for folder in NOT_INSTALLED):
        prefixes = tuple("alledge." + folder.replace("/", ".") for folder in NOT_INSTALLED)
        assert not [name for name in modules_imported_by(path) if name.startswith(prefixes)]


def test_no_modules_import_each_other_in_a_circle() -> None:
    graph = {module_name(path): modules_imported_by(path) for path in MODULES}
    assert "alledge.runtime.classifier" in graph["alledge.runtime.batch"]
    try:
        graphlib.TopologicalSorter(graph).prepare()
    except graphlib.CycleError as error:
        pytest.fail(" imports ".join(reversed(error.args[1])))


def test_no_private_name_is_imported_from_another_module() -> None:
    private = {
        f"{path.relative_to(ROOT).as_posix()}: {name}"
        for path in [*MODULES, *TESTS]
        for module, name in imports_of(path)
        if name is not None
        and (name.startswith("_") and not name.endswith("__"))
        and module.split(".")[0] == "alledge"
    }
    assert not private


def test_the_imports_of_a_file_are_found() -> None:
    assert "alledge.runtime.metrics.bundle_evaluation" in modules_imported_by(
        ROOT / "train" / "commands.py"
    )


@by_path
def test_every_module_has_a_docstring(path: Path) -> None:
    assert ast.get_docstring(ast.parse(path.read_text(encoding="utf-8")))


def test_every_public_function_and_class_has_a_docstring() -> None:
    undocumented = []
    for path in FILES:
        tree = ast.parse(path.read_text(encoding="utf-8"))
        for node in tree.body:
            if isinstance(node, (ast.FunctionDef, ast.ClassDef)) and not (
                node.name.startswith("_") or ast.get_docstring(node)
            ):
                undocumented.append(f"{path.relative_to(ROOT).as_posix()}:{node.name}")
    assert not undocumented


def test_every_text_file_is_opened_with_an_encoding() -> None:
    """Without one, Windows reads and writes cp1252."""
    without = []
    for path in FILES:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if (
                isinstance(node, ast.Call)
                and isinstance(node.func, ast.Attribute)
                and node.func.attr in ("read_text", "write_text")
                and not any(word.arg == "encoding" for word in node.keywords)
            ):
                without.append(f"{path.relative_to(ROOT).as_posix()}:{node.lineno}")
    assert not without


def test_every_package_is_listed_for_installing() -> None:
    """Setuptools finds no packages below a root that is a package itself, so they are listed."""
    setup = configparser.ConfigParser()
    setup.read(ROOT / "setup.cfg", encoding="utf-8")
    folders = {
        path.parent for package in PACKAGES for path in (ROOT / package).rglob("__init__.py")
    }
    names = {
        ".".join(("alledge", *folder.relative_to(ROOT).parts))
        for folder in folders
        if not any(folder.is_relative_to(ROOT / outside) for outside in NOT_INSTALLED)
    }
    assert setup["options"]["packages"].split() == ["alledge", *sorted(names)]
    for package, patterns in setup["options.package_data"].items():
        folder = ROOT.joinpath(*package.split(".")[1:])
        assert all(list(folder.glob(pattern.strip())) for pattern in patterns.split(","))


# Run by maintainers, or on a device before alledge is installed there.
PRINT_THEMSELVES = (
    "benchmarks/internal", "benchmarks/suite", "devices/pack/installer", "devices/estimates/"
    "calibrate_roofline.py", "devices/operator_support.py", "export/matrix/fill.py",
    "train/data/cells/copy_benchmark.py", "train/data/overlaps/benchmark.py",
    "train/study/head_benchmark.py",
)  # fmt: skip


def test_only_one_module_prints() -> None:
    """`runtime.terminal` escapes control characters, and knows of streams that fail."""
    printing = []
    for path in MODULES:
        name = path.relative_to(ROOT).as_posix()
        if name.startswith(PRINT_THEMSELVES) or name == "runtime/terminal.py":
            continue
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call):
                called = ast.unparse(node.func)
                if called in ("print", "click.echo", "click.secho", "sys.stdout.write"):
                    printing.append(f"{name}:{node.lineno}")
    assert not printing


def test_only_one_module_writes_csv() -> None:
    """`runtime.csv_cells` writes no cell that a spreadsheet computes."""
    writing = []
    for path in MODULES:
        name = path.relative_to(ROOT).as_posix()
        text = path.read_text(encoding="utf-8")
        if "csv.writer(" in text or "csv.DictWriter(" in text:
            writing.append(name)
    # the second one writes the list of files of a wheel, whose format is fixed
    assert writing == ["devices/pack/wheels.py", "runtime/csv_cells.py"]
