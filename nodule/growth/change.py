"""Change of size between two scans, and the volume-doubling time with its interval.

A volume's ratio between two scans is taken as log-normal. Two solid, free nodules of one
day repeat within the rules' ``repeatability_percent`` (95 % limits). What a scan's voxels,
a subsolid texture and contact with the pleura add to that is taken from
:class:`nodule.uncertainty.ErrorModel`: its variance of each scan without what it calls the
scan's own deviation, which is the same repeatability and would count twice. Both scans err
alike there, as the same nodule is outlined and sampled in the same way: the rules'
``error_correlation``. Contrast medium in one scan alone adds the rules' ``contrast_percent``.
"""

from __future__ import annotations

import datetime
import math
from dataclasses import dataclass

from gransk.core.errors import InvalidValueError
from nodule.growth.reasons import Noted, Withheld
from nodule.growth.rules import GrowthRules, growth_rules
from nodule.kernels import CLASSES
from nodule.uncertainty import SCAN_DEVIATION, Z95, ErrorModel

UNKNOWN_KERNEL = "unknown"
# So small that voxels add nothing.
NO_VOXELS = (1e-6, 1e-6, 1e-6)


@dataclass(frozen=True)
class Sized:
    """One nodule as it was measured on one scan.

    Parameters
    ----------
    date : date
        Of the scan.
    volume_mm3, mean_diameter_mm : float, optional
        At least one of them.
    thickness_mm : float, optional
        Of a slice.
    kernel : str
        Class of the kernel (:func:`nodule.kernels.kernel_class`).
    contrast : bool, optional
        Whether contrast medium was given.
    spacing_mm : (float, float, float), optional
        Along k, j, i.
    subsolid, attached : bool
        Ground glass, part-solid or of uncertain texture; at the pleura.

    Raises
    ------
    InvalidValueError
        Where a size is not positive, none is given, or a class is not known.
    """

    date: datetime.date
    volume_mm3: float | None = None
    mean_diameter_mm: float | None = None
    thickness_mm: float | None = None
    kernel: str = UNKNOWN_KERNEL
    contrast: bool | None = None
    spacing_mm: tuple[float, float, float] | None = None
    subsolid: bool = False
    attached: bool = False

    def __post_init__(self) -> None:
        for name in ("volume_mm3", "mean_diameter_mm", "thickness_mm"):
            value = getattr(self, name)
            if value is not None and not 0 < value < math.inf:
                raise InvalidValueError(f"Sized.{name}", value, "a positive size")
        if self.volume_mm3 is None and self.mean_diameter_mm is None:
            raise InvalidValueError("Sized", None, "a volume or a mean diameter")
        if self.kernel not in CLASSES:
            raise InvalidValueError("Sized.kernel", self.kernel, f"one of {CLASSES}")

    def added_variance(self) -> float:
        """Variance of the volume's logarithm beyond the repeatability of two scans."""
        if self.volume_mm3 is None:
            return 0.0
        model = ErrorModel(self.spacing_mm or NO_VOXELS, self.subsolid, self.attached)
        return max(0.0, model.deviation(self.volume_mm3) ** 2 - SCAN_DEVIATION**2)


