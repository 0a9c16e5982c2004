"""Single sign-on against a real provider, and against what a false one would send."""

from __future__ import annotations

import base64
import html
import json
import re
from datetime import timedelta
from urllib.parse import parse_qs, urlsplit

import pytest
import yaml
from free_ports import free_port
from harness_orthanc import make_config
from joserfc import jwt
from joserfc.jwk import OctKey, RSAKey
from oidc_harness import SECRET, ProviderProcess, Walk
from requests.adapters import HTTPAdapter
from sqlalchemy import select
from web_site import PASSWORD

from gransk.oversight.doctor import Level, check_single_sign_on
from gransk.site import people, provider
from gransk.site.config import parse_config
from gransk.site.database import utcnow
from gransk.site.events import EventKind
from gransk.site.provider import Provider
from gransk.site.tables import Account, Event, Role, WebSession
from gransk.web.single_sign_on import AWAY_COOKIE, Away

ROLES = {
    "radiologist": ["gransk-radiologists"],
    "coordinator": ["gransk-boards"],
    "administrator": ["gransk-administrators"],
}
PORT = free_port()
"""Of the site: the provider sends browsers there, and the tests take them from it."""


@pytest.fixture(scope="module")
def running(tmp_path_factory):
    process = ProviderProcess(tmp_path_factory.mktemp("people"), f"http://127.0.0.1:{PORT}")
    process.start()
    yield process
    process.stop()


@pytest.fixture
def op(running):
    running.people({})
    return running


@pytest.fixture
def secret(tmp_path):
    path = tmp_path / "client-secret"
    path.write_text(SECRET + "\n", encoding="utf-8")
    return path


@pytest.fixture
def joined(op, make_site, tmp_path, secret):
    """A factory of sites that are clients of the provider, with a local administrator."""

    def make(**changes):
        values = {
            "issuer": op.issuer,
            "label": "Testhospitalet",
            "client_id": "gransk",
            "client_secret_file": str(secret),
            "name_domain": "hospital.example",
            "roles": ROLES,
            "make_accounts": True,
        }
        config = make_config(tmp_path, service={"port": PORT}, single_sign_on=values | changes)
        site = make_site(config)
        if account(site, "admin") is None:
            site.account("admin", "Anna Administrator", Role.ADMINISTRATOR)
        return site

    return make


@pytest.fixture
def walk(op):
    made = Walk(op.issuer)
    yield made
    made.close()


def away(client, page="/"):
    """Where the site sends a browser."""
    answer = client.get("/sign-in/provider", params={"next": page})
    assert answer.status_code == 303
    return answer.headers["location"]


def enter(site, walk, login, page="/"):
    """A browser that has come back from the provider, and the site's answer."""
    client = site.client()
    return client, client.get(walk(away(client, page), login))


def events(site, *kinds):
    with site.database.read() as session:
        rows = session.scalars(select(Event).order_by(Event.number))
        return [(e.kind, e.subject, e.data.get("why")) for e in rows if e.kind in kinds]


def account(site, name):
    with site.database.read() as session:
        return people.find_account(session, name)


def nobody_entered(site):
    with site.database.read() as session:
        return session.scalars(select(WebSession)).first() is None


def test_a_person_comes_in_with_name_and_roles(joined, walk):
    site = joined()
    client = site.client()
    page = client.get("/sign-in").text
    assert "Sign in with Testhospitalet" in page
    asked = parse_qs(urlsplit(away(client)).query)
    assert asked["code_challenge_method"] == ["S256"]
    assert asked["response_type"] == ["code"]
    assert len(asked["state"][0]) > 40
    assert len(asked["nonce"][0]) > 40
    client, answer = enter(site, walk, "ida", "/account")
    assert answer.status_code == 303, answer.text
    assert answer.headers["location"] == "/account"
    page = client.get("/account").text
    assert "Ida &lt;b&gt;Nielsen&lt;/b&gt;" in page
    assert "<b>Nielsen" not in page
    assert "your password is there" in page
    assert 'name="current"' not in page
    ida = account(site, "ida.nielsen")
    assert ida.roles == [Role.RADIOLOGIST]
    assert ida.password_hash is None
    assert len(ida.identity) == 64
    assert client.get("/people").status_code == 403
    told = events(site, EventKind.IDENTITY_LINKED, EventKind.SIGNED_IN)
    assert told == [("identity_linked", "ida.nielsen", None), ("signed_in", "ida.nielsen", None)]


