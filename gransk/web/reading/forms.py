"""The form of an opinion: what was typed, kept as it is, and the opinion that it makes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

from starlette.datastructures import FormData

from gransk.core.errors import GranskError
from gransk.core.screening import Breast, FindingType, TechnicalReason, Verdict, View
from gransk.reading.opinions import WORDS, DifferenceReason, Opinion, Place, Suspect, Technical

T = TypeVar("T", Verdict, Breast, View, FindingType, TechnicalReason, DifferenceReason)
ROWS = 6
"""Findings that a form has room for."""
UNKNOWN = "-"
"""Side or view of an image that does not say it."""
WHOLE = "both"
"""View of a finding that is told of no single view."""
VIEWS = tuple(f"{breast} {view}" for view in View for breast in Breast)
"""As they hang: R CC, L CC, R MLO, L MLO."""


class FormError(GranskError):
    """A form that makes no opinion; ``codes`` are keys of the texts that say what is missing."""

    def __init__(self, codes: Sequence[str]) -> None:
        super().__init__(", ".join(codes))
        self.codes = tuple(codes)


@dataclass(frozen=True)
class FindingForm:
    """One finding as it was typed; what is not chosen is empty."""

    side: str = ""
    view: str = ""
    type: str = ""
    suspicion: str = ""
    place: str = ""
    """Side, view, image, column, row and radius, as ``static/place.js`` writes them."""

    @property
    def filled(self) -> bool:
        return bool(self.side or self.view or self.type or self.suspicion or self.place)


@dataclass(frozen=True)
class OpinionForm:
    """What stands in the form of an opinion.

    Parameters
    ----------
    verdict : str
    findings : tuple of FindingForm
        Always `ROWS`.
    views : tuple of str
        To be made again.
    reason : str
        Why.
    comment : str
    images : str
        Digest of the images that the page showed.
    stale, seen_new : bool
        Images came meanwhile, and the person says to have seen them.
    why : str
        Why opinions differed, of a verdict on them.
    met : bool
        Whether a meeting decided.
    participants : tuple of str
    """

    verdict: str = ""
    findings: tuple[FindingForm, ...] = (FindingForm(),) * ROWS
    views: tuple[str, ...] = ()
    reason: str = ""
    comment: str = ""
    images: str = ""
    stale: bool = False
    seen_new: bool = False
    why: str = ""
    met: bool = False
    participants: tuple[str, ...] = field(default=())

    @classmethod
    def of(cls, opinion: Opinion, images: str) -> OpinionForm:
        """The form that an opinion would be typed in."""
        rows = [
            FindingForm(one.breast.value, one.view.value if one.view else WHOLE,
                        one.finding_type.value, str(one.suspicion), place_of(one))
            for one in opinion.suspects[:ROWS]
        ]  # fmt: skip
        technical = opinion.technical
        return cls(
            verdict=opinion.verdict.value,
            findings=(*rows, *(FindingForm(),) * (ROWS - len(rows))),
            views=tuple(f"{b} {v}" for b, v in technical.views) if technical else (),
            reason=technical.reason.value if technical else "",
            comment=opinion.comment,
            images=images,
        )

    @classmethod
    def read(cls, form: FormData) -> OpinionForm:
        """What a browser sent."""
        sent = {name: str(value).strip() for name, value in form.items()}

        def many(name: str) -> tuple[str, ...]:
            return tuple(dict.fromkeys(str(value) for value in form.getlist(name)))

        return cls(
            verdict=sent.get("verdict", ""),
            findings=tuple(_finding(sent, number) for number in range(1, ROWS + 1)),
            views=many("views"),
            reason=sent.get("reason", ""),
            comment=sent.get("comment", ""),
            images=sent.get("images", ""),
            stale=sent.get("stale") == "yes",
            seen_new=sent.get("seen_new") == "yes",
            why=sent.get("why", ""),
            met=sent.get("met") == "yes",
            participants=many("participants"),
        )

    @property
    def shown_findings(self) -> int:
        """How many findings to show: the filled ones, and one at least."""
        filled = [number for number, one in enumerate(self.findings, 1) if one.filled]
        return max(filled, default=1)

    def opinion(self, levels: Sequence[int]) -> Opinion:
        """The opinion that the form makes.

        Parameters
        ----------
        levels : sequence of int
            The site's scale of suspicion.

        Raises
        ------
        FormError
        """
        wrong: dict[str, None] = {}
        verdict = _one_of(Verdict, self.verdict, "reading_wants_verdict", wrong)
        filled = [one for one in self.findings if one.filled]
        if verdict is Verdict.RECALL and not filled:
            wrong["reading_wants_finding"] = None
        if verdict is Verdict.NORMAL and filled:
            wrong["reading_normal_has_finding"] = None
        suspects = [_suspect(one, levels, wrong) for one in filled]
        technical = self._technical(wrong) if verdict is Verdict.TECHNICAL else None
        if self.stale and not self.seen_new:
            wrong["reading_wants_seen"] = None
        if len(self.comment) > WORDS:
            wrong["reading_comment_long"] = None
        if wrong or verdict is None:
            raise FormError(list(wrong))
        return Opinion(
            verdict=verdict,
            suspects=tuple(one for one in suspects if one is not None),
            technical=technical,
            comment=self.comment,
        )

    def difference(self) -> DifferenceReason:
        """Why opinions differed.

        Raises
        ------
        FormError
        """
        wrong: dict[str, None] = {}
        found = _one_of(DifferenceReason, self.why, "reading_wants_why", wrong)
        if found is None:
            raise FormError(list(wrong))
        return found

    def _technical(self, wrong: dict[str, None]) -> Technical | None:
        views = [VIEW_OF[name] for name in self.views if name in VIEW_OF]
        if not views:
            wrong["reading_wants_views"] = None
        reason = _one_of(TechnicalReason, self.reason, "reading_wants_reason", wrong)
        if not views or reason is None:
            return None
        return Technical(views=tuple(views), reason=reason)


VIEW_OF: Mapping[str, tuple[Breast, View]] = {
    f"{breast} {view}": (breast, view) for view in View for breast in Breast
}


def _finding(sent: Mapping[str, str], number: int) -> FindingForm:
    names = ("side", "view", "type", "suspicion", "place")
    return FindingForm(*(sent.get(f"{name}-{number}", "") for name in names))


def place_of(suspect: Suspect) -> str:
    """A finding's place as a form carries it; empty where it has none."""
    if suspect.place is None:
        return ""
    view = suspect.view.value if suspect.view else UNKNOWN
    numbers = (*suspect.place.centre_px, suspect.place.radius_px)
    image = suspect.place.sop_instance_uid
    return " ".join((suspect.breast.value, view, image, *(f"{one:.1f}" for one in numbers)))


