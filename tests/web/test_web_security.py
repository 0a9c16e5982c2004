"""Who may pass, and what leaves with every answer."""

from __future__ import annotations

from datetime import timedelta

import pytest
from fastapi.routing import APIRoute, APIWebSocketRoute
from harness_orthanc import make_config
from starlette.routing import Mount
from web_site import PASSWORD

from gransk.site import people, sessions
from gransk.site.tables import Role
from gransk.web import workitem_channel
from gransk.web.access import RENEWING, Allow
from gransk.web.administration import rooms_of
from gransk.web.permissions import OF_MACHINE, OF_ROLE, Permission, permissions

PUBLIC = {
    ("GET", "/sign-in"),
    ("POST", "/sign-in"),
    ("GET", "/start"),
    ("POST", "/start"),
    ("GET", "/sign-in/provider"),
    ("GET", "/sign-in/provider/answer"),
    ("GET", "/source"),
    ("GET", "/api/health"),
    ("GET", "/api/ready"),
}
SAMPLES = {
    "key": "k",
    "path": "studies",
    "page": "viewer",
    "name": "admin",
    "analysis_key": "a",
    "comparison_key": "c",
    "index": "0",
    "side": "own",
    "workitem": "w",
    "row": "r",
    "accession": "A1",
    "unit": "u",
    "what": "x",
    "number": "1",
    "ident": "none",
    "subject_name": "limits",
    "section": "priority",
    "version": "1",
    "uid": "1.2.3",
    "aetitle": "WS1",
}
BY_ROOM = "/administration"
"""Whoever may enter one of the administrator's rooms may enter here."""
SOCKETS = {"/dicom-web/subscribers/{aetitle}": Permission.WORKITEMS}
"""WebSockets, which ask for their permission themselves: `test_workitem_channel`."""


def _leaves(routes):
    for route in routes:
        inner = getattr(route, "original_router", None) or getattr(route, "router", None)
        if isinstance(route, APIRoute | APIWebSocketRoute) or inner is None:
            yield route
        else:
            yield from _leaves(inner.routes)


def routes(site):
    """(method, path, permissions declared) of every route."""
    found = []
    for route in _leaves(site.app.routes):
        if isinstance(route, Mount):
            assert route.path == "/static"
            continue
        if isinstance(route, APIWebSocketRoute):
            assert SOCKETS[route.path] is workitem_channel.PERMISSION
            continue
        assert isinstance(route, APIRoute), f"{route} is no API route: it declares no permission"
        declared = [d.call.permission for d in route.dependant.dependencies if _allow(d.call)]
        found += [(method, route.path, declared) for method in route.methods]
    return found


def _allow(call):
    return isinstance(call, Allow)


def test_every_route_declares_one_permission(site):
    found = routes(site)
    assert len(found) > 25
    for method, path, declared in found:
        assert len(declared) == 1, f"{method} {path} declares {declared}"
    public = {(m, p) for m, p, declared in found if declared == [Permission.PUBLIC]}
    assert public == PUBLIC


def test_nobody_passes_without_signing_in(site):
    client = site.client()
    for method, path, declared in routes(site):
        if declared == [Permission.PUBLIC]:
            continue
        address = path.replace(":path}", "}")
        answer = client.request(method, address.format(**SAMPLES))
        refused = answer.status_code == 401 or (
            answer.status_code == 303 and answer.headers["location"].startswith("/sign-in")
        )
        assert refused, f"{method} {path} answered {answer.status_code}"


@pytest.mark.parametrize("role", list(Role))
def test_each_role_reaches_what_the_table_says(site, role):
    client = site.person(role)
    mine = permissions([role])
    for method, path, (permission,) in routes(site):
        if method != "GET" or permission is Permission.PUBLIC or "path:path" in path:
            continue
        answer = client.get(path.replace(":path}", "}").format(**SAMPLES))
        may = bool(rooms_of(mine)) if path == BY_ROOM else permission in mine
        assert (answer.status_code != 403) == may, f"{role} {path}"


