"""What a run answers at its doors, and whether two runs answer alike."""

from __future__ import annotations

import contextlib
import json
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import httpx
from blinding_probes import EVERY, PROBES, TELLING, Ask
from blinding_programme import BLINDED, NO_STEP, Programme
from websockets.sync.client import connect

HEADERS = ("content-type", "content-length", "location", "etag", "last-modified", "hx-redirect")
"""Of answers, those that could tell something; others are the same of every page."""


class LeakError(AssertionError):
    """A door told a blinded person something."""


@dataclass(frozen=True)
class Answers:
    """What a run answered, by door and what was asked there.

    Parameters
    ----------
    of : mapping of (door, what was asked) to bytes
    secrets : frozenset of str
        Words of which none may stand in any.
    """

    of: Mapping[tuple[str, str], bytes]
    secrets: frozenset[str]

    def at(self, door: str) -> Answers:
        """The answers at one door."""
        of = {key: value for key, value in self.of.items() if key[0] == door}
        return Answers(of, self.secrets)


def compare(one: Answers, other: Answers) -> None:
    """Two runs that differ in the AI alone must answer alike, and neither tell a secret.

    Raises
    ------
    LeakError
        Names the door, what was asked, and where the answers part.
    """
    if set(one.of) != set(other.of):
        raise LeakError(f"asked otherwise: {sorted(set(one.of) ^ set(other.of))[:3]}")
    for answers in (one, other):
        for (door, asked), said in answers.of.items():
            for secret in answers.secrets:
                if secret.encode() in said:
                    raise LeakError(f"{door} tells a secret where {asked} was asked: {secret}")
    for (door, asked), said in one.of.items():
        then = other.of[door, asked]
        if said != then:
            raise LeakError(f"{door} differs where {asked} was asked:\n{_part(said, then)}")


def _part(one: bytes, other: bytes) -> str:
    where = next(
        (n for n, (a, b) in enumerate(zip(one, other, strict=False)) if a != b),
        min(len(one), len(other)),
    )
    return (
        f"  {one[max(0, where - 80) : where + 80]!r}\n  {other[max(0, where - 80) : where + 80]!r}"
    )


def missing(doors: Iterable[str], probes: Iterable[str], where: str) -> list[str]:
    """A sentence for each door without a probe, and for each probe without a door."""
    here, known = set(doors), set(probes)
    return [
        f"{door} has no probe: say in {where} what a blinded person asks there"
        for door in sorted(here - known)
    ] + [
        f"{door} of {where} is no door any more: remove its probe" for door in sorted(known - here)
    ]


# Our own doors

Normal = Callable[[bytes], bytes]


def normalised(said: bytes, client: httpx.Client) -> bytes:
    """Without what is drawn by chance in each run: nothing else may differ.

    * the session's token, which every form repeats: random, and of no study
    * the token of a form before sign-in: likewise
    * the border between parts of a multipart answer, which Orthanc draws for each
    """
    border = re.search(rb"boundary=([0-9a-f-]{30,})", said)
    if border:
        said = said.replace(border[1], b"BORDER")
    token = client.headers.get("x-csrf-token", "").encode()
    if token:
        said = said.replace(token, b"TOKEN")
    return re.sub(rb'name="csrf" value="[^"]+"', b'name="csrf" value="TOKEN"', said)


def look(
    run: Programme,
    doors: Iterable[str] = PROBES,
    ended: bool = True,
    full: bool = False,
    names: Sequence[str] = (),
    numbers: Sequence[int] = BLINDED,
    when: str = "",
) -> Answers:
    """Ask at doors as each blinded person; in the short form as the first of them.

    Parameters
    ----------
    run : Programme
    doors : iterable of str
    ended : bool
        Whether also what changes something is asked, at the end.
    full : bool
    names : sequence of str
        As whom, where it is somebody else.
    numbers : sequence of int
        Of which exams.
    when : str
        Where the same is asked again of a run.
    """
    found: dict[tuple[str, str], bytes] = {}
    people = names or (run.blinded if full else run.blinded[:1])
    with run.doors():
        for name in people:
            with run.person(name) as client:
                for door in doors:
                    for one in PROBES[door]:
                        if not (one.ends or one.last) and full >= one.full:
                            _keep(found, run, client, name, door, one, numbers, when)
        for door in doors if ended else ():
            for one in PROBES[door]:
                if one.ends and full >= one.full:
                    with run.person(people[0]) as client:
                        _keep(found, run, client, people[0], door, one, numbers, when)
    return Answers(found, frozenset(run.secrets()))