def test_claims_may_stand_at_the_userinfo_endpoint_alone(make_site, tmp_path, secret):
    home = f"http://127.0.0.1:{PORT}"
    process = ProviderProcess(tmp_path, home, userinfo=True).start()
    walk = Walk(process.issuer)
    values = {
        "issuer": process.issuer,
        "client_id": "gransk",
        "client_secret_file": str(secret),
        "name_domain": "hospital.example",
        "role_claim": "realm_access.roles",
        "roles": {"nurse": ["gransk nurse"]},
        "make_accounts": True,
    }
    try:
        config = make_config(tmp_path, service={"port": PORT}, single_sign_on=values)
        site = make_site(config)
        site.account("admin", "Anna", Role.ADMINISTRATOR)
        person = {"preferred_username": "nina", "realm_access": {"roles": ["gransk nurse"]}}
        process.people({"nina": person})
        _, answer = enter(site, walk, "nina")
        assert answer.status_code == 303, answer.text
        assert account(site, "nina").roles == [Role.NURSE]
    finally:
        walk.close()
        process.stop()


def test_an_answer_counts_for_the_browser_that_asked_and_once(joined, walk):
    site = joined()
    client = site.client()
    address = walk(away(client), "ida")
    other = site.client()
    assert other.get(address).status_code == 400
    kept = client.cookies[AWAY_COOKIE]
    assert client.get(address.replace("state=", "state=x")).status_code == 400
    assert AWAY_COOKIE not in client.cookies
    assert client.get(address).status_code == 400
    assert nobody_entered(site)
    client.cookies.set(AWAY_COOKIE, kept)
    assert client.get(address).status_code == 303
    # The provider gives nothing for a code that was used, whoever shows it.
    thief = site.client()
    thief.cookies.set(AWAY_COOKIE, kept)
    answer = thief.get(address)
    assert answer.status_code == 403
    assert "did not let you in" in answer.text
    assert "gransk_session" not in thief.cookies


@pytest.mark.parametrize("part", ["nonce", "verifier", "state", "iss"])
def test_what_was_asked_must_be_what_is_answered(joined, walk, part):
    site = joined()
    client = site.client()
    address = walk(away(client), "ida")
    asked = Away.unpack(client.cookies[AWAY_COOKIE])
    if part == "iss":
        address = re.sub(r"iss=[^&]*", "iss=http%3A%2F%2Fother.example", address)
    else:
        values = vars(asked) | {part: "x" * 64}
        client.cookies.clear()
        client.cookies.set(AWAY_COOKIE, Away(**values).pack())
    answer = client.get(address)
    assert answer.status_code == (403 if part == "verifier" else 400)
    assert nobody_entered(site)
    refused = events(site, EventKind.SINGLE_SIGN_ON_REFUSED)
    assert refused == ([("single_sign_on_refused", "unknown", "token")] if part == "nonce" else [])


@pytest.mark.parametrize("kept", ["", "no base64 é", base64.b64encode(b"[1,2,3,4]").decode()])
def test_a_cookie_that_says_nothing_fits_no_answer(joined, kept):
    client = joined().client()
    headers = {"cookie": f"{AWAY_COOKIE}={kept}".encode()}
    for query in ("", "?state=&code=x", "?code=x", "?error=access_denied"):
        assert client.get(f"/sign-in/provider/answer{query}", headers=headers).status_code == 400


def test_a_person_whom_the_provider_refuses_is_told_what_to_do(joined):
    client = joined().client()
    state = parse_qs(urlsplit(away(client)).query)["state"][0]
    query = {"state": state, "error": "access_denied", "error_description": "<script>x</script>"}
    issuer = client.app.state.wiring.provider.issuer
    answer = client.get("/sign-in/provider/answer", params=query | {"iss": issuer})
    assert answer.status_code == 403
    assert "Testhospitalet did not let you in" in answer.text
    assert "script>x" not in answer.text


