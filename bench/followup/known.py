"""Known lesions as the findings that an analysis would give: outlined, judged and measured."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from bench.followup.pairs import Made
from gransk.core.application import Examined
from gransk.core.ct import frames_of
from gransk.core.findings import Findings
from gransk.core.keys import uid
from gransk.core.models import ModelLibrary
from gransk.core.study import Instance, Study
from nodule.application import NoduleApplication
from nodule.detector import Candidate
from nodule.lungs import segment_lungs
from nodule.morphology import MODEL_ID as MORPHOLOGY_ID
from nodule.morphology import Morphology
from nodule.place import LungMap
from nodule.reading import Reader, finding_of, is_sharp
from nodule.segmenter import MODEL_ID as SEGMENTER_ID
from nodule.segmenter import Segmenter

# A detector's mark lies so far beside the middle, along each axis.
BESIDE_MM = 0.7
PROBABILITY = 0.9

Place = tuple[float, float, float]


def _from_feet(study: Study) -> list[Instance]:
    """The images of a made study in their order."""
    return sorted(study.instances, key=lambda i: int(i.header.InstanceNumber))


@dataclass(frozen=True)
class Knower:
    """Turns places of a scan into findings, in the place of the detector.

    Parameters
    ----------
    models : ModelLibrary
    """

    models: ModelLibrary

    def examine(
        self, study: Study, made: Made, places: Sequence[Place], rng: np.random.Generator
    ) -> Examined:
        """A study with a finding at each place, in their order.

        The point that is outlined is moved a little from the place, by chance.
        """
        volume = made.volume
        frames = tuple(frames_of(instance)[0].reference for instance in _from_feet(study))
        lungs = segment_lungs(volume)
        lung_map = LungMap(lungs, volume.geometry)
        loaded = [self.models.load(name) for name in (SEGMENTER_ID, MORPHOLOGY_ID)]
        reader = Reader(Segmenter(loaded[0]), Morphology(loaded[1]), is_sharp(made.kernel))
        findings = []
        for number, place in enumerate(places):
            x, y, z = (float(v) for v in np.asarray(place) + rng.normal(0, BESIDE_MM, 3))
            edge = np.asarray(volume.hu.shape) - 1
            k, j, i = (float(v) for v in np.clip(volume.geometry.to_index((x, y, z)), 0, edge))
            candidate = Candidate((k, j, i), (x, y, z), 3.0, PROBABILITY, None)
            nodule = reader.read(volume, lungs, lung_map, candidate)
            findings.append(
                finding_of(
                    nodule, uid("known lesion", study.uid, str(number)), f"Nodule {number + 1}",
                    volume.geometry.spacing, frames,
                )
            )  # fmt: skip
        application = NoduleApplication
        return Examined(
            study,
            Findings(
                application=application.id,
                application_version=application.version,
                models=tuple(model.identity for model in loaded),
                study_instance_uid=study.uid,
                series_instance_uids=(study.series[0].uid,),
                frames=frames,
                findings=tuple(findings),
            ),
        )