@dataclass(frozen=True)
class Change:
    """How a nodule changed between two scans.

    Parameters
    ----------
    prior, current : Sized
        The two scans.
    log_limit : float
        The logarithm of the volumes' ratio lies within this of the true one, 95 %.
    withheld : tuple of Withheld
        Why neither doubling time nor growth class is given; empty where they are.
    noted : tuple of Noted
        What a reader must know.

    Raises
    ------
    InvalidValueError
        Where the current scan is before the prior one.
    """

    prior: Sized
    current: Sized
    log_limit: float
    withheld: tuple[Withheld, ...] = ()
    noted: tuple[Noted, ...] = ()

    def __post_init__(self) -> None:
        if self.days < 0:
            raise InvalidValueError("Change.days", self.days, "a current scan after the prior one")

    @property
    def days(self) -> int:
        """Calendar days between the scans."""
        return (self.current.date - self.prior.date).days

    @property
    def volume_percent(self) -> float | None:
        """Raw change of the volume, %; None where a volume is missing."""
        before, now = self.prior.volume_mm3, self.current.volume_mm3
        if before is None or now is None:
            return None
        return 100 * (now - before) / before

    @property
    def diameter_mm(self) -> float | None:
        """Change of the mean diameter, mm; None where one is missing."""
        before, now = self.prior.mean_diameter_mm, self.current.mean_diameter_mm
        return None if before is None or now is None else now - before

    @property
    def no_growth(self) -> bool | None:
        """True where the volume did not rise; None where a volume is missing."""
        percent = self.volume_percent
        return None if percent is None else percent <= 0

    @property
    def vdt_days(self) -> float | None:
        """Volume-doubling time, days: t ln 2 / ln(V2 / V1).

        None where it is withheld, a volume is missing or there is no growth.
        """
        log = self._log_ratio()
        return None if log is None or log <= 0 else self.days * math.log(2) / log

    @property
    def vdt_interval_days(self) -> tuple[float, float | None] | None:
        """95 % interval of the doubling time, days.

        The upper end is None where the nodule may as well not have grown or have shrunk.
        The whole is None where there is no doubling time within the limits at all.
        """
        log = self._log_ratio()
        if log is None or log + self.log_limit <= 0:
            return None
        unit = self.days * math.log(2)
        slowest = log - self.log_limit
        return unit / (log + self.log_limit), unit / slowest if slowest > 0 else None

    def _log_ratio(self) -> float | None:
        before, now = self.prior.volume_mm3, self.current.volume_mm3
        if self.withheld or before is None or now is None:
            return None
        return math.log(now / before)


def compare(prior: Sized, current: Sized, rules: GrowthRules | None = None) -> Change:
    """Compare a nodule on two scans.

    Parameters
    ----------
    prior, current : Sized
        The earlier and the later scan, both measured by the same version.
    rules : GrowthRules, optional
        The site's; the shipped ones without.

    Raises
    ------
    InvalidValueError
        Where the current scan is before the prior one.
    """
    rules = growth_rules() if rules is None else rules
    found = [
        *thickness_withheld(prior.thickness_mm, current.thickness_mm, rules),
        *kernels_withheld(prior.kernel, current.kernel),
    ]
    if prior.date == current.date:
        found.append(Withheld.SAME_DAY)
    noted = [Noted(f"allowed_{code}") for code in found if code in rules.allowed]
    noted += _contrast(prior, current)
    if prior.spacing_mm is None or current.spacing_mm is None:
        noted.append(Noted.VOXELS_UNKNOWN)
    withheld = tuple(code for code in found if code not in rules.allowed)
    limit = Z95 * math.sqrt(_variance(prior, current, rules))
    return Change(prior, current, limit, withheld, tuple(noted))


def _variance(prior: Sized, current: Sized, rules: GrowthRules) -> float:
    """Of the logarithm of the ratio of both volumes.

    The errors that both scans make beyond their repeatability are correlated; where they
    are alike, what is common to them cancels.
    """
    pair = math.log(1 + rules.repeatability_percent / 100) / Z95
    before, now = prior.added_variance(), current.added_variance()
    added = before + now - 2 * rules.error_correlation * math.sqrt(before * now)
    differs = Noted.CONTRAST_DIFFERS in _contrast(prior, current)
    contrast = math.log(1 + rules.contrast_percent / 100) if differs else 0.0
    return pair**2 + added + contrast**2


def thickness_withheld(
    before: float | None, now: float | None, rules: GrowthRules
) -> list[Withheld]:
    """Why slices of two thicknesses, mm, cannot be compared; empty where they can."""
    if before is None or now is None:
        return [Withheld.THICKNESS_UNKNOWN]
    unlike = round(abs(before - now), 6) > rules.largest_thickness_difference_mm
    thick = max(before, now) > rules.largest_thickness_mm
    return [Withheld.SLICE_THICKNESS] if thick or unlike else []


def kernels_withheld(before: str, now: str) -> list[Withheld]:
    """Why kernels of two classes cannot be compared; empty where they can."""
    if UNKNOWN_KERNEL in (before, now):
        return [Withheld.KERNEL_UNKNOWN]
    return [] if before == now else [Withheld.KERNEL_CLASS]


def _contrast(prior: Sized, current: Sized) -> list[Noted]:
    if prior.contrast is None or current.contrast is None:
        return [Noted.CONTRAST_UNKNOWN]
    return [] if prior.contrast == current.contrast else [Noted.CONTRAST_DIFFERS]
