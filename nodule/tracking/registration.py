"""Laying the lungs of two scans over each other.

Both scans are brought to coarse images of their lungs alone, so that neither chest wall,
table nor arms take part. An affine transform moves one onto the other, and a displacement
field takes up what breathing changed. ``bench.nodule.registration`` prints what each step
is worth.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import SimpleITK as sitk  # noqa: N813
from scipy import ndimage

from gransk.core.errors import RefusalError
from gransk.core.reasons import Reason
from gransk.core.volume import Geometry, Volume

BoolArray = npt.NDArray[np.bool_]
FloatArray = npt.NDArray[np.float32]
Points = npt.NDArray[np.float64]

LUNG_HU = -850.0
# Between them lies what the lungs' images show.
DARKEST_HU, BRIGHTEST_HU = -1000.0, 0.0
AFFINE_MM = (8.0, 5.0)
FIELD_MM = (8.0, 4.0)
FIELD_ROUNDS = (40, 40)
FIELD_SMOOTHNESS = 1.5
MARGIN_MM = 20.0
INVERSE_ROUNDS = 30
# Below these the scans do not lie over each other: chosen on pairs of one patient and of two.
LEAST_OVERLAP = 0.85
LEAST_LIKENESS = 0.3
FEWEST_SHARED = 200


@dataclass(frozen=True)
class Lungs:
    """One scan with its lungs.

    Parameters
    ----------
    volume : Volume
    mask : ndarray of bool
        From :func:`nodule.lungs.segment_lungs`.
    """

    volume: Volume = field(repr=False)
    mask: BoolArray = field(repr=False)

    def coarse(self, step_mm: float) -> sitk.Image:
        """Means over blocks of about that size; outside the lungs as bright as tissue."""
        geometry = self.volume.geometry
        steps = [max(1, round(step_mm / s)) for s in geometry.spacing]
        hu = _blocks(self.volume.hu, steps)
        inside = _blocks(self.mask, steps) > 0.5
        hu += np.float32(LUNG_HU - np.median(hu[inside])) if inside.any() else np.float32(0)
        shown = np.where(inside, np.clip(hu, DARKEST_HU, BRIGHTEST_HU), BRIGHTEST_HU)
        return _image(shown, geometry, steps)


@dataclass(frozen=True)
class Registration:
    """Where a point of one scan lies in the other, mm, LPS.

    Parameters
    ----------
    matrix : ndarray, shape (3, 3)
    shift : ndarray, shape (3,)
        The affine part: a point p of the first scan moves to ``matrix @ p + shift``.
    displacement : ndarray of float32, shape (k, j, i, 3)
        Added to a point of the first scan before the affine part, mm.
    grid : Geometry
        Of the displacement.
    overlap : float
        Of both lungs (Dice), where both scans show them.
    likeness : float
        Correlation of what the lungs hold (vessels, airways, nodules).
    """

    matrix: Points
    shift: Points
    displacement: FloatArray = field(repr=False)
    grid: Geometry = field(repr=False)
    overlap: float = 1.0
    likeness: float = 1.0

    def forth(self, points: npt.ArrayLike) -> Points:
        """Points of the first scan in the second, shape (..., 3)."""
        first = np.asarray(points, float)
        moved: Points = (first + self._displaced(first)) @ self.matrix.T + self.shift
        return moved

    def back(self, points: npt.ArrayLike) -> Points:
        """Points of the second scan in the first, shape (..., 3)."""
        wanted = (np.asarray(points, float) - self.shift) @ np.linalg.inv(self.matrix).T
        found = wanted.copy()
        for _ in range(INVERSE_ROUNDS):
            found = wanted - self._displaced(found)
        return found

    def _displaced(self, points: Points) -> Points:
        at = self.grid.to_index(points).reshape(-1, 3).T
        parts = [
            ndimage.map_coordinates(self.displacement[..., axis], at, order=1, mode="nearest")
            for axis in range(3)
        ]
        return np.stack(parts, axis=-1).reshape(points.shape).astype(float)


def register(first: Lungs, second: Lungs, threads: int = 1) -> Registration:
    """Lay the second scan's lungs over the first's.

    The same scans give the same answer whatever the number of threads.

    Raises
    ------
    RefusalError
        ``REGISTRATION_FAILED`` where the lungs do not come to lie over each other.
    """
    affine = _affine(first, second)
    step = FIELD_MM[-1]
    fixed, moving = first.coarse(step), second.coarse(step)
    grid = _grid(fixed, step)
    still = sitk.Resample(fixed, grid, sitk.Transform(), sitk.sitkLinear, BRIGHTEST_HU)
    moved = _moved(moving, still, affine)
    displacement = _displacement(still, moved, threads)
    found = _answer(affine, displacement)
    overlap, likeness = _judged(still, moved, displacement)
    found = Registration(
        found.matrix, found.shift, found.displacement, found.grid, overlap, likeness
    )
    if overlap < LEAST_OVERLAP or likeness < LEAST_LIKENESS:
        raise RefusalError(
            Reason.REGISTRATION_FAILED, f"overlap {overlap:.2f}, likeness {likeness:.2f}"
        )
    return found


def _blocks(array: FloatArray | BoolArray, steps: list[int]) -> FloatArray:
    """Means over blocks, an incomplete block at an end left out."""
    sk, sj, si = steps
    planes, rows, columns = (n // s for n, s in zip(array.shape, steps, strict=True))
    out = np.empty((planes, rows, columns), np.float32)
    for k in range(planes):
        slab = array[k * sk : (k + 1) * sk, : rows * sj, : columns * si].mean(0, dtype=np.float32)
        out[k] = slab.reshape(rows, sj, columns, si).mean((1, 3))
    return out


def _image(array: FloatArray, geometry: Geometry, steps: list[int]) -> sitk.Image:
    """An image whose voxels are blocks of a scan's."""
    image = sitk.GetImageFromArray(array.astype(np.float32))
    spacing = np.asarray(geometry.spacing) * steps
    image.SetSpacing([float(s) for s in spacing[::-1]])
    image.SetOrigin([float(v) for v in geometry.to_lps((np.asarray(steps) - 1) / 2)])
    columns = np.array(geometry.directions)[::-1].T
    image.SetDirection([float(v) for v in columns.ravel()])
    return image


