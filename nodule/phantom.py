"""A synthetic chest CT with nodules of known place, size and density, as DICOM."""

from __future__ import annotations

import datetime
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict, Field, model_validator
from pydicom import Dataset
from pydicom.dataset import FileMetaDataset
from pydicom.uid import UID, ExplicitVRLittleEndian
from scipy import ndimage

from gransk.core.ct import CT_IMAGE
from gransk.core.errors import InvalidValueError
from gransk.core.keys import uid
from nodule import anatomy
from nodule.anatomy import Parts, Plane, Tube

FloatArray = npt.NDArray[np.float32]

FIELD_MM = 360.0
LUNG_HU, SOLID_HU, GLASS_HU = -860.0, 40.0, -600.0
PADDING = -2000
INTERCEPT = -1024
MIDDLE_Y_MM = 4.0

NAMES = {
    "ISO_IR 100": "Fantom^Søren Åge",
    "ISO_IR 192": "Fantom^Łucja Æblegrød",
    "\\ISO 2022 IR 87": "Yamada^Tarou=山田^太郎=やまだ^たろう",
}
# Blur in mm, noise's own smoothness in pixels, by kernel name.
KERNELS = {"B30f": (0.50, 1.0), "STANDARD": (0.42, 0.8), "LUNG": (0.25, 0.35)}


class PhantomSpec(BaseModel):
    """What a phantom is made of; lengths in mm, densities in HU."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    seed: int = Field(default=1, ge=0)
    spacing_mm: float = Field(default=2.0, ge=0.5, le=10, description="Between slices.")
    thickness_mm: float | None = Field(
        default=None, gt=0, le=10, description="Of a slice; as the spacing where absent."
    )
    length_mm: float = Field(default=280.0, ge=6, le=400)
    slices: int | None = Field(default=None, ge=3, le=2000, description="Instead of the length.")
    nodules: int = Field(default=5, ge=0, le=12)
    matrix: int = Field(default=512, ge=128, le=1024, description="Rows and columns.")
    kernel: Literal["B30f", "STANDARD", "LUNG"] = "STANDARD"
    noise_hu: float = Field(default=18.0, ge=0, le=200)
    character_set: Literal["ISO_IR 100", "ISO_IR 192", "\\ISO 2022 IR 87"] = "ISO_IR 100"
    study_date: datetime.date = datetime.date(2026, 1, 5)
    salt: str = Field(default="", description="Another salt gives another study's UIDs.")
    days: int = Field(
        default=0, ge=0, le=36500, description="A later scan of the same chest, so many days on."
    )
    growth_percent: float = Field(
        default=0.0, gt=-100, le=2000, description="Volume that its nodules gained until then."
    )

    @property
    def date(self) -> datetime.date:
        """Of the study."""
        return self.study_date + datetime.timedelta(days=self.days)

    @property
    def identity(self) -> str:
        """What UIDs follow from; a first scan's stay as they were before there were later ones."""
        later = {"days", "growth_percent"}
        return self.model_dump_json(exclude=None if self.days else later)

    @model_validator(mode="after")
    def _check(self) -> PhantomSpec:
        if self.growth_percent and not self.days:
            raise ValueError("growth needs days in which it happens")
        return self


