"""Laying one prepared view over another of the same projection: a prior, or the other breast.

Both are brought to coarse images in which grey is replaced by its rank within the breast, so that
neither film, exposure nor processing counts. An affine transform moves one onto the other, and a
smooth displacement field takes up what compression changed. Every breast has its chest wall at the
left, so the left breast lies over the right one as it is. ``bench.mammo.priors`` prints how near
places come.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import SimpleITK as sitk  # noqa: N813
from scipy import ndimage
from scipy.stats import rankdata

from gransk.core.errors import RefusalError
from gransk.core.raster import resized
from gransk.core.reasons import Reason
from mammo.image.grid import SPACING_MM, BoolArray, FloatArray, Prepared

Points = npt.NDArray[np.float64]

AFFINE_MM = (6.0, 3.0)
FIELD_MM = (6.0, 3.0)
FIELD_ROUNDS = (40, 30)
FIELD_SMOOTHNESS = 2.0
INVERSE_ROUNDS = 30
LEAST_OVERLAP = 0.75
"""Dice of the two breasts, where both images show the place, below which they do not lie over
each other."""
LEAST_SHOWN = 0.5
"""Share of the first breast that the second image must reach."""
ROOM_MM = 40.0
"""So much of the air round the second breast is known to be air."""
MOST_STRETCH = 1.5
"""Either way, in any direction, beyond which no compression explains the difference."""
FEWEST_SHARED = 60
# Grey inside the breast lies from here to 1: the breast's shape counts beside what it holds.
DARKEST = 0.35


@dataclass(frozen=True)
class Registration:
    """Where a point of one view lies in the other.

    Parameters
    ----------
    matrix : ndarray, shape (2, 2)
    shift : ndarray, shape (2,)
        The affine part: a point p (mm) of the first view moves to ``matrix @ p + shift``.
    displacement : ndarray of float32, shape (rows, columns, 2)
        Added to a point of the first view before the affine part, mm, on a grid of
        `FIELD_MM` whose first cell begins at the first view's corner.
    overlap : float
        Dice of both breasts where both views show the place.
    likeness : float
        Correlation of what both breasts hold, beside the slow course of their thickness.
    """

    matrix: Points
    shift: Points
    displacement: FloatArray = field(repr=False)
    overlap: float = 1.0
    likeness: float = 1.0

    def forth(self, points: npt.ArrayLike) -> Points:
        """Prepared (column, row) of the second view of ones of the first, shape (..., 2)."""
        first = np.asarray(points, dtype=float) * SPACING_MM
        moved: Points = (first + self._displaced(first)) @ self.matrix.T + self.shift
        return moved / SPACING_MM

    def back(self, points: npt.ArrayLike) -> Points:
        """Prepared (column, row) of the first view of ones of the second, shape (..., 2)."""
        second = np.asarray(points, dtype=float) * SPACING_MM
        wanted: Points = (second - self.shift) @ np.linalg.inv(self.matrix).T
        found = wanted.copy()
        for _ in range(INVERSE_ROUNDS):
            found = wanted - self._displaced(found)
        return found / SPACING_MM

    def laid_over(self, second: Prepared, like: Prepared) -> FloatArray:
        """The second view's grey on the first view's grid."""
        rows, columns = like.grey.shape
        # Places change slowly: a coarse grid of them is enough.
        step = 8
        across, down = np.meshgrid(
            np.arange(0, columns + step, step) + 0.5, np.arange(0, rows + step, step) + 0.5
        )
        places = self.forth(np.stack([across, down], axis=-1)).astype(np.float32)
        at = np.mgrid[0:rows, 0:columns].astype(np.float32) / step
        x, y = (
            ndimage.map_coordinates(places[..., n], at, order=1, mode="nearest") for n in (0, 1)
        )
        moved = ndimage.map_coordinates(second.grey, [y - 0.5, x - 0.5], order=1, cval=0.0)
        return np.asarray(moved, dtype=np.float32)

    def _displaced(self, mm: Points) -> Points:
        at = (mm.reshape(-1, 2) / FIELD_MM[-1] - 0.5)[:, ::-1].T
        parts = [
            ndimage.map_coordinates(self.displacement[..., n], at, order=1, mode="nearest")
            for n in (0, 1)
        ]
        return np.stack(parts, axis=-1).reshape(mm.shape).astype(float)


def register(first: Prepared, second: Prepared) -> Registration:
    """Lay the second view over the first.

    Raises
    ------
    RefusalError
        ``REGISTRATION_FAILED`` where the breasts do not come to lie over each other.
    """
    affine = _affine(first, second)
    matrix = np.array(affine.GetMatrix()).reshape(2, 2)
    stretch = np.linalg.svd(matrix, compute_uv=False)
    if stretch.max() > MOST_STRETCH or stretch.min() < 1 / MOST_STRETCH:
        raise RefusalError(Reason.REGISTRATION_FAILED, f"stretched by {stretch.max():.2f}")
    fixed, moving = _both(first, second, FIELD_MM[-1])
    moved = sitk.Resample(moving, fixed, affine, sitk.sitkLinear, 0.0)
    seen = sitk.Resample(_whole(moving), fixed, affine, sitk.sitkNearestNeighbor, 0)
    # Where only one view shows the place, nothing pulls.
    moved = sitk.Mask(moved, seen) + sitk.Mask(fixed, 1 - seen)
    displacement = _displacement(fixed, moved)
    shown = sitk.GetArrayFromImage(seen) > 0
    share = float(shown[sitk.GetArrayFromImage(fixed) > 0].mean())
    if share < LEAST_SHOWN:
        raise RefusalError(Reason.REGISTRATION_FAILED, f"{share:.2f} of the breast shown")
    overlap, likeness = _judged(fixed, moved, displacement, shown)
    if overlap < LEAST_OVERLAP:
        raise RefusalError(Reason.REGISTRATION_FAILED, f"overlap {overlap:.2f}")
    return Registration(
        matrix=matrix,
        shift=np.array(affine.TransformPoint((0.0, 0.0))),
        displacement=sitk.GetArrayFromImage(displacement).astype(np.float32),
        overlap=overlap,
        likeness=likeness,
    )


def ranked(grey: FloatArray, inside: BoolArray) -> FloatArray:
    """Each pixel's rank within the breast, `DARKEST` to 1; 0 outside."""
    out = np.zeros(grey.shape, dtype=np.float32)
    values = rankdata(grey[inside])
    out[inside] = DARKEST + (1 - DARKEST) * values / max(1, values.size)
    return out