@pytest.mark.parametrize("role", list(Role))
def test_no_role_does_what_the_table_does_not_say(site, role):
    client = site.person(role)
    mine = permissions([role])
    tried = 0
    for method, path, (permission,) in routes(site):
        if method == "GET" or permission in mine | {Permission.PUBLIC, Permission.NUDGE}:
            continue
        address = path.replace(":path}", "}").format(**SAMPLES)
        assert client.request(method, address).status_code == 403, f"{role} {method} {path}"
        tried += 1
    assert tried > 3


def test_the_table_of_permissions_is_whole():
    assert set(OF_ROLE) == set(Role)
    everything = set().union(*OF_ROLE.values()) | {
        Permission.PUBLIC,
        Permission.SIGNED_IN,
        Permission.NUDGE,
    }
    assert everything == set(Permission)
    assert {Permission.WORKLIST, Permission.PEOPLE}.isdisjoint(OF_MACHINE)


def test_a_session_without_its_token_changes_nothing(site):
    client = site.person(Role.ADMINISTRATOR, name="other")
    token = client.headers.pop("x-csrf-token")
    for method, path, (permission,) in routes(site):
        if method == "GET" or permission in (Permission.PUBLIC, Permission.NUDGE):
            continue
        address = path.replace(":path}", "}").format(**SAMPLES)
        for csrf in ("", "wrong"):
            data = {"csrf": csrf, "name": "x", "full_name": "x", "machine_name": "x"}
            data |= {"workitem": "x", "language": "da", "current": "x", "new": "x", "active": "no"}
            assert client.request(method, address, data=data).status_code == 403, path
    assert client.post("/machines", data={"csrf": token, "machine_name": "m1"}).status_code == 200
    with site.database.read() as session:
        assert [machine.name for machine in people.list_tokens(session)] == ["m1"]


def test_signing_in_and_out(site):
    client = site.client()
    assert client.get("/").headers["location"] == "/sign-in"
    form = _form(client, "/sign-in")
    answer = client.post("/sign-in", data=form | {"name": "admin", "password": PASSWORD})
    assert answer.status_code == 303
    cookie = next(c for c in answer.headers.get_list("set-cookie") if "gransk_session=" in c)
    assert "HttpOnly" in cookie
    assert "SameSite=lax" in cookie
    assert client.get("/").status_code == 200
    kept = client.cookies["gransk_session"]
    csrf = client.get("/").text.split('name="csrf" content="')[1].split('"')[0]
    assert client.post("/sign-out", data={"csrf": csrf}).headers["location"] == "/sign-in"
    client.cookies.set("gransk_session", kept)
    assert client.get("/").status_code == 303


def test_cookies_are_for_tls_alone_where_there_is_tls(make_site):
    site = make_site(service={"public_url": "https://gransk.example"})
    site.account("admin", "Anna", Role.ADMINISTRATOR)
    client = site.client()
    client.base_url = "https://127.0.0.1"
    form = _form(client, "/sign-in")
    answer = client.post("/sign-in", data=form | {"name": "admin", "password": PASSWORD})
    cookie = next(c for c in answer.headers.get_list("set-cookie") if "gransk_session=" in c)
    assert "Secure" in cookie
    assert "max-age" in answer.headers["strict-transport-security"]


def test_a_form_that_came_too_late_leads_back_to_its_page(site):
    client = site.client()
    ours, theirs = f"{client.base_url}/reading/k?saved=s", "http://elsewhere/reading/k"
    for path, referer, found in (
        ("/reading/k/read", ours, "/sign-in?next=%2Freading%2Fk%3Fsaved%3Ds"),
        ("/reading/k/read", f"{client.base_url}/reading/k/read", "/sign-in?next=%2Freading%2Fk"),
        ("/reading/k/read", theirs, "/sign-in"),
        ("/reading/k/read", "", "/sign-in"),
        ("/sign-out", ours, "/sign-in"),
    ):
        answer = client.post(path, headers={"referer": referer})
        assert (answer.status_code, answer.headers["location"]) == (303, found)


@pytest.mark.parametrize("next_page", ["//evil.example", "https://evil.example", "/\\evil.example"])
def test_signing_in_leads_to_no_other_site(site, next_page):
    client = site.client()
    form = _form(client, "/sign-in") | {"name": "admin", "password": PASSWORD}
    answer = client.post("/sign-in", params={"next": next_page}, data=form)
    assert answer.headers["location"] == "/"


