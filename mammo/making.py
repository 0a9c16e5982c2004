"""From a read exam to findings: marks with their place, lesion and share of the score."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from gransk.core.findings import Finding, FrameRef, Measurement, Region
from gransk.core.keys import uid
from mammo.coding import BREASTS, KINDS, measurement, quality
from mammo.image.density import ExamDensity
from mammo.image.place import Place, place_of, quadrant
from mammo.marks import sides
from mammo.marks.mark import Kind, Mark
from mammo.reading import ReadExam, ReadView
from mammo.scores.score import Scores

DECIMALS = 4


class Making:
    """Findings and candidates of one exam.

    Parameters
    ----------
    read : ReadExam
    scores : Scores
    analysis_key : str
        Tracking UIDs derive from it, from the view, the kind and the place of a mark.
    """

    def __init__(self, read: ReadExam, scores: Scores, analysis_key: str) -> None:
        self.read = read
        self._key = analysis_key
        self._shares = _by_mark(read, scores)

    def uid_of(self, n: int) -> str:
        """Tracking UID of a mark, by its place among the exam's marks."""
        mark = self.read.marks[n]
        place = (str(round(value)) for value in self._centre(n))
        return uid("mammo", self._key, self._view(n).view.name, mark.kind.value, *place)

    def finding(self, number: int, n: int) -> Finding:
        """A reported mark; ``number`` is what people call it."""
        mark, view, place = self.read.marks[n], self._view(n), self._place(n)
        where = self._quadrant(n)
        measured = [
            measurement("size_mm", round(mark.size_mm, 1)),
            measurement("nipple_distance_mm", round(place.nipple_mm, 1)),
        ]
        if n in self._shares:
            measured.append(measurement("score_share", round(100 * self._shares[n], 1)))
        asymmetry = self.read.asymmetry.get(n)
        if asymmetry is not None:
            measured.append(sides.mark_measurement(asymmetry))
        return Finding(
            tracking_uid=self.uid_of(n),
            tracking_id=f"Mark {number}",
            kind=KINDS[mark.kind],
            site=BREASTS[view.view.laterality],
            probability=round(mark.probability, DECIMALS),
            malignancy=self._malignancy(n),
            measurements=tuple(measured),
            qualities=(
                quality("laterality", view.view.laterality.value),
                quality("view", view.view.projection.value),
                quality("depth", place.depth),
                *(quality(name, word) for name, word in _looks(mark) if word),
                *([quality("quadrant", where)] if where else []),
            ),
            regions=(
                Region(
                    sop_instance_uid=view.view.instance.sop_instance_uid, points=self._outline(n)
                ),
            ),
            lesion_uid=self._lesion(n),
        )

    def candidate(self, n: int, reported: bool) -> dict[str, object]:
        """Any mark, for evaluation."""
        mark, view = self.read.marks[n], self._view(n).view
        return {
            "tracking_uid": self.uid_of(n),
            "sop_instance_uid": view.instance.sop_instance_uid,
            "laterality": view.laterality.value,
            "view": view.projection.value,
            "kind": mark.kind.value,
            "centre_px": [round(value, 1) for value in self._centre(n)],
            "outline_px": [list(point) for point in self._outline(n)],
            "size_mm": round(mark.size_mm, 1),
            **{name: word or None for name, word in _looks(mark)},
            "probability": round(mark.probability, 5),
            "malignancy": self._malignancy(n),
            "pair": None if mark.pair is None else self.uid_of(mark.pair),
            "score_share": round(100 * self._shares.get(n, 0.0), 1),
            "reported": reported,
        }

    def _view(self, n: int) -> ReadView:
        return self.read.views[self.read.marks[n].view]

    def _place(self, n: int) -> Place:
        view = self._view(n)
        return place_of(self.read.marks[n].centre, view.anatomy, view.view.projection)

    def _malignancy(self, n: int) -> float | None:
        """None where nothing is said of it, as of calcifications: nothing was learned there."""
        mark = self.read.marks[n]
        said = mark.estimated and mark.kind is not Kind.CALCIFICATIONS
        return round(mark.malignancy, DECIMALS) if said else None

    def _centre(self, n: int) -> tuple[float, float]:
        """Native column and row."""
        column, row = self._view(n).prepared.to_native(self.read.marks[n].centre)
        return float(column), float(row)

    def _outline(self, n: int) -> tuple[tuple[float, float], ...]:
        points = self._view(n).prepared.to_native(self.read.marks[n].outline)
        return tuple((round(float(x), 2), round(float(y), 2)) for x, y in points)

    def _lesion(self, n: int) -> str:
        """The same for both marks of a pair; empty for a mark that is alone."""
        pair = self.read.marks[n].pair
        return "" if pair is None else uid("lesion", *sorted((self.uid_of(n), self.uid_of(pair))))

    def _quadrant(self, n: int) -> str:
        """From both views where the mark is paired."""
        pair = self.read.marks[n].pair
        both = [n] if pair is None else [n, pair]
        return quadrant(tuple(self._place(each).half for each in both))


def _looks(mark: Mark) -> tuple[tuple[str, str], ...]:
    return ("shape", mark.shape), ("margin", mark.margin)


def _by_mark(read: ReadExam, scores: Scores) -> Mapping[int, float]:
    """The share of each mark that counts in the score; of none where marks do not make it."""
    if not scores.by_marks:
        return {}
    counted = [n for n, mark in enumerate(read.marks) if mark.kind is not Kind.CALCIFICATIONS]
    shares = [share for view in scores.shares for share in view]
    return dict(zip(counted, shares, strict=True))


def frame_of(view: ReadView) -> FrameRef:
    """One analysed view."""
    instance = view.view.instance
    number = instance.header.get("InstanceNumber")
    return FrameRef(
        sop_class_uid=instance.sop_class_uid,
        sop_instance_uid=instance.sop_instance_uid,
        series_instance_uid=instance.series_instance_uid,
        instance_number=None if number is None else int(number),
        label=view.view.name,
    )


def probabilities(views: Sequence[ReadView], scores: Scores) -> list[Measurement]:
    """Of the exam, each breast and each view."""
    made = [measurement("malignancy_probability", round(scores.exam, DECIMALS))]
    for side, value in scores.breasts.items():
        name = f"malignancy_probability_{side.lower()}"
        made.append(measurement(name, round(value, DECIMALS)))
    if not scores.by_marks:
        return made
    for view, value in zip(views, scores.views, strict=True):
        name = f"malignancy_probability_{view.view.name.lower().replace(' ', '_')}"
        made.append(measurement(name, round(value, DECIMALS)))
    return made


def densities(density: ExamDensity) -> list[Measurement]:
    """Percent dense area of the exam and of each breast."""
    return [
        measurement("percent_density", round(density.percent, 1)),
        *(
            measurement(f"percent_density_{side.lower()}", round(value, 1))
            for side, value in density.breasts
        ),
    ]
