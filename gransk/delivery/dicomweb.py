"""A destination that is sent objects by STOW-RS (PS3.18 10.5)."""

from __future__ import annotations

import datetime
import secrets
import ssl
import threading
from collections.abc import Iterator, Mapping
from email.utils import parsedate_to_datetime
from typing import Any

import httpx

from gransk.core.errors import ConfigurationError
from gransk.delivery.destination import DoubtedError, RefusedError, UnavailableError, UnclearError
from gransk.delivery.tokens import TokenError, Tokens
from gransk.site.config_destinations import DicomwebDestination
from gransk.site.config_messages import TlsClient

JSON = "application/dicom+json"
DOUBTED = frozenset({403, 408, 425, 429})
"""Refusals that pass where a right is given or the server is less busy, and else may not."""
NO_ANSWER = (
    httpx.ReadTimeout,
    httpx.WriteTimeout,
    httpx.ReadError,
    httpx.WriteError,
    httpx.RemoteProtocolError,
)
"""The server was there, and broke off or fell silent: by its own state, or at this object."""
AWAY = frozenset({502, 503, 504})
"""Answers of a server that is away or busy, whatever it is sent."""
FAILED_SOP_SEQUENCE, FAILURE_REASON = "00081198", "00081197"
OTHER_FAILURES_SEQUENCE = "0008119A"
"""Of what the server could not tell the UID of: one object goes with each request, ours."""
REFERENCED_SOP_INSTANCE_UID = "00081155"
NO_QUERIES = frozenset({400, 405, 501})
NOBODY = "2.25.0"
"""A UID that no object bears."""
LONGEST_AFTER_SECONDS = 3600.0
"""A server that asks to be left alone for longer is asked again by then."""
DUPLICATE = 0x0111
"""Failure Reason of servers that will not store again what they have (PS3.7 Annex C)."""


class DicomwebCarrier:
    """Sends to a STOW-RS server, one object with each request.

    Parameters
    ----------
    settings : DicomwebDestination
    """

    def __init__(self, settings: DicomwebDestination) -> None:
        self.settings = settings
        self._tokens = None if settings.oauth is None else Tokens(settings.oauth)
        self._lock = threading.Lock()
        self._client: httpx.Client | None = None

    def send(self, sop_instance_uid: str, content: bytes) -> None:
        """Store the object; a server that has it takes the same bytes again."""
        boundary = secrets.token_hex(16)
        headers = {
            "accept": JSON,
            "content-type": f'multipart/related; type="application/dicom"; boundary={boundary}',
        }
        head = f"--{boundary}\r\ncontent-type: application/dicom\r\n\r\n".encode()
        body = b"".join((head, content, f"\r\n--{boundary}--\r\n".encode()))
        _judge(self._ask("POST", "/studies", headers, body), sop_instance_uid)

    def remove(self, sop_instance_uid: str) -> None:
        """Delete the object, wherever the server has it.

        It is looked for by QIDO-RS (PS3.18 10.6), and deleted as many servers allow it.
        """
        query = f"/instances?SOPInstanceUID={sop_instance_uid}"
        found = self._ask("GET", query, {"accept": JSON})
        _check(found)
        if found.status_code == httpx.codes.NO_CONTENT:
            return
        for path in _paths(_json(found), sop_instance_uid):
            answer = self._ask("DELETE", path, {"accept": JSON})
            if answer.status_code not in (httpx.codes.NOT_FOUND, httpx.codes.GONE):
                _check(answer)

    def echo(self) -> None:
        """Ask whether the server is there, by a query that finds nothing.

        One that answers no queries is there all the same.

        Raises
        ------
        UnavailableError
            Where it does not answer, or does not take our credentials.
        RefusedError
            Where nothing is at its address.
        """
        answer = self._ask("GET", f"/instances?SOPInstanceUID={NOBODY}", {"accept": JSON})
        if answer.status_code not in NO_QUERIES:
            _check(answer)

    def _ask(
        self, method: str, path: str, headers: Mapping[str, str], content: bytes | None = None
    ) -> httpx.Response:
        """One request; where a token is not taken, one more with a new one."""
        try:
            answer = self._request(method, path, headers, content)
            if answer.status_code == httpx.codes.UNAUTHORIZED and self._tokens is not None:
                self._tokens.forget(self._tokens.token())
                answer = self._request(method, path, headers, content)
        except NO_ANSWER as error:
            raise DoubtedError(_said(error)) from error
        except httpx.HTTPError as error:
            raise UnavailableError(_said(error)) from error
        except (ConfigurationError, TokenError) as error:
            raise UnavailableError(str(error)) from error
        return answer

    def _request(
        self, method: str, path: str, headers: Mapping[str, str], content: bytes | None
    ) -> httpx.Response:
        settings, auth = self.settings, None
        if self._tokens is not None:
            headers = {**headers, "authorization": f"Bearer {self._tokens.token()}"}
        elif settings.token_file is not None:
            headers = {**headers, "authorization": f"Bearer {settings.secret()}"}
        elif settings.username:
            auth = (settings.username, settings.secret())
        return self._connected().request(
            method, settings.url + path, headers=headers, content=content, auth=auth
        )

    def _connected(self) -> httpx.Client:
        with self._lock:
            if self._client is None:
                self._client = httpx.Client(
                    timeout=self.settings.timeout_seconds,
                    verify=(self.settings.tls or TlsClient()).context(),
                    follow_redirects=False,
                    trust_env=False,
                )
            return self._client