def _grid(image: sitk.Image, step_mm: float) -> sitk.Image:
    """An even grid round the lungs of an image, along the patient's axes."""
    inside = np.argwhere(sitk.GetArrayViewFromImage(image) < BRIGHTEST_HU)[:, ::-1]
    low, high = inside.min(axis=0), inside.max(axis=0)
    corners = [
        image.TransformContinuousIndexToPhysicalPoint([float(c[n]) for n, c in enumerate(pick)])
        for pick in ((low, low, low), (high, high, high), (low, high, low), (high, low, high),
                     (low, low, high), (high, high, low), (low, high, high), (high, low, low))
    ]  # fmt: skip
    start = np.min(corners, axis=0) - MARGIN_MM
    count = np.ceil((np.max(corners, axis=0) + MARGIN_MM - start) / step_mm).astype(int) + 1
    grid = sitk.Image([int(n) for n in count], sitk.sitkFloat32)
    grid.SetSpacing([step_mm] * 3)
    grid.SetOrigin([float(v) for v in start])
    return grid


def _affine(first: Lungs, second: Lungs) -> sitk.AffineTransform:
    """From a point of the first scan to the second's: the best of several starts, refined."""
    step = AFFINE_MM[0]
    fixed, moving = first.coarse(step), second.coarse(step)
    starts = [_refined(fixed, moving, start, 60) for start in _starts(fixed, moving)]
    affine, _ = min(starts, key=lambda s: s[1])
    step = AFFINE_MM[1]
    return _refined(first.coarse(step), second.coarse(step), affine, 40)[0]


def _starts(fixed: sitk.Image, moving: sitk.Image) -> list[sitk.AffineTransform]:
    """Shifts that bring the middles together and the lungs' apices, bases or middles."""
    places = [_lung_points(image) for image in (fixed, moving)]
    middle = [np.median(p, axis=0) for p in places]
    shifts = []
    for share in (100, 50, 0):
        heights = [np.percentile(p[:, 2], share) for p in places]
        shifts.append([*(middle[1] - middle[0])[:2], heights[1] - heights[0]])
    found = []
    for shift in shifts:
        start = sitk.AffineTransform(3)
        start.SetCenter([float(v) for v in middle[0]])
        start.SetTranslation([float(v) for v in shift])
        found.append(start)
    return found


def _lung_points(image: sitk.Image) -> Points:
    inside = np.argwhere(sitk.GetArrayViewFromImage(image) < BRIGHTEST_HU)[:, ::-1]
    direction = np.array(image.GetDirection()).reshape(3, 3)
    points: Points = (inside * image.GetSpacing()) @ direction.T + image.GetOrigin()
    return points


