"""From policies to what is simulated of them, and back to what a version of the room needs."""

from __future__ import annotations

import datetime

from gransk.reading.policy import Policy
from gransk.reading.room_changes import SIMULATED, Evidence
from gransk.reading.simulation.figures import Simulation
from gransk.reading.simulation.worlds import Scenario


def scenario_of(policy: Policy) -> Scenario:
    """What of a policy a simulation follows."""
    return Scenario(kind=policy.kind, differing=policy.differing, **policy.limits)


def evidence_of(
    simulation: Simulation, first: datetime.date, last: datetime.date, made_on: datetime.date
) -> Evidence:
    """A simulation as it is attached to a draft.

    Parameters
    ----------
    simulation : Simulation
    first, last : date
        Of the exams that were simulated.
    made_on : date
    """
    given = {name: getattr(simulation.scenario, name) for name in SIMULATED}
    rounds = simulation.rounds.values()
    return Evidence(
        unit=simulation.unit,
        kind=simulation.scenario.kind,
        limits={name: limit for name, limit in given.items() if limit is not None},
        first=first,
        last=last,
        exams=sum(one.exams for one in rounds),
        cancers=sum(one.cancers for one in rounds),
        figures=simulation.model_dump(mode="json"),
        made_on=made_on,
    )