def _both(first: Prepared, second: Prepared, step_mm: float) -> tuple[sitk.Image, sitk.Image]:
    """Coarse images of both; the second with the air round it, as far as its image goes."""
    return _coarse(first, step_mm, (0, 0, 0)), _coarse(second, step_mm, _room(second, step_mm))


def _room(view: Prepared, step_mm: float) -> tuple[int, int, int]:
    """Cells of air above, below and before the breast; behind the chest wall nothing is known."""
    rows, columns = view.grey.shape
    height, width = (
        n * mm / SPACING_MM for n, mm in zip(view.native_shape, view.native_spacing_mm, strict=True)
    )
    left, top = view.offset_px
    before = left if view.mirrored else width - left - columns
    above, below, ahead = (
        int(np.clip(px * SPACING_MM, 0, ROOM_MM) / step_mm)
        for px in (top, height - top - rows, before)
    )
    return above, below, ahead


def _coarse(view: Prepared, step_mm: float, room: tuple[int, int, int]) -> sitk.Image:
    grey = view.at(step_mm)
    inside = resized(view.breast, grey.shape) > 0.5
    above, below, ahead = room
    image = sitk.GetImageFromArray(np.pad(ranked(grey, inside), ((above, below), (0, ahead))))
    image.SetSpacing((step_mm, step_mm))
    image.SetOrigin((step_mm / 2, step_mm / 2 - above * step_mm))
    return image


def _whole(image: sitk.Image) -> sitk.Image:
    whole = sitk.Image(image.GetSize(), sitk.sitkUInt8) + 1
    whole.CopyInformation(image)
    return whole


def _affine(first: Prepared, second: Prepared) -> sitk.AffineTransform:
    """From a point of the first view to the second's: the best of several starts, refined."""
    fixed, moving = _both(first, second, AFFINE_MM[0])
    tried = [_refined(fixed, moving, start, 60) for start in _starts(fixed, moving)]
    affine, _ = min(tried, key=lambda one: one[1])
    fixed, moving = _both(first, second, AFFINE_MM[1])
    return _refined(fixed, moving, affine, 40)[0]