def _refined(
    fixed: sitk.Image, moving: sitk.Image, start: sitk.AffineTransform, rounds: int
) -> tuple[sitk.AffineTransform, float]:
    """The affine transform under which the lungs' images correlate best, and minus how well."""
    method = sitk.ImageRegistrationMethod()
    # Sums of several threads would differ in their last digits.
    method.SetNumberOfWorkUnits(1)
    method.SetMetricAsCorrelation()
    mask = sitk.BinaryDilate(sitk.Cast(fixed < BRIGHTEST_HU, sitk.sitkUInt8), [2, 2, 2])
    method.SetMetricFixedMask(mask)
    method.SetInterpolator(sitk.sitkLinear)
    method.SetOptimizerAsRegularStepGradientDescent(4.0, 0.05, rounds, 0.6, 1e-6)
    method.SetOptimizerScalesFromPhysicalShift()
    found = sitk.AffineTransform(start)
    method.SetInitialTransform(found, inPlace=True)
    try:
        method.Execute(fixed, moving)
    except RuntimeError:
        return start, 0.0
    return found, float(method.GetMetricValue())


def _moved(moving: sitk.Image, still: sitk.Image, affine: sitk.AffineTransform) -> sitk.Image:
    """The second scan on the first's grid; where it shows nothing, the first itself.

    So nothing pulls at places that only one of them covers.
    """
    moved = sitk.Resample(moving, still, affine, sitk.sitkLinear, BRIGHTEST_HU)
    seen = _coverage(moving, still, affine)
    return sitk.Mask(moved, seen) + sitk.Mask(still, 1 - seen)


def _coverage(moving: sitk.Image, still: sitk.Image, affine: sitk.AffineTransform) -> sitk.Image:
    whole = sitk.Image(moving.GetSize(), sitk.sitkUInt8) + 1
    whole.CopyInformation(moving)
    return sitk.Resample(whole, still, affine, sitk.sitkNearestNeighbor, 0)


def _displacement(still: sitk.Image, moved: sitk.Image, threads: int) -> sitk.Image:
    """Symmetric-force demons from coarse to fine."""
    found = None
    for step, rounds in zip(FIELD_MM, FIELD_ROUNDS, strict=True):
        pair = [_shrunk(image, max(1, round(step / FIELD_MM[-1]))) for image in (still, moved)]
        demons = sitk.FastSymmetricForcesDemonsRegistrationFilter()
        demons.SetNumberOfIterations(rounds)
        demons.SetStandardDeviations(FIELD_SMOOTHNESS)
        demons.SetMaximumRMSError(0.0)
        demons.SetNumberOfWorkUnits(threads)
        start = () if found is None else (sitk.Resample(found, pair[0]),)
        found = demons.Execute(*pair, *start)
    return found


def _shrunk(image: sitk.Image, factor: int) -> sitk.Image:
    return image if factor == 1 else sitk.BinShrink(image, [factor] * 3)


def _answer(affine: sitk.AffineTransform, displacement: sitk.Image) -> Registration:
    matrix = np.array(affine.GetMatrix()).reshape(3, 3)
    shift = np.array(affine.TransformPoint((0.0, 0.0, 0.0)))
    sx, sy, sz = displacement.GetSpacing()
    x, y, z = displacement.GetOrigin()
    field_mm = sitk.GetArrayFromImage(displacement).astype(np.float32)
    k, j, i = field_mm.shape[:3]
    return Registration(matrix, shift, field_mm, Geometry((k, j, i), (x, y, z), (sz, sy, sx)))


def _judged(still: sitk.Image, moved: sitk.Image, displacement: sitk.Image) -> tuple[float, float]:
    """Overlap of the lungs, and correlation of what they hold."""
    field_transform = sitk.DisplacementFieldTransform(
        sitk.Cast(displacement, sitk.sitkVectorFloat64)
    )
    warped = sitk.Resample(moved, still, field_transform, sitk.sitkLinear, BRIGHTEST_HU)
    a, b = (sitk.GetArrayFromImage(image) for image in (still, warped))
    # A moved image is blurred towards tissue at the edge of the lungs.
    inside = [image < LUNG_HU / 2 for image in (a, b)]
    shared = inside[0] & inside[1]
    if shared.sum() < FEWEST_SHARED:
        return 0.0, 0.0
    overlap = 2 * shared.sum() / (inside[0].sum() + inside[1].sum())
    detail = [_detail(image, part) for image, part in zip((a, b), inside, strict=True)]
    deep = ndimage.binary_erosion(shared, iterations=2)
    if deep.sum() < FEWEST_SHARED:
        return float(overlap), 0.0
    likeness = np.corrcoef(detail[0][deep], detail[1][deep])[0, 1]
    return float(overlap), float(likeness)


def _detail(image: FloatArray, inside: BoolArray) -> FloatArray:
    """What is brighter or darker than the lung round it."""
    share = ndimage.gaussian_filter(inside.astype(np.float32), 3)
    level = ndimage.gaussian_filter(np.where(inside, image, 0), 3) / np.maximum(share, 1e-3)
    detail: FloatArray = np.where(inside, image - level, 0)
    return detail
