"""The command line. Each command imports what it needs when it runs, so that `verify` stays small."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

import click

from tocsin import __version__
from tocsin.kernel.errors import TocsinError


class Tocsin(click.Group):
    """Tells errors that tocsin raises on purpose in one line each, with exit code 2."""

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command; a `TocsinError` becomes its text on stderr."""
        try:
            return super().invoke(ctx)
        except TocsinError as error:
            click.echo(f"{error.title}: {error}", err=True)
            ctx.exit(2)


@click.group(cls=Tocsin, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__)
def main() -> None:
    """Incident response for AI systems, whose record can be proved."""


@main.command()
@click.option("--config", type=click.Path(path_type=Path), help="Directory of YAML files to apply at start.")
@click.option("--data", type=click.Path(path_type=Path), help="Data directory (default: data).")
@click.option("--host", help="Address to listen on (default: 127.0.0.1).")
@click.option("--port", type=int, help="Port to listen on (default: 8700; 0 takes a free one).")
@click.option("--open-intake", is_flag=True, default=None, help="Take alerts without a key; loopback only.")
def serve(
    config: Path | None, data: Path | None, host: str | None, port: int | None, open_intake: bool | None
) -> None:
    """Run the server."""
    from tocsin.settings import from_environment

    settings = from_environment(config=config, data=data, host=host, port=port, open_intake=open_intake)
    from tocsin.serve import run  # takes seconds: a setting that does not fit is told at once

    run(settings)


