"""The pages people see. Server-rendered, work without JavaScript, made live by events."""

from __future__ import annotations

from fastapi import FastAPI


def install(app: FastAPI) -> None:
    """Add the pages to the app."""