def _place(typed: FindingForm, wrong: dict[str, None]) -> Place | None:
    """The place that was pointed at; it lies in the breast and view that were chosen."""
    if not typed.place:
        return None
    try:
        side, view, image, *numbers = typed.place.split(" ")
        column, row, radius = map(float, numbers)
        found = Place(sop_instance_uid=image, centre_px=(column, row), radius_px=radius)
    except ValueError:
        wrong["reading_wants_place"] = None
        return None
    if side not in (typed.side, UNKNOWN) or (view != UNKNOWN and typed.view not in (view, WHOLE)):
        wrong["reading_place_elsewhere"] = None
    return found


def _suspect(typed: FindingForm, levels: Sequence[int], wrong: dict[str, None]) -> Suspect | None:
    side = _one_of(Breast, typed.side, "reading_wants_side", wrong)
    view = None
    if typed.view != WHOLE:
        view = _one_of(View, typed.view, "reading_wants_view", wrong)
    kind = _one_of(FindingType, typed.type, "reading_wants_type", wrong)
    if typed.suspicion not in {str(level) for level in levels}:
        wrong["reading_wants_suspicion"] = None
    place = _place(typed, wrong)
    if wrong or side is None or kind is None:
        return None
    return Suspect(
        breast=side, view=view, finding_type=kind, suspicion=int(typed.suspicion), place=place
    )


def _one_of(kind: type[T], value: str, code: str, wrong: dict[str, None]) -> T | None:
    try:
        return kind(value)
    except ValueError:
        wrong[code] = None
        return None