def test_an_account_locks_and_the_page_tells_nothing(make_site):
    site = make_site(sign_in={"lock_after": 3, "lock_minutes": 0})
    site.account("admin", "Anna", Role.ADMINISTRATOR)
    site.account("bo", "Bo", Role.NURSE)
    boss = site.signed_in("admin")
    client = site.client()
    form = _form(client, "/sign-in")
    said = set()
    for name, times in (("bo", 3), ("nobody", 1)):
        for _ in range(times):
            answer = client.post("/sign-in", data=form | {"name": name, "password": "wrong"})
            assert answer.status_code == 401
            said.add(answer.text.replace(f'value="{name}"', ""))
    answer = client.post("/sign-in", data=form | {"name": "bo", "password": PASSWORD})
    assert answer.status_code == 401
    said.add(answer.text.replace('value="bo"', ""))
    assert len(said) == 1
    page = boss.get("/people").text
    assert page.count("/unlock") == 1
    assert "Locked" in page
    assert boss.post("/people/bo/unlock").status_code == 303
    assert "Locked" not in boss.get("/people").text
    right = client.post("/sign-in", data=form | {"name": "bo", "password": PASSWORD})
    assert right.status_code == 303


def test_a_resting_session_is_over_and_a_page_that_renews_itself_rests(site, monkeypatch):
    client = site.signed_in("admin")
    now = sessions.utcnow()
    at = {"now": now}
    monkeypatch.setattr(sessions, "utcnow", lambda: at["now"])
    at["now"] = now + timedelta(minutes=50)
    assert client.get("/account").status_code == 200
    at["now"] = now + timedelta(minutes=100)
    renewing = {RENEWING: "true", "hx-request": "true"}
    assert client.get("/status", headers=renewing).status_code == 200
    at["now"] = now + timedelta(minutes=111)
    answer = client.get("/status", headers=renewing)
    assert answer.status_code == 401
    assert answer.headers["hx-redirect"] == "/sign-in"
    at["now"] = now
    assert client.get("/account").status_code == 303, "it does not come back"


def test_own_sessions_are_listed_and_end_everywhere(site):
    here, there = site.client(), site.client()
    for client, browser in ((here, "Here/1.0"), (there, "<script>There</script>")):
        client.headers["user-agent"] = browser
        form = _form(client, "/sign-in") | {"name": "admin", "password": PASSWORD}
        assert client.post("/sign-in", data=form).status_code == 303
    page = here.get("/account").text
    assert "Here/1.0" in page
    assert "&lt;script&gt;There" in page
    assert "<script>There" not in page
    assert page.count("This one") == 1
    token = page.split('name="csrf" content="')[1].split('"')[0]
    answer = here.post("/account/sign-out-everywhere", data={"csrf": token})
    assert answer.headers["location"] == "/sign-in"
    for client in (here, there):
        assert client.get("/account").status_code == 303


def test_a_form_of_another_browser_signs_nobody_in(site):
    client = site.client()
    data = {"name": "admin", "password": PASSWORD, "csrf": "other"}
    assert client.post("/sign-in", data=data).status_code == 403
    client.get("/sign-in")
    assert client.post("/sign-in", data=data).status_code == 403


def test_every_answer_carries_safe_headers(site):
    client = site.person(Role.RADIOLOGIST)
    for address in ("/", "/sign-in", "/static/gransk.css", "/nothing", "/api/health", "/people"):
        headers = client.get(address).headers
        assert "default-src 'none'" in headers["content-security-policy"], address
        assert "unsafe" not in headers["content-security-policy"], address
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["x-frame-options"] == "DENY"
        assert headers["referrer-policy"] == "same-origin"
        assert "server" not in headers
    assert client.get("/").headers["cache-control"] == "private, no-store"


# Before there is an administrator


def test_only_this_machine_is_answered_before_there_is_an_administrator(make_site):
    site = make_site()
    here, there = site.client(), site.client("192.0.2.7")
    for address in ("/", "/sign-in", "/api/health", "/static/gransk.css", "/source"):
        assert there.get(address).status_code == 403, address
        assert here.get(address).status_code != 403, address
    site.account("admin", "Anna", Role.ADMINISTRATOR)
    assert there.get("/sign-in").status_code == 200