@main.command()
@click.argument("path", type=click.Path(path_type=Path))
@click.option("--key", help="The signer's verifier key (vkey).")
@click.option("--checkpoint", type=click.Path(path_type=Path), help="A checkpoint you kept earlier.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def verify(path: Path, key: str | None, checkpoint: Path | None, as_json: bool) -> None:
    """Verify an export, offline: exit 0 intact, 1 not intact, 2 unusable."""
    from tocsin import cli_verify

    sys.exit(cli_verify.main(path, key, checkpoint, as_json))


@main.command(context_settings={"ignore_unknown_options": True}, add_help_option=False)
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
def demo(arguments: tuple[str, ...]) -> None:
    """Start the demonstration: a real AI system, a real fault, and the response to it."""
    from importlib import import_module

    sys.exit(import_module("tocsin_demo.story").main(list(arguments)))


@main.command()
def migrate() -> None:
    """Bring the database's schema up to date (PostgreSQL; SQLite does it by itself at start)."""
    from tocsin.settings import from_environment
    from tocsin.store.database import Database
    from tocsin.store.store import upgrade

    database = Database(from_environment().url)
    upgrade(database)
    database.close()
    click.echo("The schema is up to date.")


# --- through the API ------------------------------------------------------------------------------


class Server:
    """The server's API, as `TOCSIN_URL` and `TOCSIN_TOKEN` name it."""

    def __init__(self) -> None:
        import httpx

        url = os.environ.get("TOCSIN_URL", "http://127.0.0.1:8700")
        token = os.environ.get("TOCSIN_TOKEN", "")
        if not token:
            raise click.ClickException("Set TOCSIN_TOKEN to an API token (and TOCSIN_URL to the server).")
        self._client = httpx.Client(base_url=url, headers={"authorization": f"Bearer {token}"}, timeout=60)

    def ask(self, method: str, path: str, **more: Any) -> Any:
        """Return the answer; a refusal ends the command with its text and exit code 2."""
        import httpx

        try:
            reply = self._client.request(method, path, **more)
        except httpx.HTTPError as error:
            raise click.ClickException(
                f"The server at {self._client.base_url} does not answer: {error}"
            ) from error
        if reply.status_code >= 400:
            self._refused(reply.json())
        return reply.json() if "json" in reply.headers.get("content-type", "") else reply

    def _refused(self, told: dict[str, Any]) -> None:
        lines = [f"{told.get('title', 'Refused')}: {told.get('detail', '')}"]
        if told.get("where"):
            lines[0] += f" ({told['where']})"
        lines += [
            f"  {one['file']}:{one['line']}: {one['why']} {one['mend']}"
            for one in told.get("problems", ())
            if "file" in one
        ]
        if told.get("mend"):
            lines.append(told["mend"])
        click.echo("\n".join(lines), err=True)
        sys.exit(2)


def _print(value: Any, as_json: bool, lines: list[str]) -> None:
    click.echo(json.dumps(value, indent=2) if as_json else "\n".join(lines))


AS_JSON = click.option("--json", "as_json", is_flag=True, help="Print JSON for machines.")


def _files(directory: Path) -> dict[str, str]:
    from tocsin.engine.configuration import read_directory

    return read_directory(directory)


@main.command()
@click.argument("directory", type=click.Path(path_type=Path))
@AS_JSON
def plan(directory: Path, as_json: bool) -> None:
    """Show what a directory of YAML files would change."""
    told = Server().ask("POST", "/api/v1/configuration/plan", json={"files": _files(directory)})
    _print(told["plan"], as_json, [told["text"].rstrip()])


@main.command()
@click.argument("directory", type=click.Path(path_type=Path))
@AS_JSON
def apply(directory: Path, as_json: bool) -> None:
    """Bring a directory of YAML files into force; the same again changes nothing."""
    told = Server().ask("POST", "/api/v1/configuration/apply", json={"files": _files(directory)})
    _print(told, as_json, [told["text"].rstrip(), f"Version {told['version']} is in force."])


@main.group()
def incident() -> None:
    """List, show, declare and export incidents."""


@incident.command("list")
@click.option("--status", help="States, comma-separated.")
@AS_JSON
def incident_list(status: str | None, as_json: bool) -> None:
    """List incidents, newest first."""
    params = {"status": status} if status else {}
    found = Server().ask("GET", "/api/v1/incidents", params=params)["incidents"]
    ranks = {0: "P0", 1: "P1", 2: "P2", 3: "P3", None: "?"}
    lines = [
        f"INC-{one['number']:<5} {ranks[one['severity']]:<3} {one['status']:<14} {one['title']}"
        for one in found
    ]
    _print(found, as_json, lines or ["No incidents."])


@incident.command("show")
@click.argument("name")
@AS_JSON
def incident_show(name: str, as_json: bool) -> None:
    """Show an incident and its timeline."""
    server = Server()
    told = server.ask("GET", f"/api/v1/incidents/{name}")
    timeline = server.ask("GET", f"/api/v1/incidents/{name}/timeline")["timeline"]
    state = told["incident"]
    lines = [f"{told['name']} {told['severity_label']} {state['status']}: {state['title']}", ""]
    lines += [
        f"{one['at'][11:19]}  {one['text']}" + (f"  ({one['detail']})" if one["detail"] else "")
        for one in timeline
    ]
    _print({**told, "timeline": timeline}, as_json, lines)


@incident.command("declare")
@click.argument("title")
@click.option("--severity", help="P0 to P3, or unknown.")
@click.option("--system", help="The system it is about.")
@click.option("--category", help="The category.")
@AS_JSON
def incident_declare(
    title: str, severity: str | None, system: str | None, category: str | None, as_json: bool
) -> None:
    """Declare an incident; a title is enough."""
    body = {"title": title, "severity": severity, "system": system, "category": category}
    told = Server().ask("POST", "/api/v1/incidents", json={k: v for k, v in body.items() if v is not None})
    _print(told, as_json, [f"Declared {told['name']}."])


@incident.command("export")
@click.argument("name")
@click.argument("directory", type=click.Path(path_type=Path))
@click.option("--purpose", default="Verification", help="What it is for; it goes on the record.")
def incident_export(name: str, directory: Path, purpose: str) -> None:
    """Export an incident to a new directory that `tocsin verify` can check."""
    import io
    import zipfile

    if directory.exists():
        raise click.ClickException(f"{directory} exists already.")
    reply = Server().ask("POST", f"/api/v1/incidents/{name}/export", json={"purpose": purpose})
    with zipfile.ZipFile(io.BytesIO(reply.content)) as archive:
        archive.extractall(directory)
    click.echo(
        f"Exported to {directory}. Verify with:\n  tocsin verify {directory} --key '{reply.headers['x-tocsin-vkey']}'"
    )


@main.group()
def access() -> None:
    """Create accounts, API tokens and integration keys."""


@access.command("key")
@click.argument("name")
def access_key(name: str) -> None:
    """Create an integration key for what sends alerts or predictions; printed once."""
    click.echo(Server().ask("POST", "/api/v1/integration-keys", json={"name": name})["key"])


@access.command("token")
@click.argument("name")
@click.option("--account", help="The account's id (default: your own).")
def access_token(name: str, account: str | None) -> None:
    """Create an API token; printed once."""
    click.echo(Server().ask("POST", "/api/v1/tokens", json={"name": name, "account": account})["token"])


@access.command("account")
@click.argument("email")
@click.argument("name")
@click.option(
    "--role", default="responder", help="viewer, responder, lead, compliance, auditor or administrator."
)
@click.password_option(help="At least 10 characters.")
def access_account(email: str, name: str, role: str, password: str) -> None:
    """Create an account."""
    body = {"email": email, "name": name, "role": role, "password": password}
    made = Server().ask("POST", "/api/v1/accounts", json=body)
    click.echo(f"Created {made['email']} as {made['role']}.")


@main.group()
def log() -> None:
    """The Merkle log."""


@log.command("checkpoint")
def log_checkpoint() -> None:
    """Print the newest signed checkpoint: keep it, and nobody can rewrite what came before it unseen."""
    told = Server().ask("GET", "/api/v1/log")
    click.echo(told["checkpoint"] or "There is no checkpoint yet.", nl=not told["checkpoint"])
    click.echo(f"vkey {told['vkey']}", err=True)


if __name__ == "__main__":
    main()
