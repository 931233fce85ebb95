"""The operator versions that each TFLite runtime supports: data, and the probe that collects it.

``python -m alledge.devices.operator_support PACKAGE`` probes one installed runtime
(``ai_edge_litert`` or ``tflite_runtime``) and prints its row of ``operator_support.json``. The
probe needs ai-edge-litert for the schema, so install it beside tflite-runtime.
"""

from __future__ import annotations

import importlib
import importlib.metadata
import json
import re
import sys
from collections.abc import Callable, Iterable
from importlib import resources
from typing import Any

from ..errors import DataError
from ..runtime.json_documents import parse_json
from ..runtime.tflite_graph import IDENTIFIER, load_schema, operator_codes

TABLE = "operator_support.json"
NEWEST_TRIED = 30
# Error texts of runtimes: operator not supported, unknown operator code, CUSTOM without a name.
REFUSALS = ("Didn't find op", "out of range", "no custom_code")


def supported_versions() -> dict[str, dict[str, int]]:
    """Return the newest supported version of each operator, by ``"package version"``."""
    content = resources.files(__package__).joinpath(TABLE).read_bytes()
    table: dict[str, dict[str, int]] = parse_json(content, TABLE, error=DataError)["engines"]
    return table


def nearest_probed_runtime(package: str, version: str, runtimes: Iterable[str]) -> str | None:
    """Return the newest probed runtime that is not newer than an installed one.

    Parameters
    ----------
    package, version : str
        Of the installed runtime.
    runtimes : iterable of str
        ``"package version"``, the keys of `supported_versions`.

    Examples
    --------
    >>> nearest_probed_runtime("ai-edge-litert", "2.10.0", ["ai-edge-litert 2.3.0"])
    'ai-edge-litert 2.3.0'
    """
    installed = _version_numbers(version)
    candidates = [
        (numbers, runtime)
        for runtime in runtimes
        if runtime.rpartition(" ")[0] == package
        and (numbers := _version_numbers(runtime.rpartition(" ")[2])) <= installed
    ]
    return max(candidates)[1] if candidates else None


def _version_numbers(version: str) -> tuple[int, ...]:
    return tuple(map(int, re.findall(r"\d+", version)))


def unsupported_operators(
    used: dict[str, int], supported: dict[str, int]
) -> dict[str, tuple[int, int]]:
    """Return the operators that a runtime cannot run: the version used and the newest supported.

    Parameters
    ----------
    used : dict of str to int
        As `tflite_graph.operator_versions` returns it.
    supported : dict of str to int
        Of one runtime. An operator that it does not name is not supported (version 0).

    Examples
    --------
    >>> unsupported_operators({"ADD": 1, "FULLY_CONNECTED": 12}, {"ADD": 3, "FULLY_CONNECTED": 10})
    {'FULLY_CONNECTED': (12, 10)}
    """
    return {
        name: (version, supported.get(name, 0))
        for name, version in used.items()
        if version > supported.get(name, 0)
    }


def probe_runtime(interpreter: Callable[..., Any]) -> dict[str, int]:
    """Return the newest version of each built-in operator that a runtime supports.

    Parameters
    ----------
    interpreter : callable
        The runtime's ``Interpreter``.

    Notes
    -----
    A runtime looks up the operators of a model before it does anything else with it. So each
    version of each operator is tried with a model that names the operator and has no graph.
    """
    supported = {}
    for code, name in operator_codes().items():
        for version in range(1, NEWEST_TRIED + 1):
            if not _is_supported(interpreter, model_with_operator(code, version)):
                break
            supported[name] = version
    return dict(sorted(supported.items()))


def model_with_operator(code: int, version: int) -> bytes:
    """Return a TFLite model that lists one operator and has no graph.

    Parameters
    ----------
    code : int
        A key of `tflite_graph.operator_codes`.
    version : int
    """
    import flatbuffers

    schema = load_schema()
    operator, model = schema.OperatorCodeT(), schema.ModelT()
    operator.builtinCode, operator.version = code, version
    operator.deprecatedBuiltinCode = min(
        code, schema.BuiltinOperator.PLACEHOLDER_FOR_GREATER_OP_CODES
    )
    model.version, model.operatorCodes = 3, [operator]
    model.subgraphs, model.buffers = [schema.SubGraphT()], [schema.BufferT()]
    builder = flatbuffers.Builder(256)
    builder.Finish(model.Pack(builder), file_identifier=IDENTIFIER)
    return bytes(builder.Output())


def says_unsupported(message: str) -> bool:
    """Return whether a runtime's error message says that it does not support an operator."""
    return any(refusal in message for refusal in REFUSALS)


def _is_supported(interpreter: Callable[..., Any], model: bytes) -> bool:
    try:
        interpreter(model_content=model, num_threads=1)
    except (ValueError, RuntimeError) as error:
        return not says_unsupported(str(error))
    return True


def main() -> None:
    """Print the row of the runtime that the command line names."""
    package = sys.argv[1]
    interpreter = importlib.import_module(f"{package}.interpreter").Interpreter
    distribution = package.replace("_", "-")
    runtime = f"{distribution} {importlib.metadata.version(distribution)}"
    print(json.dumps({runtime: probe_runtime(interpreter)}))


if __name__ == "__main__":
    main()