def _judge(answer: httpx.Response, sop_instance_uid: str) -> None:
    """Was the object stored? (PS3.18 10.5.3 and Annex I)."""
    if answer.status_code == httpx.codes.OK:
        failed = _failures(answer, sop_instance_uid)
    elif answer.status_code in (httpx.codes.ACCEPTED, httpx.codes.CONFLICT):
        failed = _failures(answer, sop_instance_uid)
        if answer.status_code == httpx.codes.CONFLICT and not failed:
            raise RefusedError("answered 409 without saying why")
        if failed is None:
            raise UnclearError(f"answered {answer.status_code} without saying what it stored")
    else:
        _check(answer)
        raise UnclearError(f"answered {answer.status_code}, which is no answer of STOW-RS")
    for reason in failed or ():
        if reason & 0xFF00 == 0xA700:
            raise DoubtedError(f"the server is out of resources (reason 0x{reason:04X})")
        if reason != DUPLICATE:
            raise RefusedError(f"the server did not store it (reason 0x{reason:04X})")


def _check(answer: httpx.Response) -> None:
    """Raise where a request did not succeed."""
    if answer.is_success:
        return
    status, told = answer.status_code, f"answered {answer.status_code}"
    if answer.is_redirect:
        raise UnavailableError(f"{told}: redirects are not followed; give the final address")
    if status == httpx.codes.UNAUTHORIZED or status in AWAY:
        raise UnavailableError(told, _after(answer))
    if status in DOUBTED:
        raise DoubtedError(told, _after(answer))
    if answer.is_client_error or status == httpx.codes.NOT_IMPLEMENTED:
        raise RefusedError(told)
    # It failed: by its own state, or at what it was sent.
    raise DoubtedError(told, _after(answer))


def _after(answer: httpx.Response) -> float:
    """Seconds of Retry-After (RFC 9110 10.2.3), within reason; 0 where it says none."""
    said = answer.headers.get("retry-after", "")
    if said.isdecimal() and len(said) < 10:
        return min(float(said), LONGEST_AFTER_SECONDS)
    try:
        then = parsedate_to_datetime(said)
        seconds = (then - datetime.datetime.now(datetime.UTC)).total_seconds()
    except (ValueError, TypeError):
        return 0.0
    return min(max(seconds, 0.0), LONGEST_AFTER_SECONDS)


def _failures(answer: httpx.Response, sop_instance_uid: str) -> list[int] | None:
    """Failure Reasons of an object in the answer; None where the answer cannot be read."""
    try:
        told = _json(answer)
    except RefusedError:
        return None
    found = []
    for one in _items(told, FAILED_SOP_SEQUENCE):
        uid = _first(one, REFERENCED_SOP_INSTANCE_UID)
        if uid in (None, sop_instance_uid):
            found.append(_reason(one))
    return found + [_reason(one) for one in _items(told, OTHER_FAILURES_SEQUENCE)]


def _reason(failed: Any) -> int:
    reason = _first(failed, FAILURE_REASON)
    return reason if isinstance(reason, int) else 0


def _json(answer: httpx.Response) -> Any:
    try:
        return answer.json()
    except (ValueError, RecursionError) as error:
        raise RefusedError("answered with something that is not DICOM JSON") from error


def _items(dataset: Any, tag: str) -> list[Any]:
    """Items of a sequence in the DICOM JSON model (PS3.18 F.2)."""
    element = dataset.get(tag) if isinstance(dataset, dict) else None
    values = element.get("Value") if isinstance(element, dict) else None
    return values if isinstance(values, list) else []


def _first(dataset: Any, tag: str) -> Any:
    return next(iter(_items(dataset, tag)), None)


def _paths(found: Any, sop_instance_uid: str) -> Iterator[str]:
    """Where instances of that UID are, of an answer to QIDO-RS."""
    for one in found if isinstance(found, list) else ():
        study, series = _first(one, "0020000D"), _first(one, "0020000E")
        if _first(one, "00080018") == sop_instance_uid and study and series:
            yield f"/studies/{study}/series/{series}/instances/{sop_instance_uid}"


def _said(error: httpx.HTTPError) -> str:
    """What went wrong, as the outbox shows it: nothing of the request."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, ssl.SSLCertVerificationError):
            return f"TLS: the certificate does not stand: {cause.verify_message}"
        cause = cause.__cause__ or cause.__context__
    return type(error).__name__
