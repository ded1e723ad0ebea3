"""Write the reference pages that are made from the source, or check that they are fresh.

`PYTHONPATH=. python tools/reference.py make` writes `docs/reference/<page>.md`; `check` compares and exits 1.
Every page is a table of what the program itself says: its command line, settings, routes, events, schemas.
"""

from __future__ import annotations

import ast
import inspect
import itertools
import json
import re
import secrets
import sys
import tempfile
import textwrap
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from pkgutil import iter_modules
from typing import Any, get_args

import click
import msgspec
from fastapi.routing import APIRoute

from tocsin import app, cli
from tocsin.kernel.errors import ERRORS
from tocsin.kernel.event import wire_name
from tocsin.settings import Settings
from tocsin.signals.monitor import DETECTORS
from tocsin.web import api, operations, pages, problems, site
from tocsin.web import permissions as source
from tocsin.web.permissions import PERMISSIONS, ROLES, Needs

ROOT = Path(__file__).resolve().parent.parent
FOLDER = ROOT / "docs" / "reference"
SCHEMAS = ROOT / "src" / "tocsin" / "catalog" / "schema"
MARK = "<!-- Made by tools/reference.py from the source. Do not edit: run `make generate`. -->"
OF_THE_CLIENT = {
    "TOCSIN_URL": "The server that the commands speak to (default http://127.0.0.1:8700).",
    "TOCSIN_TOKEN": "The API token that they send.",
}
KEYS = {
    "incident": "One stream per incident; its key is the incident's id.",
    "page": "One stream per incident: the escalation of its pages.",
    "run": "One stream per playbook run.",
    "containment": "One stream per containment action that somebody asked for.",
    "notice": "One stream per update.",
    "review": "One stream per incident: its review.",
    "custody": "One stream per evidence item, and one per export.",
    "configuration": "One stream for the installation.",
    "access": "One stream for the installation.",
}
"""Kind of stream to what its key is."""


def page(title: str, words: str, body: Iterable[str]) -> str:
    """Return a whole page."""
    return "\n".join([f"# {title}", "", MARK, "", words, "", *body]).rstrip() + "\n"


def table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> list[str]:
    """Return a Markdown table and the empty line after it."""
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    lines += ["| " + " | ".join(_cell(text) for text in row) + " |" for row in rows]
    return [*lines, ""]


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


def first_line(thing: object) -> str:
    """Return the first paragraph of a docstring in one line."""
    return " ".join((inspect.getdoc(thing) or "").partition("\n\n")[0].split())


def field_words(kind: type) -> dict[str, str]:
    """Return the texts below the fields of a class, its bases included."""
    words: dict[str, str] = {}
    for each in reversed(kind.__mro__):
        if each.__module__.startswith("tocsin"):
            words |= _own_words(each)
    return words


def _own_words(kind: type) -> dict[str, str]:
    body = ast.parse(textwrap.dedent(inspect.getsource(kind))).body[0]
    assert isinstance(body, ast.ClassDef)
    return {
        field.target.id: " ".join(str(text.value.value).split())
        for field, text in itertools.pairwise(body.body)
        if isinstance(field, ast.AnnAssign) and isinstance(field.target, ast.Name)
        and isinstance(text, ast.Expr) and isinstance(text.value, ast.Constant)
    }  # fmt: skip


# --- command line and settings ----------------------------------------------------------------------


def command_line() -> str:
    """The page of the command line."""
    words = (
        "`tocsin --help` says the same. Every command exits 0 when it did what it says and 2 when it was refused; "
        "`tocsin verify` also exits 1. The commands that speak to a server read `TOCSIN_URL` and `TOCSIN_TOKEN`. "
        "The options of `tocsin demo` are on [a page of their own](demo.md)."
    )
    return page("Command line", words, _commands(cli.main, "tocsin"))


def _commands(group: click.Group, above: str) -> Iterator[str]:
    for name, command in sorted(group.commands.items()):
        if isinstance(command, click.Group):
            yield from _commands(command, f"{above} {name}")
        elif not command.hidden:
            yield from _command(command, f"{above} {name}")


def _command(command: click.Command, name: str) -> Iterator[str]:
    usage = [name]
    rows = []
    for param in command.params:
        if isinstance(param, click.Option):
            wanted = "" if param.is_flag else f" {(param.metavar or str(param.type.name)).upper()}"
            default = (
                "" if param.is_flag or not isinstance(param.default, str) else f" Default: {param.default}."
            )
            rows.append((f"`{', '.join(param.opts)}{wanted}`", (param.help or "") + default))
        else:
            usage.append(param.make_metavar(click.Context(command)))
    usage += ["[OPTIONS]"] if rows else []
    yield from (f"## {name}", "", command.help or "", "", "```text", " ".join(usage), "```", "")
    if rows:
        yield from table(("Option", "Meaning"), rows)


