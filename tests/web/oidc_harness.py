"""A real OpenID provider (npm oidc-provider), and a browser's way through it."""

from __future__ import annotations

import html
import json
import re
import signal
import subprocess
from pathlib import Path
from typing import Any
from urllib.parse import urljoin

import httpx
from free_ports import free_port

FOLDER = Path(__file__).with_name("oidc_provider")
SECRET = "a secret of client and provider"
PEOPLE: dict[str, dict[str, Any]] = {
    "ida": {
        "preferred_username": "Ida.Nielsen@hospital.example",
        "name": "Ida <b>Nielsen</b>",
        "groups": ["gransk-radiologists", "something-else"],
    },
    "rita": {"preferred_username": "rita", "name": "Rita Roed", "groups": ["gransk-boards"]},
    "odd": {"preferred_username": "odd", "name": "Odd One", "groups": ["something-else"]},
    "thief": {"preferred_username": "admin", "groups": ["gransk-radiologists"]},
    "foreign": {"preferred_username": "ida@other.example", "groups": ["gransk-radiologists"]},
}


class ProviderProcess:
    """The provider as a process that can be stopped and started, then with other keys.

    Parameters
    ----------
    folder : Path
        Where the file with its people is.
    home : str
        Address of the site that it serves.
    userinfo : bool
        Whether it keeps a person's claims for its userinfo endpoint.
    given : dict
        ``seconds`` that a token of client credentials lasts, and how that client shows itself:
        ``authentication``.
    """

    def __init__(self, folder: Path, home: str, userinfo: bool = False, **given: Any) -> None:
        self.port = free_port()
        self._file = folder / "people.json"
        self._values = {
            "port": self.port,
            "home": home,
            "secret": SECRET,
            "people": str(self._file),
            "userinfo": userinfo,
            **given,
        }
        self._process: subprocess.Popen[str] | None = None
        self.people({})

    @property
    def issuer(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def people(self, changes: dict[str, dict[str, Any]]) -> None:
        """What it says of people from now on."""
        self._file.write_text(json.dumps(PEOPLE | changes), encoding="utf-8")

    def start(self) -> ProviderProcess:
        if not (FOLDER / "node_modules").is_dir():
            raise RuntimeError("the test provider is not installed; run: npm run test-tools")
        self._process = subprocess.Popen(
            ["node", "server.mjs", json.dumps(self._values)],
            cwd=FOLDER,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        assert self._process.stdout is not None
        while line := self._process.stdout.readline():
            if line.strip() == "ready":
                return self
        raise RuntimeError(f"the provider ended with {self._process.wait()}")

    def stop(self) -> None:
        process, self._process = self._process, None
        if process is not None:
            process.send_signal(signal.SIGTERM)
            process.wait(20)


class Walk:
    """A browser at the provider: follows it, signs in and agrees, until it leads elsewhere."""

    def __init__(self, issuer: str) -> None:
        self._issuer = issuer
        self._client = httpx.Client(trust_env=False, timeout=20)

    def __call__(self, address: str, login: str = "") -> str:
        """The first address outside the provider."""
        answer = self._client.get(address)
        for _ in range(20):
            if answer.is_redirect:
                address = urljoin(str(answer.url), answer.headers["location"])
                if not address.startswith(self._issuer):
                    return address
                answer = self._client.get(address)
            else:
                answer = self._submit(answer, login)
        raise RuntimeError("the provider leads nowhere")

    def _submit(self, answer: httpx.Response, login: str) -> httpx.Response:
        form = re.search(r"<form[^>]*>.*?</form>", answer.text, re.DOTALL)
        if form is None:
            raise RuntimeError(f"the provider answers {answer.status_code}: {answer.text[:500]}")
        action = html.unescape(re.search(r'action="([^"]*)"', form[0])[1])
        hidden = dict(re.findall(r'name="(\w+)" value="([^"]*)"', form[0]))
        if hidden.get("prompt") == "login":
            hidden |= {"login": login, "password": "any"}
        if "xsrf" in hidden:
            hidden["logout"] = "yes"
        return self._client.post(urljoin(str(answer.url), action), data=hidden)

    def close(self) -> None:
        self._client.close()