class Nodule(BaseModel):
    """One nodule of the truth: an ellipsoid whose axes are those of the patient."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    centre_lps_mm: tuple[float, float, float]
    semi_axes_mm: tuple[float, float, float]
    hu: float
    texture: Literal["solid", "ground_glass"]
    place: Literal["isolated", "juxtapleural"]

    @property
    def volume_mm3(self) -> float:
        return float(4 / 3 * np.pi * np.prod(self.semi_axes_mm))

    @property
    def axes_mm(self) -> tuple[float, float]:
        """Long and short axis in the axial plane of largest area."""
        across = 2 * np.array(self.semi_axes_mm[:2])
        return float(across.max()), float(across.min())


@dataclass(frozen=True)
class Phantom:
    """A made phantom.

    Parameters
    ----------
    images : tuple of Dataset
        CT images from feet to head, file meta included.
    truth : dict
        JSON: spec, study and series UID, nodules.
    """

    images: tuple[Dataset, ...]
    truth: dict[str, Any]


def make_phantom(
    spec: PhantomSpec, progress: Callable[[str, float], None] = lambda step, share: None
) -> Phantom:
    """Make a phantom; equal specs give equal bytes.

    Raises
    ------
    InvalidValueError
        Where so many nodules find no place.
    """
    rng = np.random.default_rng(spec.seed)
    nodules = _place_nodules(rng, spec)
    keep_free = [(np.array(n.centre_lps_mm), max(n.semi_axes_mm)) for n in nodules]
    vessels = [
        tube
        for side in (0, 1)
        for leaves, leaf_mm in ((420, 0.55), (340, 0.5))
        for tube in anatomy.grow_tree(rng, side, leaves, leaf_mm, keep_free)
    ]
    bronchi = anatomy.airways(rng)
    progress("phantom", 0.05)
    nodules = [_grown(nodule, spec.growth_percent) for nodule in nodules]
    scanner = rng if not spec.days else np.random.default_rng([spec.seed, spec.days])
    grid = _Grid.of(spec)
    blood = _drawn(vessels, grid)
    lumen, wall = _drawn(bronchi, grid), _drawn(anatomy.airway_walls(bronchi), grid)
    arch = _drawn(anatomy.arch(), grid)
    grains = _Grains(rng, spec.matrix)
    progress("phantom", 0.2)
    images = []
    for k, z in enumerate(grid.z):
        plane = Plane(grid.x, grid.y, float(z))
        parts = anatomy.parts(plane)
        hu = _tissue(plane, parts, grains)
        hu += (SOLID_HU - hu) * arch[k]
        inside = np.clip(parts.lungs / 2, 0, 1)
        hu += (SOLID_HU - hu) * blood[k] * inside
        hu += (20.0 - hu) * np.maximum(wall[k], 0)
        hu += (-990.0 - hu) * lumen[k]
        for nodule in nodules:
            _add_nodule(hu, nodule, grid, k)
        images.append(_image(_scanned(hu, spec, scanner), spec, grid, k))
        progress("phantom", 0.2 + 0.8 * (k + 1) / len(grid.z))
    truth = {
        "phantom": json.loads(spec.identity),
        "study_instance_uid": str(images[0].StudyInstanceUID),
        "series_instance_uid": str(images[0].SeriesInstanceUID),
        "nodules": [
            n.model_dump(mode="json")
            | {
                "volume_mm3": round(n.volume_mm3, 1),
                "long_axis_mm": round(n.axes_mm[0], 2),
                "short_axis_mm": round(n.axes_mm[1], 2),
            }
            for n in nodules
        ],
    }
    return Phantom(tuple(images), truth)


def _grown(nodule: Nodule, percent: float) -> Nodule:
    factor = (1 + percent / 100) ** (1 / 3)
    x, y, z = nodule.semi_axes_mm
    return nodule.model_copy(update={"semi_axes_mm": (x * factor, y * factor, z * factor)})


@dataclass(frozen=True)
class _Grid:
    x: FloatArray
    y: FloatArray
    z: npt.NDArray[np.float64]
    pixel: float
    step: float
    thickness: float

    @classmethod
    def of(cls, spec: PhantomSpec) -> _Grid:
        pixel = FIELD_MM / spec.matrix
        middle = (spec.matrix - 1) / 2
        across = ((np.arange(spec.matrix) - middle) * pixel).astype(np.float32)
        count = spec.slices or max(3, round(spec.length_mm / spec.spacing_mm))
        z = (np.arange(count, dtype=np.float64) - (count - 1) / 2) * spec.spacing_mm
        return cls(across[None, :], across[:, None] + np.float32(MIDDLE_Y_MM), z, pixel,
                   spec.spacing_mm, spec.thickness_mm or spec.spacing_mm)  # fmt: skip


def _place_nodules(rng: np.random.Generator, spec: PhantomSpec) -> list[Nodule]:
    """Nodules apart from each other, well inside the scan."""
    half = _Grid.of(spec).z[-1]
    found: list[Nodule] = []
    for number in range(spec.nodules):
        glass = number % 3 == 2
        pleural = number % 3 == 1
        radius = float(rng.uniform(4.5, 7.0) if glass else rng.uniform(3.2, 6.5))
        semi = radius * np.array([1.06, 0.96, 1.0])[rng.permutation(3)]
        for _ in range(4000):
            centre = rng.uniform((-125, -85, -110), (125, 85, 110))
            depth = float(anatomy.at(centre[None])[0])
            wanted = 0.9 * radius if pleural else radius + 7
            near = abs(depth - wanted) < 0.4 if pleural else depth > wanted
            lateral = (
                not pleural or float(anatomy.cavity(Plane(*_point(centre)))[0, 0]) - 3 < radius
            )
            apart = all(np.linalg.norm(centre - n.centre_lps_mm) > 30 + radius for n in found)
            if near and apart and lateral and abs(centre[2]) < half - 2 * radius:
                break
        else:
            raise InvalidValueError("nodules", spec.nodules, "fewer, or a longer scan")
        found.append(
            Nodule(
                centre_lps_mm=_rounded(centre),
                semi_axes_mm=_rounded(semi),
                hu=GLASS_HU if glass else SOLID_HU,
                texture="ground_glass" if glass else "solid",
                place="juxtapleural" if pleural else "isolated",
            )
        )
    return found


def _rounded(vector: npt.NDArray[np.float64]) -> tuple[float, float, float]:
    x, y, z = (round(float(v), 3) for v in vector)
    return x, y, z


def _point(centre: npt.NDArray[np.float64]) -> tuple[FloatArray, FloatArray, float]:
    x, y = np.float32(centre[0]), np.float32(centre[1])
    return np.full((1, 1), x), np.full((1, 1), y), float(centre[2])


def _cover(distance: FloatArray, width: float) -> FloatArray:
    """Share of a voxel inside, from the signed distance of its centre in mm."""
    share: FloatArray = np.clip(distance / np.float32(width) + np.float32(0.5), 0, 1)
    return share


def _tissue(p: Plane, parts: Parts, grains: _Grains) -> FloatArray:
    """Everything but nodules, vessels and airways, in HU."""
    hu = np.full((p.y.shape[0], p.x.shape[1]), -1000, np.float32)

    def paint(distance: FloatArray, value: FloatArray | float, width: float = 0.8) -> None:
        nonlocal hu
        hu += (value - hu) * _cover(distance, width)

    paint(anatomy.table(p), -150)
    body = anatomy.body(p)
    paint(body, 20)
    paint(body - 2.0, -105)
    paint(anatomy.muscle(p), 48 + 10 * grains.draw(6))
    paint(parts.cavity + 2.5, -40, 3)
    paint(anatomy.scapulae(p), 380)
    below = parts.cavity - 3
    liver = np.where(p.x < 3, 58.0, 48.0).astype(np.float32) + 6 * grains.draw(8)
    paint(np.minimum(below, -parts.diaphragm), liver)
    paint(np.minimum(below, np.maximum(parts.mediastinum, parts.column)), -60, 3)
    paint(np.minimum(below, parts.column), 45)
    paint(np.minimum(below, parts.heart + 2), -70, 2)
    paint(np.minimum(below, parts.heart - 2), 42, 1.5)
    paint(parts.aorta, SOLID_HU)
    for bone in (anatomy.ribs(p, parts.cavity), anatomy.vertebra(p), anatomy.sternum(p)):
        paint(bone, 620)
        paint(bone - 2.2, 190 + 60 * grains.draw(2))
    lung = LUNG_HU + 0.45 * p.y + 22 * grains.draw(5) + 14 * grains.draw(1)
    paint(parts.lungs, lung)
    return hu


class _Grains:
    """Smooth random textures of unit deviation, a few kept and shifted for each use."""

    KEPT = 5

    def __init__(self, rng: np.random.Generator, size: int) -> None:
        self._rng = rng
        self._textures = {
            pixels: [_texture(rng, size, pixels) for _ in range(self.KEPT)]
            for pixels in (1, 2, 5, 6, 8)
        }

    def draw(self, pixels: int) -> FloatArray:
        """A texture whose grains are about that many pixels wide."""
        number, down, across = self._rng.integers(0, (self.KEPT, 1000, 1000))
        return np.roll(self._textures[pixels][number], (down, across), (0, 1))


def _texture(rng: np.random.Generator, size: int, pixels: int) -> FloatArray:
    noise = rng.standard_normal((size, size), np.float32)
    result: FloatArray = ndimage.gaussian_filter(noise, 0.8 * pixels, mode="wrap")
    return result / np.float32(result.std())


def _drawn(tubes: Sequence[Tube], grid: _Grid) -> FloatArray:
    """Share of each voxel inside any tube, shape (slices, rows, columns)."""
    share = np.zeros((len(grid.z), grid.x.shape[1], grid.x.shape[1]), np.float32)
    offsets = (np.arange(3) - 1) / 3 * grid.thickness
    for tube in tubes:
        radius = tube.radius
        box = _box(np.minimum(tube.start, tube.end) - radius - 1,
                   np.maximum(tube.start, tube.end) + radius + 1, grid)  # fmt: skip
        if box is None:
            continue
        k, j, i = box
        x, y = grid.x[:, i], grid.y[j]
        part = np.zeros((k.stop - k.start, y.shape[0], x.shape[1]), np.float32)
        for offset in offsets:
            z = (grid.z[k] + offset)[:, None, None]
            part += _cover(radius - _away(tube, x[None], y[None], z), 0.8)
        np.maximum(share[k, j, i], part / len(offsets), out=share[k, j, i])
    return share


def _away(tube: Tube, x: FloatArray, y: FloatArray, z: npt.NDArray[np.float64]) -> FloatArray:
    """Distance from a tube's line, mm."""
    way = tube.end - tube.start
    square = float(way @ way) or 1.0
    dx, dy, dz = x - tube.start[0], y - tube.start[1], z - tube.start[2]
    t = np.clip((dx * way[0] + dy * way[1] + dz * way[2]) / square, 0, 1)
    distance: FloatArray = np.sqrt(
        (dx - t * way[0]) ** 2 + (dy - t * way[1]) ** 2 + (dz - t * way[2]) ** 2
    ).astype(np.float32)
    return distance