class Altering(HTTPAdapter):
    """The provider's token answer, its ID token made anew."""

    def __init__(self, change):
        super().__init__()
        self.change = change

    def send(self, request, **values):
        answer = super().send(request, **values)
        if request.url.endswith("/token"):
            said = json.loads(answer.content)
            said["id_token"] = self.change(said["id_token"])
            answer._content = json.dumps(said).encode()
        return answer


def parts(token):
    """Header and claims, unchecked."""
    texts = [base64.urlsafe_b64decode(part + "==") for part in token.split(".")[:2]]
    return [json.loads(text) for text in texts]


def unsigned(token):
    header, claims = parts(token)
    header = {"alg": "none", "kid": header["kid"]}
    packed = [base64.urlsafe_b64encode(json.dumps(p).encode()) for p in (header, claims)]
    return b".".join([*(p.rstrip(b"=") for p in packed), b""]).decode()


def by_secret(token):
    header, claims = parts(token)
    key = OctKey.import_key(SECRET)
    return jwt.encode({"alg": "HS256", "kid": header["kid"]}, claims, key, algorithms=["HS256"])


def by_other_key(token):
    header, claims = parts(token)
    key = RSAKey.generate_key(2048, {"kid": header["kid"]})
    return jwt.encode(header, claims, key, algorithms=["RS256"])


def other_claims(token):
    header, _, signature = token.split(".")
    claims = parts(token)[1] | {"sub": "rita"}
    packed = base64.urlsafe_b64encode(json.dumps(claims).encode()).rstrip(b"=").decode()
    return f"{header}.{packed}.{signature}"


def alter(monkeypatch, change):
    """From now on the site gets ID tokens changed."""
    real = Provider._client

    def altered(self):
        client = real(self)
        client.mount("http://", Altering(change))
        return client

    monkeypatch.setattr(Provider, "_client", altered)


@pytest.mark.parametrize("change", [unsigned, by_secret, by_other_key, other_claims])
def test_a_token_that_the_provider_did_not_sign_is_refused(joined, walk, monkeypatch, change):
    site = joined()
    alter(monkeypatch, change)
    _, answer = enter(site, walk, "ida")
    assert answer.status_code == 400
    assert "Start again" in answer.text
    assert nobody_entered(site)
    assert account(site, "ida.nielsen") is None
    assert events(site, EventKind.SINGLE_SIGN_ON_REFUSED)


@pytest.mark.parametrize(
    ("claim", "value"),
    [
        ("iss", "http://other.example"),
        ("aud", "another-client"),
        ("aud", ["gransk", "another-client"]),
        ("exp", 1_000_000_000),
        ("iat", None),
        ("nonce", None),
        ("sub", ""),
        ("name", "Ida, whom nothing is wrong with"),
    ],
)
def test_each_claim_of_a_signed_token_is_checked(joined, walk, monkeypatch, claim, value):
    """Signed by the provider's own key, as far as the site can see; the last one is good."""
    site = joined()
    key = RSAKey.generate_key(2048, {"kid": "mine"})

    def change(token):
        claims = parts(token)[1] | {claim: value}
        claims = {name: one for name, one in claims.items() if one is not None}
        claims.pop("at_hash", None)
        return jwt.encode({"alg": "RS256", "kid": "mine"}, claims, key, algorithms=["RS256"])

    alter(monkeypatch, change)
    keys = provider.KeySet([key])
    monkeypatch.setattr(Provider, "keys", lambda self: keys)
    monkeypatch.setattr(provider._Kept, "again", lambda self, seen: seen)
    _, answer = enter(site, walk, "ida")
    assert answer.status_code == (303 if claim == "name" else 400)
    assert nobody_entered(site) == (claim != "name")


def test_an_old_token_is_refused(joined, walk, monkeypatch):
    site = joined()
    client = site.client()
    address = walk(away(client), "ida")
    late = utcnow() + timedelta(hours=2)
    monkeypatch.setattr(provider, "utcnow", lambda: late)
    assert client.get(address).status_code == 400
    assert nobody_entered(site)