def settings() -> str:
    """The page of the settings."""
    words = (
        "Settings come from the environment. A flag of `tocsin serve` goes before the variable, the variable before "
        "the default. An empty variable counts as not set. What is watched, who is on call and every policy is no "
        "setting: it is [configuration](configuration.md)."
    )
    said = field_words(Settings)
    default = Settings()
    rows = []
    for name, text in said.items():
        variable, _, meaning = text.partition(": ")
        value = getattr(default, name)
        rows.append((f"`{variable}`", meaning, _default(value)))
    body = [*table(("Variable", "Meaning", "Default"), rows), "## Of the commands that speak to a server", ""]
    body += table(("Variable", "Meaning"), [(f"`{name}`", text) for name, text in OF_THE_CLIENT.items()])
    return page("Settings", words, body)


def _default(value: object) -> str:
    if isinstance(value, bool):
        return "`1`" if value else "`0`"
    return "none" if value in ("", None) else f"`{value}`"


# --- what needs a built program ---------------------------------------------------------------------


@contextmanager
def built() -> Iterator[tuple[app.Program, Any]]:
    """Yield a program on an empty data directory, and its site. Nothing is started."""
    with tempfile.TemporaryDirectory(prefix="tocsin-reference-") as place:
        settings = Settings(data=Path(place), admin_password=secrets.token_urlsafe())
        program = app.build(settings, durable=False)
        try:
            yield program, site.build(program)
        finally:
            program.stop()


def http_api(described: dict[str, Any]) -> str:
    """The page of the HTTP API, from what `/openapi.json` says."""
    needs = permissions_by_route()
    words = (
        "Send `Authorization: Bearer <token>`. Bodies are JSON; unknown fields are refused. A refusal is a "
        "[problem](problem-types.md). `/openapi.json` describes every field. An incident is named by its id, its "
        "number or `INC-n`. 'nobody' in the third column: no sign-in is needed. 'key': an integration key, in the "
        "header, as basic password, or in the path as `/k/{key}/...`."
    )
    by_tag: dict[str, list[tuple[str, ...]]] = {}
    for path, methods in described["paths"].items():
        for method, told in methods.items():
            needed = needs.get((path, method.upper()))
            who = f"`{needed}`" if needed else "key" if "intake" in told["tags"] else "nobody"
            said = told["description"].partition("\n\n")[0]
            by_tag.setdefault(told["tags"][0], []).append((f"`{method.upper()}`", f"`{path}`", who, said))
    body: list[str] = []
    for tag, rows in sorted(by_tag.items()):
        body += [f"## {tag.capitalize()}", "", *table(("Method", "Path", "Permission", "What it does"), rows)]
    body += [
        "## Pages for people",
        "",
        "Served as HTML, not described in `/openapi.json`. A session's cookie is needed.",
        "",
    ]
    body += table(("Method", "Path", "Permission", "What it does"), _page_rows())
    return page("HTTP API", words, body)


def permissions_by_route() -> dict[tuple[str, str], str]:
    """Return (path, method) -> permission for every route of every module of the web."""
    names = [f"{api.__name__}.{one.name}" for one in iter_modules(api.__path__)]
    modules = [import_module(name) for name in [*names, "tocsin.web.live", operations.__name__]]
    routes = [
        route for module in (*modules, *pages.MODULES) for route in getattr(module, "router", _NONE).routes
    ]
    found = {}
    for route in routes:
        if isinstance(route, APIRoute) and (needed := _needed(route)):
            found.update({(route.path, method): needed for method in route.methods or ()})
    return found


class _NONE:
    routes: tuple[APIRoute, ...] = ()


def _needed(route: APIRoute) -> str:
    calls = (one.call for one in route.dependant.dependencies)
    return next((call.permission for call in calls if isinstance(call, Needs)), "")


def _page_rows() -> Iterator[tuple[str, ...]]:
    for module in pages.MODULES:
        for route in module.router.routes:
            if isinstance(route, APIRoute):
                methods = ", ".join(f"`{one}`" for one in sorted(route.methods or ()))
                needed = _needed(route)
                yield (
                    methods,
                    f"`{route.path}`",
                    f"`{needed}`" if needed else "nobody",
                    first_line(route.endpoint) or "Take a form of the console; the API has the same.",
                )


