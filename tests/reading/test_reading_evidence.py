"""What is simulated of a policy is what a version with its limit asks for."""

import datetime

from past_exams import FREE, ILL, past

from gransk.reading.evidence import evidence_of, scenario_of
from gransk.reading.policy import Policy, Room
from gransk.reading.room_changes import new_limits, simulated
from gransk.reading.simulation.figures import simulate

DAY = datetime.date(2026, 3, 1)
POLICY = Policy(name="p", kind="triage", double_from=9, marks_from=8, differing="breast")


def test_a_simulation_of_a_policy_is_evidence_of_its_limits():
    women = [past(n, "nn", score=1, outcome=FREE) for n in range(30)]
    women += [past(n, "rr", score=10, outcome=ILL) for n in range(30, 33)]
    unit, model = women[0].unit, women[0].ai.model
    scenario = scenario_of(POLICY)
    assert (scenario.double_from, scenario.marks_from, scenario.differing) == (9, 8, "breast")
    found = evidence_of(simulate(women, unit, model, scenario), DAY, DAY, DAY)
    assert (found.unit, found.exams, found.cancers) == (unit, 33, 3)
    room = Room(
        valid_from=DAY,
        policies=[POLICY],
        rules=[{"when": {"programmes": ["screening"], "units": ["x"]}, "policy": "p"}],
        minimum={"mammo": {"exams": 10, "cancers": 1}},
    )
    assert new_limits(None, room, "x") == {simulated(found)}
    assert new_limits(None, room, "y") == set()
    assert new_limits(room, room, "x") == set()