def test_keys_that_the_provider_changed_are_asked_for(make_site, tmp_path, secret, monkeypatch):
    monkeypatch.setattr(provider, "PAUSE_SECONDS", 0.0)
    process = ProviderProcess(tmp_path, f"http://127.0.0.1:{PORT}").start()
    values = {"issuer": process.issuer, "client_id": "gransk", "roles": ROLES}
    values |= {"client_secret_file": str(secret), "make_accounts": True}
    site = make_site(make_config(tmp_path, service={"port": PORT}, single_sign_on=values))
    site.account("admin", "Anna", Role.ADMINISTRATOR)
    try:
        for _ in range(2):
            walk = Walk(process.issuer)
            _, answer = enter(site, walk, "rita")
            assert answer.status_code == 303, answer.text
            walk.close()
            process.stop()
            process.start()
    finally:
        process.stop()


def test_a_provider_that_is_down_leaves_administrators_their_door(joined):
    site = joined(issuer=f"http://127.0.0.1:{free_port()}", local_passwords="administrators")
    client = site.client()
    page = client.get("/sign-in")
    assert page.status_code == 200
    answer = client.get("/sign-in/provider")
    assert answer.status_code == 503
    assert "does not answer" in answer.text
    csrf = re.search(r'name="csrf" value="([^"]+)"', answer.text)[1]
    form = {"csrf": csrf, "name": "admin", "password": PASSWORD}
    assert client.post("/sign-in", data=form).status_code == 303
    assert client.get("/people").status_code == 200


def test_a_provider_that_is_down_is_not_asked_by_every_browser(joined, monkeypatch):
    site = joined(issuer=f"http://127.0.0.1:{free_port()}")
    asked = []
    real = Provider._ask_metadata
    monkeypatch.setattr(Provider, "_ask_metadata", lambda self: asked.append(1) or real(self))
    site.app.state.wiring.provider = Provider(site.config.single_sign_on, "http://x")
    client = site.client()
    for _ in range(5):
        assert client.get("/sign-in/provider").status_code == 503
    assert len(asked) == 1


def test_a_provider_that_names_itself_otherwise_is_not_believed(joined, op):
    other = joined(issuer=op.issuer.replace("127.0.0.1", "localhost"))
    assert other.client().get("/sign-in/provider").status_code == 503


def test_who_has_no_role_stays_out(joined, walk, op):
    site = joined()
    _, answer = enter(site, walk, "odd")
    assert answer.status_code == 403
    assert "gives you no role" in answer.text
    assert account(site, "odd") is None
    again = Walk(op.issuer)
    inside, answer = enter(site, again, "rita")
    assert answer.status_code == 303
    op.people({"rita": {"preferred_username": "rita", "groups": []}})
    _, answer = enter(site, again, "rita")
    assert answer.status_code == 403
    assert inside.get("/account").status_code == 303, "the sessions of before are over"
    again.close()
    why = [e[1:] for e in events(site, EventKind.SINGLE_SIGN_ON_REFUSED)]
    assert why == [("unknown", "no_role"), ("rita", "no_role")]


def test_roles_and_name_are_renewed_at_each_sign_in(joined, walk, op):
    site = joined()
    enter(site, walk, "rita")
    changed = {"preferred_username": "rita.married", "name": "Rita Berg"}
    op.people({"rita": changed | {"groups": ["gransk-boards", "gransk-administrators"]}})
    client, answer = enter(site, walk, "rita")
    assert answer.status_code == 303
    rita = account(site, "rita")
    assert rita.roles == [Role.ADMINISTRATOR, Role.COORDINATOR]
    assert rita.full_name == "Rita Berg"
    assert account(site, "rita.married") is None
    assert client.get("/people").status_code == 200


def test_a_deactivated_account_stays_out(joined, walk):
    site = joined()
    inside, _ = enter(site, walk, "rita")
    boss = site.signed_in("admin")
    assert boss.post("/people/rita/active", data={"active": "no"}).status_code == 303
    assert inside.get("/account").status_code == 303
    _, answer = enter(site, walk, "rita")
    assert answer.status_code == 403
    assert "deactivated" in answer.text
    assert account(site, "rita").active is False