def last(run: Programme) -> Answers:
    """Ask what changes what the person may see, such as reading an exam; after all else."""
    found: dict[tuple[str, str], bytes] = {}
    name = run.blinded[0]
    with run.doors(), run.person(name) as client:
        for door, asked in PROBES.items():
            for one in asked:
                if one.last:
                    _keep(found, run, client, name, door, one, BLINDED, "")
    return Answers(found, frozenset(run.secrets()))


def after(run: Programme, name: str, full: bool) -> Answers:
    """Ask as who has read an exam: in the long form at every door.

    Where one was to read it, it is decided, and its results are in the archive; where two were,
    it waits.
    """
    run.let_out()
    doors = PROBES if full else TELLING
    return look(run, doors, full, full, names=(name,), when=" after the own read")


def _keep(
    found: dict[tuple[str, str], bytes],
    run: Programme,
    client: httpx.Client,
    name: str,
    door: str,
    one: Ask,
    numbers: Sequence[int],
    when: str,
) -> None:
    method = door.split(" ")[0]
    for values in _exams(run, one, numbers):
        address = _filled(one.address, values)
        form = {key: _filled(value, values) for key, value in one.form.items()}
        body = dict(one.body)
        if "json" in body:
            body["json"] = json.loads(_filled(json.dumps(body["json"]), values))
        if method == "WEBSOCKET":
            answer = _listened(client, address)
        else:
            answer = client.request(method, address, data=form or None, **body)
        if answer.status_code not in one.status:
            raise LeakError(
                f"{door} answers {name} with {answer.status_code} where {address} was asked, "
                f"wants {one.status}: {answer.text[:300]}"
            )
        told = run.without_own_steps(name, answer.content) if one.told else b""
        if told != answer.content and "content-length" in answer.headers and one.told:
            answer.headers["content-length"] = str(len(told))
        head = [f"{key}: {answer.headers[key]}" for key in HEADERS
                if key in answer.headers and (one.told or key == "content-type")]  # fmt: skip
        said = "\n".join([str(answer.status_code), *head, ""]).encode() + told
        address = address.replace(values.get("step", NO_STEP), "STEP")
        sent = f"{sorted(form.items())} {body.get('json', '')}{' last' if one.last else ''}{when}"
        found[door, f"{name} {address} {sent}"] = normalised(said, client)


QUIET_SECONDS = 1.5
"""So long nothing comes over a notification connection that has told everything."""


def _listened(client: httpx.Client, address: str) -> httpx.Response:
    """What a subscriber to everything is told now, as the answer to a request."""
    channel = address.rpartition("/")[2]
    asked = client.post(
        f"/dicom-web/workitems/{EVERY}/subscribers/{channel}", params={"deletionlock": "true"}
    )
    cookies = "; ".join(f"{name}={value}" for name, value in client.cookies.items())
    told = []
    place = asked.headers["content-location"]
    opened = connect(place, additional_headers={"cookie": cookies}, proxy=None)
    with opened as socket, contextlib.suppress(TimeoutError):
        while True:
            told.append(str(socket.recv(timeout=QUIET_SECONDS)))
    return httpx.Response(200, text="\n".join(told))


PLACEHOLDERS = ("key", "uid", "item", "accession", "number", "images", "step")


def _exams(run: Programme, one: Ask, numbers: Sequence[int]) -> list[dict[str, str]]:
    """Values of the placeholders, once for each blinded exam; once where there are none."""
    asked = one.address + "".join(map(str, one.form.values())) + str(one.body.get("json", ""))
    if not any(f"{{{name}}}" in asked for name in PLACEHOLDERS):
        return [{}]
    return [
        {
            "key": run.key(number),
            "uid": run.uid(number),
            "item": run.item(number),
            "accession": f"A{number}",
            "number": str(number),
            "images": run.images(number),
            "step": run.step(number),
        }
        for number in numbers
    ]


def _filled(text: Any, values: Mapping[str, str]) -> str:
    for name, value in values.items():
        text = str(text).replace(f"{{{name}}}", value)
    return str(text)