def _box(
    low: npt.NDArray[np.float64], high: npt.NDArray[np.float64], grid: _Grid
) -> tuple[slice, slice, slice] | None:
    """Voxels between two corners (x, y, z), or None where none is in the scan."""
    found = []
    for axis, values in ((2, grid.z), (1, grid.y[:, 0]), (0, grid.x[0])):
        margin = grid.thickness / 2 if axis == 2 else 0
        a = int(np.searchsorted(values, low[axis] - margin))
        b = int(np.searchsorted(values, high[axis] + margin))
        if a >= b:
            return None
        found.append(slice(a, b))
    return found[0], found[1], found[2]


def _add_nodule(hu: FloatArray, nodule: Nodule, grid: _Grid, k: int) -> None:
    """Blend a nodule into a slice by its exact share of every voxel, 5 points an edge."""
    centre, semi = np.array(nodule.centre_lps_mm), np.array(nodule.semi_axes_mm)
    box = _box(centre - semi - 1, centre + semi + 1, grid)
    if box is None or not box[0].start <= k < box[0].stop:
        return
    _, j, i = box
    fine = (np.arange(5) - 2) / 5
    share = np.zeros((j.stop - j.start, i.stop - i.start), np.float32)
    for z in grid.z[k] + fine * grid.thickness:
        for y in fine * grid.pixel:
            for x in fine * grid.pixel:
                square = (
                    ((grid.x[:, i] + x - centre[0]) / semi[0]) ** 2
                    + ((grid.y[j] + y - centre[1]) / semi[1]) ** 2
                    + ((z - centre[2]) / semi[2]) ** 2
                )
                share += square <= 1
    share /= 125
    part = hu[j, i]
    if nodule.texture == "ground_glass":
        # Ground glass adds to the lung and hides nothing.
        part += np.maximum(nodule.hu - part, 0) * share
    else:
        part += (nodule.hu - part) * share