def test_the_name_of_a_local_account_opens_nothing(joined, walk):
    site = joined()
    _, answer = enter(site, walk, "thief")
    assert answer.status_code == 403
    assert "you have no account here" in answer.text
    assert account(site, "admin").identity is None
    assert events(site, EventKind.SINGLE_SIGN_ON_REFUSED)[0][2] == "local_account"


def test_the_name_of_somebody_else_opens_nothing(joined, walk, op):
    site = joined()
    enter(site, walk, "rita")
    op.people({"rita-2": {"preferred_username": "rita", "groups": ["gransk-administrators"]}})
    second = Walk(op.issuer)
    _, answer = enter(site, second, "rita-2")
    assert answer.status_code == 403
    assert account(site, "rita").roles == [Role.COORDINATOR]
    assert events(site, EventKind.SINGLE_SIGN_ON_REFUSED)[0][2] == "other_person"
    boss = site.signed_in("admin")
    assert boss.post("/people/rita/unlink").status_code == 303
    _, answer = enter(site, second, "rita-2")
    assert answer.status_code == 303
    second.close()


def test_a_name_of_another_domain_is_refused(joined, walk):
    site = joined()
    _, answer = enter(site, walk, "foreign")
    assert answer.status_code == 403
    assert events(site, EventKind.SINGLE_SIGN_ON_REFUSED)[0][2] == "name"


def test_accounts_may_be_made_beforehand_alone(joined, walk):
    site = joined(make_accounts=False, roles={})
    _, answer = enter(site, walk, "rita")
    assert answer.status_code == 403
    assert "Ask an administrator" in answer.text
    boss = site.signed_in("admin")
    data = {"name": "rita", "full_name": "Rita Roed", "roles": ["nurse"]}
    assert boss.post("/people", data=data).status_code == 200
    _, answer = enter(site, walk, "rita")
    assert answer.status_code == 303
    assert account(site, "rita").roles == [Role.NURSE], "roles are given here"
    assert boss.post("/people/rita/link").status_code == 422, "no password beside the provider"


def test_passwords_may_be_for_administrators_alone(joined, walk):
    site = joined(local_passwords="administrators")
    site.account("nanna", "Nanna Nurse", Role.NURSE)
    client = site.client()
    page = client.get("/sign-in").text
    assert "Administrators with a password" in page
    form = {"csrf": re.search(r'name="csrf" value="([^"]+)"', page)[1]}
    right = client.post("/sign-in", data=form | {"name": "nanna", "password": PASSWORD})
    wrong = client.post("/sign-in", data=form | {"name": "nobody", "password": PASSWORD})
    assert right.status_code == wrong.status_code == 401
    assert right.text == wrong.text.replace('value="nobody"', 'value="nanna"')
    assert client.post("/sign-in", data=form | {"name": "admin", "password": PASSWORD}).is_redirect
    boss = site.signed_in("admin")
    data = {"name": "olga", "full_name": "Olga", "roles": ["nurse"]}
    assert boss.post("/people", data=data).status_code == 303, "no link: the provider lets in"
    assert boss.post("/people/olga/link").status_code == 422
    # A link of before the site chose this is no way round.
    with site.database.begin() as session:
        olga = people.find_account(session, "olga")
        token = people.sign_in_link(session, olga, actor="admin")
    form |= {"token": token, "password": PASSWORD}
    assert client.post("/start", data=form).status_code == 403


def test_an_account_may_lose_its_password_but_not_the_last_administrator(joined, walk):
    site = joined()
    site.account("rita", "Rita", Role.NURSE)
    assert enter(site, walk, "rita")[1].status_code == 403
    boss = site.signed_in("admin")
    assert boss.post("/people/admin/password/remove").status_code == 409
    assert boss.post("/people/rita/password/remove").status_code == 303
    assert enter(site, walk, "rita")[1].status_code == 303


