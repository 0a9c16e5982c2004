"""Reports and priority at node-hl7-server, which is not ours: taken, refused, not answered, cut."""

import json
import subprocess
from pathlib import Path

import pytest
from hl7_cases import REPORT, URGENT, ris, told

from gransk.delivery.destination import RefusedError, UnavailableError
from gransk.delivery.systems import Hl7System
from gransk.site.hl7_mapping import default_mapping

NODE = Path(__file__).with_name("hl7_node.cjs")
FIELDS = {
    "report": "MSH.9.1,MSH.9.2,MSH.10,OBR.18,OBR.25",
    "priority 2.5.1": "MSH.9.1,MSH.9.2,MSH.10,ORC.1,TQ1.9.1,OBR.18",
    "priority 2.3.1": "MSH.9.1,MSH.9.2,MSH.10,ORC.1,OBR.27.6,OBR.18",
}
SAID = {
    "report": ["ORU", "R01", None, "ACC-1", "P"],
    "priority 2.5.1": ["OMG", "O19", None, "XO", "S", "ACC-1"],
    "priority 2.3.1": ["ORM", "O01", None, "XO", "S", "ACC-1"],
}


@pytest.fixture(scope="module")
def node():
    """Starts servers of node-hl7-server: ``node(code, fields)`` gives the port and its output."""
    started = []

    def start(code, fields):
        process = subprocess.Popen(
            ["node", NODE, "server", code, fields], stdout=subprocess.PIPE, text=True
        )
        started.append(process)
        return json.loads(process.stdout.readline())["port"], process.stdout

    yield start
    for process in started:
        process.kill()
        process.wait(10)
        process.stdout.close()


def sent(kind, port, **values):
    version = "2.3.1" if kind == "priority 2.3.1" else "2.5.1"
    system = Hl7System(ris(port=port, version=version, **values), default_mapping())
    made = system.make(told(REPORT if kind == "report" else URGENT))
    return made, lambda: system.send(made.control_id, made.content)


@pytest.mark.parametrize("kind", list(FIELDS))
def test_another_implementation_takes_it(node, kind):
    port, printed = node("AA", FIELDS[kind])
    made, send = sent(kind, port, timeout_seconds=20)
    assert b"MSA|AA|" + made.control_id.encode() in send()
    wanted = [value or made.control_id for value in SAID[kind]]
    assert json.loads(printed.readline()) == dict(zip(FIELDS[kind].split(","), wanted, strict=True))


@pytest.mark.parametrize("code", ["AE", "AR"])
@pytest.mark.parametrize("kind", ["report", "priority 2.5.1"])
def test_the_refusal_of_another_implementation_is_one(node, kind, code):
    port, _ = node(code, "MSH.10")
    _, send = sent(kind, port, timeout_seconds=20)
    with pytest.raises(RefusedError, match=code):
        send()


@pytest.mark.parametrize(
    ("code", "why"), [("silent", "no answer in time"), ("cut", "ended the connection|reset")]
)
@pytest.mark.parametrize("kind", ["report", "priority 2.5.1"])
def test_without_an_answer_it_is_not_delivered_and_goes_again_unchanged(node, kind, code, why):
    port, printed = node(code, "MSH.10")
    made, send = sent(kind, port, timeout_seconds=1.5)
    for _ in range(2):
        with pytest.raises(UnavailableError, match=why):
            send()
    ids = {json.loads(printed.readline())["MSH.10"] for _ in range(2)}
    assert ids == {made.control_id}
