"""No device module imports the pages; importing the pages loads no large package."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

from alledge import runtime

RUNTIME = Path(runtime.__file__).parent


def test_no_module_of_the_runtime_imports_the_pages() -> None:
    # a station and an archive write pages, and a site one with the style sheet; the plain
    # device path imports neither
    modules = [
        path
        for path in RUNTIME.rglob("*.py")
        if not {"pages", "station", "archive"} & set(path.relative_to(RUNTIME).parts)
        and path != RUNTIME / "sites" / "page.py"
    ]
    assert len(modules) > 20
    pages = re.compile(r"^\s*(from|import) [\w.]*\bpages\b", re.MULTILINE)
    assert not [path for path in modules if pages.search(path.read_text(encoding="utf-8"))]


def test_importing_the_pages_loads_no_jinja2_and_no_matplotlib() -> None:
    code = "import sys, alledge.runtime.pages.environment, alledge.runtime.pages.svg\n"
    code += "assert not {'jinja2', 'matplotlib', 'numpy'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)