def _scanned(hu: FloatArray, spec: PhantomSpec, rng: np.random.Generator) -> FloatArray:
    """Blur and noise of a kernel."""
    blur, smooth = KERNELS[spec.kernel]
    image = ndimage.gaussian_filter(hu, blur * spec.matrix / FIELD_MM)
    noise = ndimage.gaussian_filter(rng.standard_normal(hu.shape, np.float32), smooth)
    noise *= np.float32(spec.noise_hu / max(float(noise.std()), 1e-6))
    result: FloatArray = np.clip(image + noise, -1024, 3071)
    return result


def _image(hu: FloatArray, spec: PhantomSpec, grid: _Grid, k: int) -> Dataset:
    """One CT image (PS3.3 A.3)."""
    ds = Dataset()
    ds.file_meta = FileMetaDataset()
    identity = spec.identity
    instance = UID(uid("phantom image", identity, str(k)))
    ds.file_meta.MediaStorageSOPClassUID = UID(CT_IMAGE)
    ds.file_meta.MediaStorageSOPInstanceUID = instance
    ds.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    date = spec.date.strftime("%Y%m%d")
    for keyword, value in _header(spec, grid, k, identity, date):
        setattr(ds, keyword, value)
    ds.SOPInstanceUID = instance
    stored = np.rint(hu).astype(np.int16) - np.int16(INTERCEPT)
    stored[np.hypot(grid.x, grid.y - MIDDLE_Y_MM) > FIELD_MM / 2] = PADDING
    ds.PixelData = stored.astype("<i2").tobytes()
    ds["PixelData"].VR = "OW"
    return ds