def permissions() -> str:
    """The page of roles and permissions."""
    words = (
        "An account has one role. Roles on an incident, such as commander, come on top: approving a containment "
        "action needs the role that the action names, not a permission alone. An integration key has `alert` and "
        "`telemetry` and nothing else."
    )
    meaning = permission_meanings()
    head = ("Permission", *ROLES, "What it allows")
    rows = [
        (f"`{name}`", *("yes" if name in ROLES[role] else "" for role in ROLES), meaning.get(name, ""))
        for name in PERMISSIONS
    ]
    return page("Roles and permissions", words, table(head, rows))


def permission_meanings() -> dict[str, str]:
    """Return permission -> what it allows, from the text below the table of roles."""
    body = ast.parse(inspect.getsource(source)).body
    for one, text in itertools.pairwise(body):
        named = (
            isinstance(one, ast.AnnAssign) and isinstance(one.target, ast.Name) and one.target.id == "ROLES"
        )
        if named and isinstance(text, ast.Expr) and isinstance(text.value, ast.Constant):
            names = "|".join(PERMISSIONS)
            parts = re.split(rf"(?:^|\s)({names}):\s", " ".join(str(text.value.value).split()))
            return {
                name: said.strip().rstrip(".") for name, said in zip(parts[1::2], parts[2::2], strict=True)
            }
    return {}


def metrics(program: app.Program) -> str:
    """The page of the metrics, from `/metrics` itself."""
    from types import SimpleNamespace

    request: Any = SimpleNamespace(app=SimpleNamespace(state=SimpleNamespace(program=program)))
    text = bytes(operations.metrics(request).body).decode()
    rows = [(f"`{name}`", said) for name, said in re.findall(r"^# HELP (\w+) (.*)$", text, re.MULTILINE)]
    words = (
        "`GET /metrics` answers in Prometheus' text format, without a sign-in. All are gauges. Watch "
        "`tocsin_job_lateness_seconds`: every duty is a job, so it tells when anything stands still."
    )
    return page("Metrics", words, table(("Metric", "Meaning"), rows))


# --- events, configuration, detectors, problems -----------------------------------------------------


def events() -> str:
    """The page of the events."""
    words = (
        "What the record is made of. An event is in the past tense, belongs to one stream, and never changes; a type "
        "only ever gains optional fields. Beside the fields below every event has its stream, position, time and "
        "actor, which stand in [its leaf](leaf-format.md). Wire names are fixed."
    )
    body: list[str] = []
    for kind in app.KINDS.values():
        rows = [(f"`{wire_name(one)}`", first_line(one), _fields(one)) for one in _union(kind.events)]
        body += [f"## {kind.name}", "", KEYS[kind.name], "", *table(("Event", "Meaning", "Fields"), rows)]
    return page("Events", words, body)


def _union(events: Any) -> tuple[Any, ...]:
    return get_args(events) or (events,)


def _fields(event: Any) -> str:
    names = [f"`{one.encode_name}`" + ("" if one.required else "?") for one in msgspec.structs.fields(event)]
    return ", ".join(names) or "none"


def configuration() -> str:
    """The page of the kinds of documents, from their JSON Schemas."""
    words = (
        "A configuration is a directory of YAML files. A file holds one or more documents between `---`; each names "
        "its `kind` and its `id`. What you leave out comes from the complete defaults that ship in the package; a "
        "document of the same kind and id takes the place of the default. "
        "`tocsin plan DIR` shows what would change, `tocsin apply DIR` brings it into force. The JSON Schemas are in "
        "`src/tocsin/catalog/schema/`, for completion in an editor."
    )
    body: list[str] = []
    for path in sorted(SCHEMAS.glob("*.json")):
        schema = json.loads(path.read_text())
        body += [f"## {path.stem}", "", schema.get("description", ""), "", *_properties(schema)]
        for name, part in schema.get("$defs", {}).items():
            if "properties" in part:
                body += [
                    f"### {name} in {path.stem}",
                    "",
                    part.get("description", ""),
                    "",
                    *_properties(part),
                ]
    return page("Configuration", words, body)


