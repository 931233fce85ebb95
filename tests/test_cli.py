"""The command line: every command has help, and imports nothing that it does not need."""

import re
import subprocess
import sys
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from alledge.cli import COMMANDS, main

ROOT = Path(__file__).resolve().parent.parent
LARGE_PACKAGES = {
    "ai_edge_litert", "duckdb", "fsspec", "jinja2", "jsonschema", "keras", "matplotlib", "onnx",
    "onnxruntime", "openvino", "pyarrow", "ray", "rich", "scipy", "sklearn", "tensorflow",
    "tflite_runtime",
}  # fmt: skip


def loaded_by(code: str) -> set[str]:
    """Return the top-level modules that a fresh interpreter has after `code`."""
    script = f"import sys\n{code}\nprint(' '.join({{name.split('.')[0] for name in sys.modules}}))"
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, encoding="utf-8", check=True
    )
    return set(done.stdout.splitlines()[-1].split())


def test_importing_the_command_line_and_the_runtime_loads_no_large_package():
    """Of the extra ``archive``, only the definition of its commands is imported by others."""
    archive = ROOT / "runtime" / "archive"
    modules = [
        ".".join(("alledge", *path.relative_to(ROOT).with_suffix("").parts))
        for path in sorted((ROOT / "runtime").rglob("*.py"))
        if path.stem != "__init__" and path.parent.name != "backends"
        if archive not in path.parents or path == archive / "commands.py"
    ]
    assert "alledge.runtime.bundle.bundle" in modules
    loaded = loaded_by(f"import alledge.cli, {', '.join(modules)}, alledge.runtime.backends")
    assert not loaded & LARGE_PACKAGES


def test_watching_and_the_history_need_no_package_of_the_page():
    """A device without the extra ``station`` watches folders; classifying opens no database."""
    modules = "alledge.runtime.station.watching.run_watch, alledge.runtime.station.history.export"
    page = {"anyio", "h11", "python_multipart", "starlette", "uvicorn"}
    assert not loaded_by(f"import alledge.runtime.station.commands, {modules}") & page
    assert "sqlite3" not in loaded_by("import alledge.runtime.batch, alledge.runtime.commands")


def test_help_imports_no_command():
    code = "from click.testing import CliRunner; from alledge.cli import main\n"
    code += "assert CliRunner().invoke(main, ['--help']).exit_code == 0\n"
    code += "assert not [m for m in sys.modules if m.startswith('alledge.') and m.count('.') > 1]"
    assert not loaded_by(code) & LARGE_PACKAGES


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_help_an_example_and_a_place_in_the_readme(name):
    command = main.get_command(click.Context(main), name)
    line = COMMANDS[name][1]
    assert len(line) < 60
    assert command.get_short_help_str(limit=80) == line
    for flag in ("-h", "--help"):
        result = CliRunner().invoke(main, [name, flag])
        assert result.exit_code == 0
        assert re.search(rf"Example:\n\s+alledge {name}\b", result.output)
    assert f"alledge {name}" in (ROOT / "README.md").read_text(encoding="utf-8")


def test_every_option_says_what_it_does():
    for name in COMMANDS:
        command = main.get_command(click.Context(main), name)
        for option in command.params:
            if isinstance(option, click.Option) and not option.hidden:
                assert option.help or option.show_default, f"{name} {option.opts}"


def test_unknown_command_names_the_nearest():
    result = CliRunner().invoke(main, ["clasify"])
    assert result.exit_code == 2
    assert "Did you mean 'classify'?" in result.output


def test_an_alledge_error_is_printed_with_its_fix_and_sets_the_exit_code(tmp_path):
    result = CliRunner().invoke(main, ["verify", str(tmp_path / "nowhere")])
    assert result.exit_code == 1
    assert result.output.startswith("error: ")
    assert "fix: " in result.output
    assert "Traceback" not in result.output


def test_version_is_the_one_that_is_installed():
    from importlib.metadata import version

    import alledge

    assert version("alledge") == alledge.__version__
    assert alledge.__version__ in CliRunner().invoke(main, ["--version"]).output


def test_module_runs_as_the_script_does():
    done = subprocess.run(
        [sys.executable, "-m", "alledge", "--help"],
        capture_output=True,
        encoding="utf-8",
        check=True,
    )
    assert done.stdout.startswith("Usage: alledge")


def paths_of(command: click.Command) -> list[click.Parameter]:
    """Return the parameters of a command, and of the commands in it, that are paths."""
    inner = command.commands.values() if isinstance(command, click.Group) else ()
    own = [parameter for parameter in command.params if isinstance(parameter.type, click.Path)]
    return [*own, *(parameter for sub in inner for parameter in paths_of(sub))]


@pytest.mark.parametrize("name", [name for name in COMMANDS if name not in ("models", "keygen")])
def test_an_empty_path_is_refused_instead_of_taken_for_the_current_folder(name):
    context = click.Context(main)
    paths = paths_of(main.get_command(context, name))
    if name not in ("devices", "station"):  # station hands its words to serve or watch
        assert paths
    for path in paths:
        value = [""] if path.multiple or path.nargs == -1 else ""
        with pytest.raises(click.BadParameter, match="the name is empty"):
            path.type_cast_value(context, value)