def _header(
    spec: PhantomSpec, grid: _Grid, k: int, identity: str, date: str
) -> Iterator[tuple[str, Any]]:
    yield from {
        "SpecificCharacterSet": spec.character_set.split("\\"),
        "ImageType": ["ORIGINAL", "PRIMARY", "AXIAL"],
        "SOPClassUID": CT_IMAGE,
        "StudyDate": date, "SeriesDate": date, "AcquisitionDate": date, "ContentDate": date,
        "StudyTime": "080000", "SeriesTime": "080100", "AcquisitionTime": "080100",
        "ContentTime": "080200", "TimezoneOffsetFromUTC": "+0100",
        "AccessionNumber": f"PH{spec.seed:08d}"[:16], "Modality": "CT",
        "Manufacturer": "Gransk", "InstitutionName": "Gransk phantom",
        "ReferringPhysicianName": "", "StudyDescription": "Synthetic chest CT",
        "SeriesDescription": f"Phantom {spec.kernel} {grid.thickness:g} mm",
        "ManufacturerModelName": "Phantom", "PatientName": NAMES[spec.character_set],
        "PatientID": f"PHANTOM-{spec.seed}", "PatientBirthDate": "19600101", "PatientSex": "O",
        "PatientAge": f"{spec.date.year - 1960:03d}Y", "BodyPartExamined": "CHEST",
        "SliceThickness": f"{grid.thickness:g}", "KVP": "120",
        "SpacingBetweenSlices": f"{grid.step:g}", "DeviceSerialNumber": "0",
        "SoftwareVersions": "1", "ProtocolName": "Phantom", "ReconstructionDiameter": FIELD_MM,
        "GantryDetectorTilt": "0", "ConvolutionKernel": spec.kernel, "PatientPosition": "HFS",
        "StudyInstanceUID": uid("phantom study", identity),
        "SeriesInstanceUID": uid("phantom series", identity),
        "FrameOfReferenceUID": uid("phantom frame", identity),
        "StudyID": "1", "SeriesNumber": 2, "AcquisitionNumber": 1,
        "InstanceNumber": len(grid.z) - k, "ImagesInAcquisition": len(grid.z),
        "ImagePositionPatient": [
            f"{grid.x[0, 0]:.4f}", f"{grid.y[0, 0]:.4f}", f"{grid.z[k]:.4f}",
        ],
        "ImageOrientationPatient": [1, 0, 0, 0, 1, 0], "PositionReferenceIndicator": "",
        "SliceLocation": f"{grid.z[k]:.4f}", "SamplesPerPixel": 1,
        "PhotometricInterpretation": "MONOCHROME2", "Rows": spec.matrix, "Columns": spec.matrix,
        "PixelSpacing": [grid.pixel, grid.pixel], "BitsAllocated": 16, "BitsStored": 16,
        "HighBit": 15, "PixelRepresentation": 1, "PixelPaddingValue": PADDING,
        "WindowCenter": -600, "WindowWidth": 1500, "RescaleIntercept": INTERCEPT,
        "RescaleSlope": 1, "RescaleType": "HU",
    }.items()  # fmt: skip
