"""What a guideline is asked about: one nodule, its course and its patient."""

from __future__ import annotations

import datetime
import itertools
from dataclasses import dataclass, field
from enum import StrEnum

from gransk.core.errors import InvalidValueError
from nodule.density import Texture
from nodule.growth.change import Sized
from nodule.growth.rules import GrowthRules, growth_rules
from nodule.guidelines.table import FEATURES
from nodule.risk.profile import Cancer, Profile

Percents = tuple[float, float]


class Morphology(StrEnum):
    """A looks that some guidelines call benign."""

    ORDINARY = "ordinary"
    PERIFISSURAL = "perifissural"
    JUXTAPLEURAL = "juxtapleural"
    CALCIFIED = "calcified"
    FAT = "fat"


class Lungs(StrEnum):
    """Whether the scan can be judged at all."""

    EVALUABLE = "evaluable"
    NOT_EVALUABLE = "not_evaluable"
    PRIOR_AWAITED = "prior_awaited"
    INFLAMMATORY = "inflammatory"


@dataclass(frozen=True)
class Look:
    """The nodule on one scan of its course.

    Parameters
    ----------
    sized : Sized
        Its size, and how the scan was made.
    solid_mm, solid_mm3 : float, optional
        Mean diameter and volume of its solid part; 0 where it has none.

    Raises
    ------
    InvalidValueError
        Where a solid part is negative or larger than the nodule.
    """

    sized: Sized
    solid_mm: float | None = None
    solid_mm3: float | None = None

    def __post_init__(self) -> None:
        pairs = (
            ("solid_mm", self.solid_mm, self.sized.mean_diameter_mm),
            ("solid_mm3", self.solid_mm3, self.sized.volume_mm3),
        )
        for name, part, whole in pairs:
            if part is not None and not 0 <= part <= (float("inf") if whole is None else whole):
                raise InvalidValueError(f"Look.{name}", part, "0 to the size of the nodule")

    @property
    def date(self) -> datetime.date:
        """Of the scan."""
        return self.sized.date

    def measured(self, measure: str) -> float | None:
        """A size: ``mm``, ``mm3``, ``solid_mm`` or ``solid_mm3``."""
        known = {
            "mm": self.sized.mean_diameter_mm,
            "mm3": self.sized.volume_mm3,
            "solid_mm": self.solid_mm,
            "solid_mm3": self.solid_mm3,
        }
        return known[measure]


@dataclass(frozen=True)
class Situation:
    """One nodule as a guideline sees it; None is unknown.

    Parameters
    ----------
    exam : date
        Of the current scan.
    profile : Profile
        The patient.
    looks : tuple of Look
        Every scan of the nodule, the first one (its baseline) first and the current one
        last; empty where the scan shows no nodule.
    texture, count : optional
        Its texture, and the number of nodules.
    is_new : bool, optional
        Whether an earlier scan showed that it was not there; asked of its first look.
    morphology : Morphology
        As it looks; ``confirmed`` once a person agrees.
    spiculated, fissure_displaced, suspicious, airway, atypical_cyst : bool, optional
        What was seen. ``suspicious`` are the features of Lung-RADS 4X, of which spiculation
        counts by itself.
    clear_growth : bool, optional
        A person's judgement where growth was not measured as the guideline asks.
    brock, herder : (float, float), optional
        Least and most probability, %.
    previous_category : str, optional
        Of the nodule on the scan before, in guidelines with categories.
    category_since : date, optional
        Of the scan that gave that category (:attr:`nodule.guidelines.rows.Option.since`);
        the scan before where it is not given.
    proven_benign : bool
        By work-up.
    other_finding : bool
        Another finding of significance on the scan.
    rules : GrowthRules
        When two scans may be compared.

    Raises
    ------
    InvalidValueError
        Where the looks are not in order, the last is not of this scan, or a value is out
        of its range.
    """

    exam: datetime.date
    profile: Profile = field(default_factory=Profile)
    looks: tuple[Look, ...] = ()
    texture: Texture | None = None
    count: int | None = None
    is_new: bool | None = None
    morphology: Morphology = Morphology.ORDINARY
    confirmed: bool = False
    spiculated: bool | None = None
    fissure_displaced: bool | None = None
    suspicious: bool | None = None
    airway: bool | None = None
    atypical_cyst: bool | None = None
    clear_growth: bool | None = None
    brock: Percents | None = None
    herder: Percents | None = None
    lungs: Lungs = Lungs.EVALUABLE
    previous_category: str | None = None
    category_since: datetime.date | None = None
    proven_benign: bool = False
    other_finding: bool = False
    rules: GrowthRules = field(default_factory=growth_rules)

    def __post_init__(self) -> None:
        dates = [look.date for look in self.looks]
        if any(later <= earlier for earlier, later in itertools.pairwise(dates)):
            raise InvalidValueError("Situation.looks", len(dates), "scans of rising dates")
        if dates and dates[-1] != self.exam:
            raise InvalidValueError("Situation.exam", self.exam, "the date of the last look")
        if self.count is not None and self.count < 1:
            raise InvalidValueError("Situation.count", self.count, "at least 1")
        for name in ("brock", "herder"):
            ends = getattr(self, name)
            if ends is not None and not 0 <= ends[0] <= ends[1] <= 100:
                raise InvalidValueError(f"Situation.{name}", ends, "least and most, 0 to 100 %")
        if self.category_since is not None and self.category_since >= self.exam:
            raise InvalidValueError("Situation.category_since", self.category_since,
                                    "a date before the scan")  # fmt: skip
        known = (None, *FEATURES["previous"])
        if self.previous_category not in known:
            raise InvalidValueError("Situation.previous_category", self.previous_category,
                                    f"one of {known}")  # fmt: skip

    @property
    def since(self) -> datetime.date | None:
        """The date of the scan that gave the category before; None on a first scan."""
        if len(self.looks) < 2:
            return None
        return self.category_since or self.looks[-2].date

    @property
    def cancer_history(self) -> bool | None:
        """Has the patient any cancer, now or earlier? None where that is not known."""
        elsewhere = self.profile.value("extrathoracic_cancer")
        lung = self.profile.value("earlier_lung_cancer")
        if self.profile.value("known_primary_cancer") or lung:
            return True
        if elsewhere not in (None, Cancer.NONE):
            return True
        return None if elsewhere is None or lung is None else False

    def seen(self, *findings: str) -> bool:
        """Was any of the findings made?"""
        return any(getattr(self, finding) for finding in findings)