def test_signing_out_ends_the_providers_session_too(joined, walk):
    site = joined()
    client, _ = enter(site, walk, "rita")
    page = client.get("/account").text
    csrf = re.search(r'name="csrf" value="([^"]+)"', page)[1]
    answer = client.post("/sign-out", data={"csrf": csrf})
    assert answer.status_code == 200
    leave = html.unescape(re.search(r'content="0;url=([^"]+)"', answer.text)[1])
    asked = parse_qs(urlsplit(leave).query)
    assert asked["post_logout_redirect_uri"] == [f"http://127.0.0.1:{PORT}/sign-in"]
    assert client.get("/account").status_code == 303
    assert walk(leave).split("?")[0] == f"http://127.0.0.1:{PORT}/sign-in"
    # Whoever sits there next is asked who they are.
    with pytest.raises(RuntimeError):
        walk(away(client))
    ours = joined(end_session=False)
    client, _ = enter(ours, walk, "rita")
    csrf = re.search(r'name="csrf" value="([^"]+)"', client.get("/account").text)[1]
    assert client.post("/sign-out", data={"csrf": csrf}).headers["location"] == "/sign-in"


def test_the_secret_may_stand_in_the_environment(joined, walk, monkeypatch):
    site = joined(client_secret_file=None, client_secret_variable="GRANSK_TEST_SECRET")
    assert site.client().get("/sign-in/provider").status_code == 503
    assert [r.seen for r in check_single_sign_on(site.config)] == ["provider_secret"]
    monkeypatch.setenv("GRANSK_TEST_SECRET", SECRET)
    assert enter(site, walk, "rita")[1].status_code == 303
    monkeypatch.setenv("GRANSK_TEST_SECRET", "another")
    assert enter(site, walk, "rita")[1].status_code == 403


def test_without_a_provider_there_is_no_such_door(site):
    client = site.client()
    for address in ("/sign-in/provider", "/sign-in/provider/answer"):
        assert client.get(address).status_code == 404
    assert "/sign-in/provider" not in client.get("/sign-in").text
    boss = site.signed_in("admin")
    assert boss.post("/people/admin/password/remove").status_code == 409


def test_the_doctor_asks_the_provider(joined, site):
    good = joined()
    assert [r.seen for r in check_single_sign_on(good.config)] == ["provider_good"]
    down = joined(issuer=f"http://127.0.0.1:{free_port()}")
    (result,) = check_single_sign_on(down.config)
    assert result.level is Level.FAIL
    assert "letter by letter" in result.remedy("en")
    assert SECRET not in result.what("en")
    assert [r.seen for r in check_single_sign_on(site.config)] == ["single_sign_on_off"]


def test_no_token_of_the_provider_is_logged(joined, walk, caplog):
    caplog.set_level("DEBUG", logger="gransk")
    site = joined()
    enter(site, walk, "rita")
    enter(site, walk, "thief")
    assert "eyJ" not in caplog.text
    assert "Rita" not in caplog.text


GOOD = {
    "issuer": "https://id.example",
    "client_id": "gransk",
    "client_secret_file": "secret",
}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"issuer": "http://id.example"}, "wants an https:// address"),
        ({"issuer": "https://id.example?x=1"}, "wants an https:// address"),
        ({"client_id": ""}, "client_id beside issuer"),
        ({"client_secret_file": None}, "client_secret_file or client_secret_variable"),
        ({"client_secret_variable": "X"}, "not both"),
        ({"scopes": ["profile"]}, "openid among scopes"),
        ({"make_accounts": True}, "roles beside make_accounts"),
        ({"roles": {"king": ["x"]}}, "king"),
    ],
)
def test_a_wrong_section_is_explained(tmp_path, change, message):
    text = yaml.safe_dump({"single_sign_on": GOOD})
    assert parse_config(text, tmp_path / "gransk.yaml").single_sign_on.on
    with pytest.raises(Exception, match=re.escape(message)):
        parse_config(yaml.safe_dump({"single_sign_on": GOOD | change}), tmp_path / "gransk.yaml")


def test_the_identity_of_a_person_is_unique(joined, walk):
    site = joined()
    enter(site, walk, "rita")
    with site.database.read() as session:
        identities = list(session.scalars(select(Account.identity)))
    assert len([one for one in identities if one]) == 1
