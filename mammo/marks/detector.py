"""Marks on one breast image, by the ONNX detectors."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
from scipy import ndimage
from scipy.special import expit

from gransk.core.errors import InvalidValueError
from gransk.core.models import Model
from mammo.image.grid import SPACING_MM, FloatArray, Prepared
from mammo.marks.mark import Kind, Mark
from mammo.marks.outlines import outline_of
from mammo.marks.peaks import peaks
from mammo.marks.signs import SHAPES, told

MODEL_IDS = ("mammo-detector", "mammo-detector-fine")
READ_AT_MM = {MODEL_IDS[0]: 0.3, MODEL_IDS[1]: 0.25}
"""Side of the pixels that each reads."""
STRIDE, OUTLINE_STRIDE = 8, 4
MULTIPLE = 32
APART_MM = 8.0
SMALLEST_MM = 5.0
LIMIT = 20
LEAST = 0.005
SIGNS = (
    "irregular", "round", "lobulated", "distortion", "asymmetry",
    "spiculated", "ill_defined", "obscured", "microlobulated", "circumscribed",
    "suspicious", "highly_suggestive",
)  # fmt: skip
"""What the detector says of a mark, as readers would: shape, margin, assessment."""


class Runs(Protocol):
    """What gives the maps of some networks: a `gransk.core.models.Model` of the card's contract."""

    def run(self, inputs: dict[str, npt.NDArray[Any]]) -> dict[str, npt.NDArray[Any]]:
        """From ``film`` to the maps, as log-odds; the network first."""


@dataclass(frozen=True)
class Networks:
    """Networks that read images of one spacing.

    Parameters
    ----------
    model : Runs
    spacing_mm : float
        Side of the pixels that they read.
    """

    model: Runs
    spacing_mm: float


@dataclass(frozen=True)
class Maps:
    """What the networks say of one image: the mean of their log-odds, as probabilities.

    Parameters
    ----------
    mass, malignancy : ndarray, shape (rows, columns)
        Of cells of `STRIDE` pixels of the first networks: the centre of a mass; a malignant mass.
    inside : ndarray, shape (2 x rows, 2 x columns)
        Of cells of half of it: inside a mass.
    signs : ndarray, shape (12, rows, columns)
        `SIGNS`, where there is a mass.
    look : ndarray, shape (64 for each network, rows, columns)
        What the place looks like to each of the first networks, to compare places by.
    """

    mass: FloatArray = field(repr=False)
    malignancy: FloatArray = field(repr=False)
    inside: FloatArray = field(repr=False)
    signs: FloatArray = field(repr=False)
    look: FloatArray = field(repr=False)


@dataclass(frozen=True)
class Seen:
    """Marks of one image, most probable first.

    Parameters
    ----------
    marks : tuple of Mark
    signs : tuple of mapping
        Of each mark, the probability of each of `SIGNS`.
    """

    marks: tuple[Mark, ...]
    signs: tuple[dict[str, float], ...]


class Detector:
    """Finds masses, distortions and asymmetries from 5 mm.

    Parameters
    ----------
    networks : sequence of Networks
        The coarser ones first; what each says counts alike.
    """

    def __init__(self, networks: Sequence[Networks]) -> None:
        if not networks:
            raise InvalidValueError("networks", "none", "one at least")
        self._networks = tuple(networks)

    def maps(self, prepared: Prepared) -> Maps:
        """Run the networks on an image."""
        found = [self._told(networks, prepared) for networks in self._networks]

        def mean(name: str) -> FloatArray:
            like = found[0][name]
            aligned = [
                _aligned(one[name], like.shape, self._networks[0].spacing_mm / n.spacing_mm)
                for one, n in zip(found, self._networks, strict=True)
            ]
            return np.asarray(expit(np.mean(aligned, axis=0)), np.float32)

        return Maps(
            mass=mean("mass"),
            malignancy=mean("malignancy"),
            inside=mean("inside"),
            signs=mean("signs"),
            look=found[0]["look"],
        )

    def detect(self, prepared: Prepared, view: int) -> Seen:
        """Marks on one image.

        Parameters
        ----------
        prepared : Prepared
        view : int
            Index of the view, for its marks.
        """
        if prepared.grey.size == 0:
            raise InvalidValueError("prepared", prepared.grey.shape, "an image")
        maps = self.maps(prepared)
        marks, signs = [], []
        cell_mm = STRIDE * self._networks[0].spacing_mm
        step = cell_mm / SPACING_MM
        for column, row, probability in peaks(maps.mass, APART_MM / cell_mm, LEAST, LIMIT):
            centre = (column * step, row * step)
            near = (int(row), int(column))
            said = {name: float(maps.signs[n][near]) for n, name in enumerate(SIGNS)}
            outline, size_mm = outline_of(maps.inside, centre, cell_mm / 2)
            kind = kind_of(said)
            looks = told(said) if kind is Kind.MASS else {}
            marks.append(
                Mark(
                    view=view,
                    kind=kind,
                    centre=centre,
                    outline=outline,
                    size_mm=size_mm,
                    probability=probability,
                    malignancy=float(maps.malignancy[near]),
                    look=tuple(float(v) for v in maps.look[:, near[0], near[1]]),
                    shape=looks.get("shape", ""),
                    margin=looks.get("margin", ""),
                )
            )
            signs.append(said)
        return Seen(tuple(marks), tuple(signs))

    def _told(self, networks: Networks, prepared: Prepared) -> dict[str, FloatArray]:
        """Mean over networks."""
        film = page(prepared.at(networks.spacing_mm))[None, None]
        told: dict[str, FloatArray] = {}
        for name, maps in networks.model.run({"film": film}).items():
            each = maps[:, 0]
            # Looks of different networks are numbers of different meaning: one after the other.
            joined = each.reshape(-1, *each.shape[-2:]) if name == "look" else each.mean(0)
            told[name] = np.asarray(joined, np.float32)
        return told


def shipped(models: Sequence[Model]) -> tuple[Networks, ...]:
    """Networks of our kind, in the order of `MODEL_IDS`; the finer one may be missing."""
    return tuple(
        Networks(model, READ_AT_MM[of]) for model, of in zip(models, MODEL_IDS, strict=False)
    )


def _aligned(maps: FloatArray, shape: tuple[int, ...], ratio: float) -> FloatArray:
    """A map laid on another grid of the same corner, whose cells are ``ratio`` times as large."""
    if ratio == 1:
        return maps
    flat = maps.reshape(-1, *maps.shape[-2:])
    laid = [
        ndimage.affine_transform(
            one, [ratio, ratio], 0.5 * ratio - 0.5, shape[-2:], order=1, mode="nearest"
        )
        for one in flat
    ]
    return np.asarray(laid, np.float32).reshape(*maps.shape[:-2], *shape[-2:])


def page(grey: FloatArray) -> FloatArray:
    """The image with empty lines to the next multiple of `MULTIPLE`."""
    rows, columns = (-(-n // MULTIPLE) * MULTIPLE for n in grey.shape)
    whole = np.zeros((rows, columns), dtype=np.float32)
    whole[: grey.shape[0], : grey.shape[1]] = grey
    return whole


def kind_of(signs: dict[str, float]) -> Kind:
    """A mass, unless readers would rather say distortion or asymmetry."""
    shapes = max(signs[name] for name in SHAPES)
    if signs["distortion"] > max(shapes, signs["asymmetry"]):
        return Kind.DISTORTION
    return Kind.ASYMMETRY if signs["asymmetry"] > shapes else Kind.MASS