def _starts(fixed: sitk.Image, moving: sitk.Image) -> list[sitk.AffineTransform]:
    """Up and down: middles, upper ends, and most protruding points brought together."""
    heights = [_heights(image) for image in (fixed, moving)]
    found = []
    for one, other in zip(*heights, strict=True):
        start = sitk.AffineTransform(2)
        start.SetCenter((0.0, one))
        start.SetTranslation((0.0, other - one))
        found.append(start)
    return found


def _heights(image: sitk.Image) -> tuple[float, float, float]:
    """Of the breast's middle, its upper end and its most protruding point, mm down."""
    inside = sitk.GetArrayFromImage(image) > 0
    reach = inside.sum(axis=1)
    rows = np.nonzero(reach)[0]
    far = np.nonzero(reach >= reach.max() - 1)[0]
    step, start = image.GetSpacing()[1], image.GetOrigin()[1]
    middle = float((reach * np.arange(len(reach))).sum() / reach.sum())
    upper, tip = float(rows.min()), float(far.mean())
    return middle * step + start, upper * step + start, tip * step + start


def _refined(
    fixed: sitk.Image, moving: sitk.Image, start: sitk.AffineTransform, rounds: int
) -> tuple[sitk.AffineTransform, float]:
    """The affine transform under which both correlate best, and minus how well."""
    method = sitk.ImageRegistrationMethod()
    # Sums of several threads would differ in their last digits.
    method.SetNumberOfWorkUnits(1)
    method.SetMetricAsCorrelation()
    method.SetInterpolator(sitk.sitkLinear)
    method.SetOptimizerAsRegularStepGradientDescent(3.0, 0.02, rounds, 0.6, 1e-6)
    method.SetOptimizerScalesFromPhysicalShift()
    found = sitk.AffineTransform(start)
    method.SetInitialTransform(found, inPlace=True)
    try:
        method.Execute(fixed, moving)
    except RuntimeError:
        return start, 0.0
    return found, float(method.GetMetricValue())


def _displacement(fixed: sitk.Image, moved: sitk.Image) -> sitk.Image:
    """Symmetric-force demons from coarse to fine."""
    found = None
    for step, rounds in zip(FIELD_MM, FIELD_ROUNDS, strict=True):
        factor = max(1, round(step / FIELD_MM[-1]))
        pair = [i if factor == 1 else sitk.BinShrink(i, [factor] * 2) for i in (fixed, moved)]
        demons = sitk.FastSymmetricForcesDemonsRegistrationFilter()
        demons.SetNumberOfIterations(rounds)
        demons.SetStandardDeviations(FIELD_SMOOTHNESS)
        demons.SetMaximumRMSError(0.0)
        demons.SetNumberOfWorkUnits(1)
        start = () if found is None else (sitk.Resample(found, pair[0]),)
        found = demons.Execute(*pair, *start)
    return found


def _judged(
    fixed: sitk.Image, moved: sitk.Image, displacement: sitk.Image, shown: BoolArray
) -> tuple[float, float]:
    """Overlap of the breasts, and correlation of what they hold."""
    transform = sitk.DisplacementFieldTransform(sitk.Cast(displacement, sitk.sitkVectorFloat64))
    warped = sitk.Resample(moved, fixed, transform, sitk.sitkLinear, 0.0)
    a, b = (sitk.GetArrayFromImage(image) for image in (fixed, warped))
    inside = [(image > DARKEST / 2) & shown for image in (a, b)]
    shared = inside[0] & inside[1]
    if shared.sum() < FEWEST_SHARED:
        return 0.0, 0.0
    overlap = 2 * float(shared.sum()) / float(inside[0].sum() + inside[1].sum())
    deep = ndimage.binary_erosion(shared, iterations=2)
    if deep.sum() < FEWEST_SHARED:
        return overlap, 0.0
    details = [_detail(image, part) for image, part in zip((a, b), inside, strict=True)]
    return overlap, float(np.corrcoef(details[0][deep], details[1][deep])[0, 1])


def _detail(image: FloatArray, inside: BoolArray) -> FloatArray:
    """What is brighter or darker than what is round it."""
    share = ndimage.gaussian_filter(inside.astype(np.float32), 4)
    level = ndimage.gaussian_filter(np.where(inside, image, 0), 4) / np.maximum(share, 1e-3)
    return np.asarray(np.where(inside, image - level, 0), dtype=np.float32)
