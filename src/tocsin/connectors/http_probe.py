"""A probe that asks a web address and looks at one field of the JSON it answers.

Parameters:
    url       the address; GET, no redirects
    field     the path of the field, dots between names and numbers for list items: `model.version`
    equals    the text the field must be, or
    at_most, at_least    decimal figures that it must not pass; either or both
`{name}` in `equals`, `at_most` or `at_least` stands for a parameter of the action that is being verified.
Without `field`, any answer with a status from 200 to 299 is a yes.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from decimal import Decimal, InvalidOperation

import httpx

from tocsin.connectors.outgoing import Allowed, check_destination, guarded
from tocsin.connectors.ports import Answer, Params
from tocsin.connectors.time_limit import within
from tocsin.kernel.errors import Invalid, Refused, Unavailable

KNOWN = frozenset({"url", "field", "equals", "at_most", "at_least"})
BLANK = re.compile(r"\{([a-z_]+)\}")


class HttpProbe:
    """A `ProbeConnector` for anything that answers with JSON.

    `allowed` lists the destinations that are not public. By default all of them may be asked, since a model
    server is most often inside, but never a cloud's metadata service.
    """

    name = "http"

    def __init__(self, *, seconds: float = 3.0, most_bytes: int = 1_000_000, allowed: Allowed = True) -> None:
        self._allowed = allowed
        self._seconds = seconds
        self._most_bytes = most_bytes

    def answer(self, params: Params, given: Params) -> Answer:
        """Ask and compare; what cannot be reached or read is `unknown`, with the reason."""
        wanted = _filled(params, given)
        try:
            status, body = within(
                self._seconds, f"Asking {wanted['url']}", lambda: self._fetch(wanted["url"])
            )
        except (httpx.HTTPError, Unavailable, Refused) as error:
            return Answer(
                answer="unknown", measured={}, detail=f"{wanted['url']} could not be asked: {error}"
            )
        if not 200 <= status < 300:
            return _not_ok(wanted, status)
        if "field" not in wanted:
            return Answer(answer="yes", measured={"status": str(status)}, detail=f"It answered {status}.")
        try:
            found = _field(body, wanted["field"])
        except (ValueError, LookupError) as error:
            return Answer(answer="unknown", measured={}, detail=f"{wanted['field']} cannot be read: {error}")
        return _compared(wanted, found)

    def _fetch(self, url: str) -> tuple[int, bytes]:
        place = check_destination(url, self._allowed)
        with (
            guarded(self._allowed, place),
            httpx.Client(timeout=self._seconds, follow_redirects=False, trust_env=False) as client,
            client.stream("GET", url) as got,
        ):
            body = bytearray()
            for chunk in got.iter_bytes():
                body += chunk
                if len(body) > self._most_bytes:
                    raise Unavailable(f"the answer is longer than {self._most_bytes} bytes.")
            return got.status_code, bytes(body)


def _filled(params: Params, given: Params) -> dict[str, str]:
    unknown = sorted(set(params) - KNOWN)
    if unknown:
        raise Invalid(f"The http probe knows no parameter {unknown[0]!r}.", where=unknown[0])
    url = params.get("url", "")
    if not re.match(r"https?://[^/]", url):
        raise Invalid(f"{url!r} is not a web address.", where="url")
    if "field" in params and not {"equals", "at_most", "at_least"} & set(params):
        raise Invalid(
            "It does not say what the field must be.", where="field", mend="Add `equals` or `at_most`."
        )
    return {
        name: value if name == "url" else _filled_in(name, value, given) for name, value in params.items()
    }


def _filled_in(name: str, text: str, given: Params) -> str:
    def value(blank: re.Match[str]) -> str:
        if blank[1] not in given:
            raise Invalid(f"Nothing is given for {blank[0]}.", where=name)
        return given[blank[1]]

    return BLANK.sub(value, text)


def _not_ok(wanted: Params, status: int) -> Answer:
    detail = f"{wanted['url']} answered {status}."
    return Answer(
        answer="unknown" if "field" in wanted else "no", measured={"status": str(status)}, detail=detail
    )


def _field(body: bytes, path: str) -> str:
    value: object = json.loads(body)
    for name in path.split("."):
        if isinstance(value, list):
            value = value[int(name)]
        elif isinstance(value, Mapping):
            value = value[name]
        else:
            raise LookupError(name)
    if value is None or isinstance(value, list | Mapping):
        raise ValueError("it is not one value")
    return value if isinstance(value, str) else json.dumps(value)


def _compared(wanted: Params, found: str) -> Answer:
    measured = {wanted["field"]: found[:200]}
    if "equals" in wanted:
        measured["wanted"] = wanted["equals"]
        same = found == wanted["equals"]
        detail = f"{wanted['field']} is {found[:200]}, wanted is {wanted['equals']}."
        return Answer(answer="yes" if same else "no", measured=measured, detail=detail)
    figure = _figure(found)
    if figure is None:
        return Answer(answer="unknown", measured=measured, detail=f"{found[:200]!r} is not a figure.")
    holds = True
    for bound in ("at_least", "at_most"):
        if bound not in wanted:
            continue
        limit = _figure(wanted[bound])
        if limit is None:
            raise Invalid(f"{wanted[bound]!r} is not a figure.", where=bound)
        measured[bound] = wanted[bound]
        holds = holds and (figure >= limit if bound == "at_least" else figure <= limit)
    return Answer(
        answer="yes" if holds else "no", measured=measured, detail=f"{wanted['field']} is {found[:200]}."
    )


def _figure(text: str) -> Decimal | None:
    try:
        figure = Decimal(text)
    except InvalidOperation:
        return None
    return figure if figure.is_finite() else None
