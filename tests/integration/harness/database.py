"""An empty database for a whole module, where one for each test would cost a server start each."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
from sqlalchemy import make_url


@contextmanager
def empty_database(server: str) -> Iterator[str]:
    """Create a database on the server at this URL; yield the product's setting for it, drop it afterwards."""
    name = f"tocsin_{uuid.uuid4().hex}"
    _run(server, f'CREATE DATABASE "{name}"')
    url = make_url(server).set(drivername="postgresql+psycopg", database=name)
    try:
        yield url.render_as_string(hide_password=False)
    finally:
        _run(server, f'DROP DATABASE "{name}" WITH (FORCE)')


def _run(url: str, statement: str) -> None:
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(statement.encode())
