"""The source keeps the rules that no linter knows: purity, words for every public name, a small SDK."""

from __future__ import annotations

import ast
import subprocess
import sys

import pytest

from tests.meta.source import CORE, ROOT, core_files, imported, python_files, tree

IMPURE_CALLS = {
    "datetime.now", "datetime.utcnow", "datetime.today", "dt.datetime.now", "dt.datetime.utcnow",
    "dt.datetime.today", "dt.date.today", "date.today", "uuid.uuid1", "uuid.uuid4", "uuid4", "uuid.uuid7", "open",
    "input", "print", "os.urandom",
}  # fmt: skip
"""Calls that ask the machine for the time, for chance or for a file."""


def impure_calls(module: ast.Module) -> list[str]:
    calls = (ast.unparse(node.func) for node in ast.walk(module) if isinstance(node, ast.Call))
    return [call for call in calls if call in IMPURE_CALLS]


def test_the_core_asks_nobody_for_the_time_for_chance_or_for_a_file() -> None:
    found = {path: calls for path in core_files() if (calls := impure_calls(tree(path)))}
    assert found == {}


@pytest.mark.parametrize("call", ["dt.datetime.now(UTC)", "uuid.uuid4()", "open('x')"])
def test_an_impure_call_is_found_wherever_it_hides(call: str) -> None:
    assert impure_calls(ast.parse(f"def f():\n    class A:\n        x = [{call}]")) != []


def test_the_core_draws_no_numpy_outside_signals_and_reviews() -> None:
    allowed = ("src/tocsin/signals/", "src/tocsin/reviews/")
    assert [path for path in core_files() if "numpy" in imported(path) and not path.startswith(allowed)] == []


def test_the_sdk_needs_the_standard_library_only() -> None:
    allowed = sys.stdlib_module_names | {"tocsin_sdk"}
    found = {
        path: outside
        for path in python_files("src/tocsin_sdk/")
        if (outside := {name for name in imported(path) if name.partition(".")[0] not in allowed})
    }
    assert found == {}


def undocumented(path: str) -> list[str]:
    """Return the public classes and functions of a file, and the file itself, that have no docstring."""
    module = tree(path)
    missing = [] if ast.get_docstring(module) or path.endswith("__init__.py") else [path]
    kinds = (ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
    for node in module.body:
        if isinstance(node, kinds) and not node.name.startswith("_") and not ast.get_docstring(node):
            missing.append(f"{path}:{node.lineno} {node.name}")
        if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
            missing += [
                f"{path}:{method.lineno} {node.name}.{method.name}"
                for method in node.body
                if isinstance(method, ast.FunctionDef | ast.AsyncFunctionDef)
                and not method.name.startswith("_")
                and not ast.get_docstring(method)
            ]
    return missing


def test_every_public_name_of_the_source_is_documented() -> None:
    missing = [name for path in python_files("src/") for name in undocumented(path)]
    assert not missing, "\n".join(missing)


@pytest.mark.parametrize(
    ("program", "allowed"),
    [
        ("import tocsin.cli_verify", {"kernel", "evidence", "cli_verify"}),
        ("import tocsin.cli", {"kernel", "evidence", "cli", "cli_verify"}),
    ],
)
def test_the_command_line_loads_nothing_that_its_command_does_not_need(
    program: str, allowed: set[str]
) -> None:
    tell = "import sys; print(*(n for n in sys.modules if n.startswith('tocsin.')), *sys.modules, sep='\\n')"
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", f"{program}; {tell}"],
        cwd=ROOT / "src", capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    loaded = done.stdout.split()
    assert {name.split(".")[1] for name in loaded if name.startswith("tocsin.")} <= allowed
    assert not {"sqlalchemy", "fastapi", "httpx", "numpy", "apprise", "jinja2"} & set(loaded)


def test_every_core_package_that_exists_is_held_pure() -> None:
    contracts = (ROOT / ".importlinter").read_text()
    pure = contracts.partition("[importlinter:contract:pure]")[2].partition("forbidden_modules")[0].split()
    existing = {f"tocsin.{name}" for name in CORE if (ROOT / "src/tocsin" / name / "__init__.py").is_file()}
    assert existing - set(pure) == set()
