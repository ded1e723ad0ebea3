"""Every route, for every kind of caller, against one declared expectation (PLT-1)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest
from fastapi import APIRouter, Depends, Request
from fastapi.routing import iter_route_contexts

from tests.unit.web.conftest import ACCOUNT_ROLES, Place
from tocsin.catalog.access import AccountRole
from tocsin.engine import access
from tocsin.web.permissions import PERMISSIONS, ROLES, Needs, Permission
from tocsin.web.site import PUBLIC

ANYONE: tuple[Permission, ...] = ()
SEND: tuple[Permission, ...] = ("alert",)

DECISIONS: dict[str, tuple[Permission, ...]] = {
    # For operators.
    "GET /openapi.json": ANYONE,
    "HEAD /openapi.json": ANYONE,
    "GET /healthz": ANYONE,
    "GET /readyz": ANYONE,
    "GET /metrics": ANYONE,
    # Coming in, and the one-tap link, which proves by itself who was sent it.
    "GET /sign-in": ANYONE,
    "POST /sign-in": ANYONE,
    "GET /acknowledge/{token}": ANYONE,
    "POST /acknowledge/{token}": ANYONE,
    # Intake asks for a key in its sender's own words.
    "POST /api/v2/alerts": SEND,
    "POST /k/{key}/api/v2/alerts": SEND,
    "GET /api/v2/alerts": ("read", "alert"),
    "GET /k/{key}/api/v2/alerts": SEND,
    "POST /v2/enqueue": SEND,
    "POST /k/{key}/v2/enqueue": SEND,
    # Pages.
    "POST /sign-out": ("read",),
    "GET /live": ("read",),
    "GET /": ("read",),
    "GET /now": ("read",),
    "GET /incidents": ("read",),
    "GET /incidents/{number}": ("read",),
    "GET /incidents/{number}/proofs/{index}": ("log",),
    "GET /evidence/{id}": ("evidence",),
    "POST /incidents/{number}/acknowledge": ("respond",),
    "POST /incidents/{number}/notes": ("respond",),
    "POST /incidents/{number}/findings": ("respond",),
    "POST /incidents/{number}/hypotheses": ("respond",),
    "POST /incidents/{number}/verdicts": ("respond",),
    "POST /incidents/{number}/decisions": ("respond",),
    "POST /incidents/{number}/facts": ("respond",),
    "POST /incidents/{number}/category": ("respond",),
    "POST /incidents/{number}/command": ("respond",),
    "POST /incidents/{number}/runs": ("respond",),
    "POST /incidents/{number}/severity": ("command",),
    "POST /incidents/{number}/roles": ("command",),
    "POST /incidents/{number}/contained": ("command",),
    "POST /incidents/{number}/monitoring": ("command",),
    "POST /incidents/{number}/resolve": ("command",),
    "POST /incidents/{number}/reopen": ("command",),
    "POST /incidents/{number}/close": ("command",),
    "POST /incidents/{number}/updates": ("update",),
    "POST /incidents/{number}/export": ("export",),
    "GET /declare": ("respond",),
    "POST /declare": ("respond",),
    "GET /alerts": ("read",),
    "GET /alerts/{id}": ("read",),
    "GET /catalog": ("read",),
    "GET /catalog/{id}": ("read",),
    "GET /runs/{id}": ("read",),
    "POST /runs/{id}/answers": ("respond",),
    "POST /runs/{id}/tasks": ("respond",),
    "POST /runs/{id}/revisit": ("respond",),
    "POST /runs/{id}/abandon": ("respond",),
    "GET /incidents/{number}/containment": ("read",),
    "POST /incidents/{number}/containment": ("contain",),
    "POST /incidents/{number}/containment/{id}/approve": ("contain",),
    "POST /incidents/{number}/containment/{id}/decline": ("contain",),
    "POST /incidents/{number}/containment/{id}/override": ("contain",),
    "POST /incidents/{number}/containment/{id}/revert": ("contain",),
    "GET /incidents/{number}/review": ("read",),
    "POST /incidents/{number}/review/answers": ("review",),
    "POST /incidents/{number}/review/factors": ("review",),
    "POST /incidents/{number}/review/fairness": ("review",),
    "POST /incidents/{number}/review/items": ("review",),
    "POST /incidents/{number}/review/proofs": ("review",),
    "POST /incidents/{number}/review/no-action": ("review",),
    "POST /incidents/{number}/review/refresh": ("review",),
    "POST /incidents/{number}/review/finish": ("review",),
    "POST /incidents/{number}/review/reopen": ("review",),
    "POST /incidents/{number}/review/close": ("command",),
    "GET /access": ("administer",),
    "POST /access/accounts": ("administer",),
    "POST /access/accounts/{id}/role": ("administer",),
    "POST /access/accounts/{id}/disable": ("administer",),
    "POST /access/accounts/{id}/enable": ("administer",),
    "POST /access/accounts/{id}/password": ("administer",),
    "POST /access/tokens": ("administer",),
    "POST /access/keys": ("administer",),
    "POST /access/revoke/{id}": ("administer",),
    # The JSON API.
    "GET /api/v1/me": ("read",),
    "POST /api/v1/incidents": ("respond",),
    "GET /api/v1/incidents": ("read",),
    "GET /api/v1/incidents/{name}": ("read",),
    "GET /api/v1/incidents/{name}/timeline": ("read",),
    "GET /api/v1/incidents/{name}/pages": ("read",),
    "POST /api/v1/incidents/{name}/acknowledge": ("respond",),
    "POST /api/v1/incidents/{name}/category": ("respond",),
    "POST /api/v1/incidents/{name}/facts": ("respond",),
    "POST /api/v1/incidents/{name}/notes": ("respond",),
    "POST /api/v1/incidents/{name}/findings": ("respond",),
    "POST /api/v1/incidents/{name}/hypotheses": ("respond",),
    "POST /api/v1/incidents/{name}/hypotheses/{hypothesis}": ("respond",),
    "POST /api/v1/incidents/{name}/decisions": ("respond",),
    "POST /api/v1/incidents/{name}/severity": ("command",),
    "POST /api/v1/incidents/{name}/roles": ("command",),
    "POST /api/v1/incidents/{name}/contained": ("command",),
    "POST /api/v1/incidents/{name}/monitoring": ("command",),
    "POST /api/v1/incidents/{name}/resolve": ("command",),
    "POST /api/v1/incidents/{name}/reopen": ("command",),
    "POST /api/v1/incidents/{name}/close": ("command",),
    "GET /api/v1/incidents/{name}/runs": ("read",),
    "POST /api/v1/incidents/{name}/runs": ("respond",),
    "GET /api/v1/runs/{id}": ("read",),
    "POST /api/v1/runs/{id}/answers": ("respond",),
    "POST /api/v1/runs/{id}/tasks": ("respond",),
    "POST /api/v1/runs/{id}/revisit": ("respond",),
    "POST /api/v1/runs/{id}/abandon": ("respond",),
    "GET /api/v1/incidents/{name}/containment-preview": ("contain",),
    "GET /api/v1/incidents/{name}/containments": ("read",),
    "POST /api/v1/incidents/{name}/containments": ("contain",),
    "GET /api/v1/containments/{id}": ("read",),
    "POST /api/v1/containments/{id}/approve": ("contain",),
    "POST /api/v1/containments/{id}/decline": ("contain",),
    "POST /api/v1/containments/{id}/override": ("contain",),
    "POST /api/v1/containments/{id}/revert": ("contain",),
    "GET /api/v1/incidents/{name}/updates": ("read",),
    "POST /api/v1/incidents/{name}/updates": ("update",),
    "GET /api/v1/incidents/{name}/review": ("read",),
    "POST /api/v1/incidents/{name}/review/refresh": ("review",),
    "POST /api/v1/incidents/{name}/review/answers": ("review",),
    "POST /api/v1/incidents/{name}/review/factors": ("review",),
    "POST /api/v1/incidents/{name}/review/fairness": ("review",),
    "POST /api/v1/incidents/{name}/review/action-items": ("review",),
    "POST /api/v1/incidents/{name}/review/finish": ("review",),
    "GET /api/v1/incidents/{name}/evidence": ("read",),
    "POST /api/v1/incidents/{name}/evidence": ("preserve",),
    "GET /api/v1/evidence/{id}": ("read",),
    "GET /api/v1/evidence/{id}/content": ("evidence",),
    "POST /api/v1/incidents/{name}/export": ("export",),
    "GET /api/v1/incidents/{name}/proofs/{index}": ("log",),
    "GET /api/v1/log": ("log",),
    "GET /api/v1/alerts": ("read",),
    "GET /api/v1/quarantine": ("read",),
    "POST /api/v1/quarantine/{id}/replay": ("command",),
    "GET /api/v1/systems": ("read",),
    "GET /api/v1/systems/{id}": ("read",),
    "POST /api/v1/systems/{id}/reference": ("configure",),
    "POST /api/v1/profiles": ("telemetry",),
    "POST /api/v1/predictions": ("telemetry",),
    "POST /api/v1/labels": ("telemetry",),
    "GET /api/v1/configuration": ("read",),
    "POST /api/v1/configuration/plan": ("configure",),
    "POST /api/v1/configuration/apply": ("configure",),
    "GET /api/v1/accounts": ("administer",),
    "POST /api/v1/accounts": ("administer",),
    "POST /api/v1/accounts/{id}/role": ("administer",),
    "POST /api/v1/accounts/{id}/disable": ("administer",),
    "POST /api/v1/accounts/{id}/enable": ("administer",),
    "POST /api/v1/accounts/{id}/password": ("administer",),
    "POST /api/v1/tokens": ("administer",),
    "POST /api/v1/integration-keys": ("administer",),
    "DELETE /api/v1/tokens/{id}": ("administer",),
}
"""Each route to the permissions any one of which is enough. A route that is not here has not been decided on."""

INTAKE = {name for name in DECISIONS if "/api/v2/alerts" in name or "/v2/enqueue" in name}
BY_ITSELF = {"POST /sign-in", "GET /acknowledge/{token}", "POST /acknowledge/{token}"}
"""What they carry decides, whoever sends it; here it is a wrong password and a link that nobody signed."""
INTEGRATION_MAY = {"alert", "telemetry"}
PLACES = {"number": "999", "index": "0", "name": "INC-999"}
"""What stands in the path; anything else stands for an id that nothing has."""


def routes(site: Any) -> Iterator[tuple[str, Any]]:
    """Yield (method and path, route) of everything the site answers, files apart."""
    for route in iter_route_contexts(site.routes):
        if route.methods is None:
            assert route.path == "/static", f"{route.path} is mounted: decide who may see it"
            continue
        for method in route.methods:
            yield f"{method} {route.path}", route


def needed(dependant: Any) -> Iterator[Permission]:
    """Yield the permission of each `Needs` among the dependencies of a route."""
    if isinstance(dependant.call, Needs):
        yield dependant.call.permission
    for inner in dependant.dependencies:
        yield from needed(inner)


def undecided(site: Any) -> set[str]:
    """Return the routes that no decision names."""
    return {name for name, _ in routes(site)} - set(DECISIONS)


def unguarded(site: Any) -> list[str]:
    """Return the routes that are not public and yet declare no permission, or another one than was decided."""
    found = []
    for name, route in routes(site):
        declared = tuple(needed(route.dependant)) if hasattr(route, "dependant") else ()
        public = name.split()[1] in PUBLIC
        if declared != (ANYONE if public or name in INTAKE else DECISIONS.get(name)):
            found.append(name)
    return found


# --- what is declared -----------------------------------------------------------------------------


def test_every_route_has_been_decided_on(shared_place: Place) -> None:
    assert undecided(shared_place.site) == set()


def test_every_decision_is_about_a_route_that_exists(shared_place: Place) -> None:
    assert set(DECISIONS) - {name for name, _ in routes(shared_place.site)} == set()


def test_every_route_declares_the_permission_that_was_decided(shared_place: Place) -> None:
    assert unguarded(shared_place.site) == []


def test_what_is_public_is_what_was_decided_to_be() -> None:
    assert {name.split()[1] for name, needs in DECISIONS.items() if needs == ANYONE} == PUBLIC


def test_a_new_route_without_a_guard_would_be_noticed(place: Place) -> None:
    router = APIRouter()

    @router.get("/api/v1/everything")
    def everything(request: Request) -> None: ...

    place.site.include_router(router)
    assert undecided(place.site) == {"GET /api/v1/everything"}
    assert unguarded(place.site) == ["GET /api/v1/everything"]


def test_a_route_with_a_guard_other_than_decided_would_be_noticed(place: Place) -> None:
    router = APIRouter()

    @router.post("/api/v1/accounts", dependencies=[Depends(Needs("read"))])
    def weaker(request: Request) -> None: ...

    place.site.include_router(router)
    assert unguarded(place.site) == ["POST /api/v1/accounts"]


def test_every_permission_is_used_and_somebody_has_it() -> None:
    decided = {permission for needs in DECISIONS.values() for permission in needs}
    assert decided == set(PERMISSIONS)
    assert set().union(*ROLES.values()) == set(PERMISSIONS)


def test_every_account_role_has_its_permissions() -> None:
    assert set(ROLES) == set(ACCOUNT_ROLES)


def test_an_auditor_reads_evidence_and_adds_none() -> None:
    """What is examined is not written by the one who examines it."""
    assert {role for role in ROLES if "preserve" in ROLES[role]} == {
        "responder",
        "lead",
        "compliance",
        "administrator",
    }
    assert {role for role in ROLES if "evidence" in ROLES[role]} == set(ACCOUNT_ROLES) - {"viewer"}


# --- what is done ---------------------------------------------------------------------------------


def address(name: str, key: str) -> tuple[str, str]:
    """Return the method and a path for a route; `key` stands where a key does."""
    method, path = name.split()
    return method, re.sub(
        r"{(\w+)}", lambda found: key if found[1] == "key" else PLACES.get(found[1], "none"), path
    )


def body_of(name: str, key: str) -> Any:
    """Return a body that intake would take, so that only the key decides; other routes get none."""
    if name in INTAKE and "enqueue" in name:
        event = {"summary": "It is slow", "source": "test", "severity": "critical"}
        return {"event_action": "trigger", "dedup_key": "one", "payload": event, "routing_key": key}
    return [{"labels": {"alertname": "Slow"}}] if name in INTAKE else None


def ask(place: Place, name: str, secret: str) -> Any:
    """Ask as whoever holds `secret`; '' is nobody."""
    method, path = address(name, secret or "nobodys-key")
    headers = {"authorization": f"Bearer {secret}"} if secret else {}
    body = body_of(name, secret or "0" * 32) if method == "POST" else None
    answer = place.client(**headers).request(method, path, json=body)
    place.program.runner.settle()
    return answer


def secret_of(place: Place, role: AccountRole) -> str:
    return place.bearer(role)["authorization"].removeprefix("Bearer ")


def walk(place: Place, secret: str, may: set[Permission]) -> list[str]:
    """Ask every route; return those whose answer is not the expected one."""
    place.site.state.hub.close()  # so that a live stream ends by itself
    wrong = []
    for name in sorted(name for name, _ in routes(place.site)):
        needs = DECISIONS[name]
        status = ask(place, name, secret).status_code
        allowed = not needs or bool(may & set(needs))
        right = status == 401 if name in BY_ITSELF else status not in (401, 403) if allowed else status == 403
        if not right or status >= 500:
            wrong.append(f"{name} answered {status}")
    return wrong


@pytest.mark.parametrize("role", ACCOUNT_ROLES)
def test_each_role_reaches_what_its_permissions_say_and_nothing_else(
    shared_place: Place, role: AccountRole
) -> None:
    assert walk(shared_place, secret_of(shared_place, role), set(ROLES[role])) == []


def test_an_integration_key_sends_and_does_nothing_else(shared_place: Place) -> None:
    _, key = access.create_integration_key(shared_place.world, "test", actor="system:test")
    assert walk(shared_place, key, INTEGRATION_MAY) == []


def guarded(place: Place) -> list[str]:
    """Return the routes that are not for anyone."""
    return sorted(name for name, _ in routes(place.site) if DECISIONS[name])


def test_nobody_gets_in_without_a_sign_in_a_token_or_a_key(shared_place: Place) -> None:
    for name in guarded(shared_place):
        answer = ask(shared_place, name, "")
        method, path = address(name, "")
        if name == "POST /v2/enqueue":  # PagerDuty's own words for a key that is not known
            assert (answer.status_code, "routing_key" in answer.text) == (400, True)
        elif method == "GET" and not path.startswith(("/api", "/k/", "/live")):
            told = (name, answer.status_code, answer.headers["location"].partition("?")[0])
            assert told == (name, 303, "/sign-in")
        else:
            assert (name, answer.status_code) == (name, 401)


def test_a_request_by_cookie_that_changes_something_needs_the_sessions_token(shared_place: Place) -> None:
    browser = shared_place.signed_in("administrator")
    changing = [name for name in guarded(shared_place) if not name.startswith("GET") and name not in INTAKE]
    for name in changing:
        method, path = address(name, "none")
        answer = browser.request(method, path, headers={"x-csrf-token": "0" * 64})
        assert (name, answer.status_code, "not from this session" in answer.text) == (name, 403, True)
    assert len(changing) > 40


def test_a_cookie_does_not_send_alerts(shared_place: Place) -> None:
    browser = shared_place.signed_in("administrator")
    assert browser.post("/api/v2/alerts", json=[]).status_code == 401