def _properties(schema: dict[str, Any]) -> list[str]:
    required = schema.get("required", ())
    rows = []
    for name, value in schema["properties"].items():
        default = (
            "required"
            if name in required
            else f"`{json.dumps(value['default'])}`"
            if "default" in value
            else ""
        )
        words = "Which of the kinds it is." if set(value) in ({"enum"}, {"const"}) else ""
        rows.append((f"`{name}`", _kind(value), default, value.get("description", words)))
    return table(("Field", "Type", "Default", "Meaning"), rows)


def _kind(value: Any) -> str:
    if isinstance(value, bool):
        return "any"
    if "$ref" in value:
        return str(value["$ref"]).rpartition("/")[2]
    if "const" in value:
        return f"`{value['const']}`"
    if "enum" in value:
        return ", ".join(f"`{one}`" for one in value["enum"])
    if "anyOf" in value:
        return " or ".join(text for one in value["anyOf"] if (text := _kind(one)) != "null")
    if value.get("type") == "array":
        return f"list of {_kind(value.get('items', {}))}"
    if value.get("type") == "object":
        inner = value.get("additionalProperties")
        return f"map to {_kind(inner)}" if isinstance(inner, dict) else "map"
    told = value.get("type", "any")
    return " or ".join(told) if isinstance(told, list) else str(told)


def detectors() -> str:
    """The page of the detectors."""
    words = (
        "A monitor names one of these in `detector:` and gives its parameters in `params:`. A detector that cannot "
        "tell says 'insufficient', never 'ok'. Why the intervals: see "
        "[how fairness monitors avoid false alarms](../explanation/fairness-monitors.md)."
    )
    body: list[str] = []
    for name, one in sorted(DETECTORS.items(), key=lambda item: (item[1].dimension, item[0])):
        units = ", ".join(f"`{unit}`" for unit in one.units if unit)
        body += [
            f"## {name}",
            "",
            f"Dimension `{one.dimension}`. {one.meaning} Units: {units or 'none'}.",
            "",
        ]
        rows = []
        for param in one.params:
            choices = f" One of {', '.join(f'`{word}`' for word in param.choices)}." if param.choices else ""
            default = (
                "required" if param.default is None else f"`{param.default}`" if param.default else "none"
            )
            rows.append((f"`{param.name}`", param.meaning + "." + choices, default))
        body += table(("Parameter", "Meaning", "Default"), rows) if rows else []
    return page("Detectors", words, body)


def problem_types() -> str:
    """The page of the problem types."""
    words = (
        f"Errors are RFC 9457 problem details (`application/problem+json`). The `type` is `{problems.TYPE}` and the "
        "name below; it is a name, not an address. `detail` says what was refused and why, `mend` what to do next, "
        "`where` the field, line or index, and `problems` every fault when there are several. The intake addresses "
        "answer in the words of the format they take instead."
    )
    rows = [(f"`{one.slug}`", str(one.status), one.title, first_line(one)) for one in ERRORS]
    rows += [
        (
            "`method-not-allowed`",
            "405",
            "Method Not Allowed",
            "The address exists and does not take this method.",
        ),
        ("`http`", "4xx", "the status' own name", "The request is not HTTP as it should be."),
        ("`error`", "500", "Something went wrong", "A fault of the server; it has been logged."),
    ]
    return page("Problem types", words, table(("Type", "Status", "Title", "When"), rows))


# --- make and check ---------------------------------------------------------------------------------


def texts() -> dict[str, str]:
    """Return file name to content of every page."""
    with built() as (program, served):
        described = served.openapi()
        made: dict[str, Callable[[], str]] = {
            "cli.md": command_line,
            "settings.md": settings,
            "http-api.md": lambda: http_api(described),
            "permissions.md": permissions,
            "metrics.md": lambda: metrics(program),
            "events.md": events,
            "configuration.md": configuration,
            "detectors.md": detectors,
            "problem-types.md": problem_types,
        }
        return {name: write() for name, write in made.items()}


def stale() -> list[str]:
    """Return the names of pages that are missing or not what the source says."""
    return [
        name
        for name, text in texts().items()
        if not (FOLDER / name).is_file() or (FOLDER / name).read_text() != text
    ]


def main(arguments: list[str]) -> int:
    """Run `make` or `check`; return the exit status."""
    if arguments == ["make"]:
        FOLDER.mkdir(parents=True, exist_ok=True)
        for name, text in texts().items():
            (FOLDER / name).write_text(text)
        return 0
    if arguments == ["check"]:
        found = stale()
        for name in found:
            print(f"stale: docs/reference/{name}. Run `make generate`.")
        return 1 if found else 0
    print(__doc__)
    return 2


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
