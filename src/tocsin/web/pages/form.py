"""Forms of pages: do what is asked, go back; a refusal is shown on the page with what was typed."""

from __future__ import annotations

from collections.abc import Callable

from fastapi import Request, Response

from tocsin.kernel.errors import TocsinError
from tocsin.web.pages.layout import back, fields, in_thread

Work = Callable[[dict[str, str]], str]
"""Does what the fields ask; returns the address to go on to."""

Show = Callable[[TocsinError, dict[str, str]], Response]
"""Makes the page again, with the refusal and what was typed."""


async def take(request: Request, work: Work, show: Show) -> Response:
    """Do the work of a form beside the loop, then go on (303); show the page again when it is refused."""
    given = await fields(request)
    try:
        to: str = await in_thread(lambda: work(given))
    except TocsinError as error:
        refused = error
        answer: Response = await in_thread(lambda: show(refused, given))
        return answer
    return back(request, to)