@pytest.mark.parametrize(
    "headers",
    [
        {"x-forwarded-for": "127.0.0.1"},
        {"forwarded": "for=127.0.0.1"},
        {"x-real-ip": "127.0.0.1"},
        {"via": "1.1 proxy"},
        {"host": "evil.example"},
    ],
)
def test_a_proxy_is_not_this_machine(make_site, headers):
    client = make_site().client()
    assert client.get("/sign-in", headers=headers).status_code == 403


def test_the_first_administrator_is_made_once(make_site):
    site = make_site()
    with site.database.begin() as session:
        token = people.first_administrator_link(session)
    client = site.client()
    page = client.get(f"/start?token={token}")
    assert f'href="?token={token}&amp;language=da"' in page.text
    assert "First administrator" in page.text
    form = _form(client, f"/start?token={token}")
    form |= {"token": token, "name": "anna", "full_name": "Anna Admin"}
    short = client.post("/start", data=form | {"password": "short"})
    assert short.status_code == 422
    assert "at least 12 characters" in short.text
    assert client.post("/start", data=form | {"password": PASSWORD}).status_code == 303
    assert "Anna Admin" in client.get("/people").text
    again = site.client()
    form = form | _form(again, "/sign-in")
    assert again.post("/start", data=form | {"password": PASSWORD}).status_code == 403
    assert again.get(f"/start?token={token}").status_code == 403


def test_a_new_person_chooses_a_password_by_link(site):
    admin = site.person(Role.ADMINISTRATOR, name="boss")
    data = {"name": "ida", "full_name": "Ida Nielsen", "roles": ["trainee", "nurse"]}
    page = admin.post("/people", data=data).text
    token = page.split("/start?token=")[1].split("<")[0]
    client = site.client()
    client.headers["user-agent"] = "Idas/1.0"
    form = _form(client, f"/start?token={token}") | {"token": token, "password": PASSWORD}
    assert client.post("/start", data=form).status_code == 303
    assert "Idas/1.0" in client.get("/account").text
    admin.post("/people/ida/active", data={"active": "no"})
    assert client.get("/").status_code == 303


def test_the_last_administrator_stays(site):
    client = site.signed_in("admin")
    answer = client.post("/people/admin/roles", data={"roles": ["nurse"]})
    assert answer.status_code == 409
    assert "last administrator" in answer.text
    assert client.post("/people/admin/active", data={"active": "no"}).status_code == 409
    assert client.post("/people/admin/roles", data={}).status_code == 422
    assert client.get("/people").status_code == 200


def test_account_changes_language_and_password(site):
    client = site.person(Role.RADIOLOGIST, name="rikke")
    assert client.post("/account/language", data={"language": "da"}).status_code == 303
    assert "Arbejdsliste" in client.get("/").text
    assert client.post("/account/language", data={"language": "xx"}).status_code == 422
    wrong = {"current": "not this one", "new": "another long password"}
    assert client.post("/account/password", data=wrong).status_code == 422
    right = {"current": PASSWORD, "new": "another long password"}
    assert client.post("/account/password", data=right).status_code == 303
    assert site.signed_in("rikke", "another long password").get("/").status_code == 200


def test_nudge_wants_the_plugins_secret(make_site, tmp_path):
    class Intake:
        nudged = 0

        def nudge(self):
            self.nudged += 1

    intake = Intake()
    site = make_site(make_config(tmp_path), intake)
    client = site.client()
    assert client.post("/nudge", json={}).status_code == 401
    secret = site.config.service.nudge_secret()
    headers = {"authorization": f"Bearer {secret}"}
    assert client.post("/nudge", json={"deleted": False}, headers=headers).status_code == 200
    assert intake.nudged == 1


def test_health_says_nothing_of_patients(site):
    site.study(1)
    assert set(site.client().get("/api/health").json()) == {"status", "version"}


def _form(client, address):
    """The hidden token of a page's form."""
    html = client.get(address).text
    return {"csrf": html.split('name="csrf" value="')[1].split('"')[0]}
