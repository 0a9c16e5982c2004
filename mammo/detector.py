"""Marks on one breast image, and an opinion of the whole image, by the ONNX detector."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from gransk.core.errors import InvalidValueError
from gransk.core.models import Model
from mammo.grid import SPACING_MM, FloatArray, Prepared
from mammo.marks import Kind, Mark
from mammo.outlines import outline_of
from mammo.peaks import peaks

MODEL_ID = "mammo-detector"
READ_AT_MM = 0.4
"""Side of the pixels that the detector reads."""
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


@dataclass(frozen=True)
class Maps:
    """What the networks say of one image, averaged over them.

    Parameters
    ----------
    mass, malignancy : ndarray, shape (rows, columns)
        Of cells of ``STRIDE`` pixels: the centre of a mass; a malignant mass.
    inside : ndarray, shape (2 x rows, 2 x columns)
        Of cells of ``OUTLINE_STRIDE`` pixels: inside a mass.
    signs : ndarray, shape (12, rows, columns)
        `SIGNS`, where there is a mass.
    look : ndarray, shape (64, rows, columns)
        What the place looks like, to compare places by.
    film : float
        Malignancy anywhere in the image.
    """

    mass: FloatArray = field(repr=False)
    malignancy: FloatArray = field(repr=False)
    inside: FloatArray = field(repr=False)
    signs: FloatArray = field(repr=False)
    look: FloatArray = field(repr=False)
    film: float


@dataclass(frozen=True)
class Seen:
    """Marks of one image, most probable first, and the opinion of the whole image.

    Parameters
    ----------
    marks : tuple of Mark
    signs : tuple of mapping
        Of each mark, the probability of each of `SIGNS`.
    film : float
        Malignancy anywhere in the image.
    inside : ndarray
        As in `Maps`, for outlines that a person asks for.
    """

    marks: tuple[Mark, ...]
    signs: tuple[dict[str, float], ...]
    film: float
    inside: FloatArray = field(repr=False)


class Detector:
    """Finds masses, distortions and asymmetries from 5 mm.

    Parameters
    ----------
    model : Model
        The model ``mammo-detector``: the networks of five folds of patients in one file.
    member : int, optional
        One network alone, for measuring it on the fold that it never saw; all where not given.
    """

    def __init__(self, model: Model, member: int | None = None) -> None:
        self._model = model
        self.member = member

    @property
    def threshold(self) -> float:
        """Least probability that is reported: the card's operating point."""
        return self._model.threshold

    def maps(self, prepared: Prepared) -> Maps:
        """Run the networks on an image and on its mirror image up and down."""
        film = page(prepared.at(READ_AT_MM))
        both = np.ascontiguousarray(np.stack([film, film[::-1]])[:, None])
        told = self._model.run({"film": both})
        chosen = slice(None) if self.member is None else slice(self.member, self.member + 1)

        def mean(name: str) -> FloatArray:
            upright, turned = told[name][chosen, 0], told[name][chosen, 1]
            return np.asarray((upright.mean(0) + turned.mean(0)[..., ::-1, :]) / 2, np.float32)

        return Maps(
            mass=mean("mass"),
            malignancy=mean("malignancy"),
            inside=mean("inside"),
            signs=mean("signs"),
            look=mean("look"),
            film=float(told["opinion"][chosen].mean()),
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
        cell = STRIDE * READ_AT_MM / SPACING_MM
        apart = APART_MM / (STRIDE * READ_AT_MM)
        for column, row, probability in peaks(maps.mass, apart, LEAST, LIMIT):
            centre = (column * cell, row * cell)
            near = (int(row), int(column))
            said = {name: float(maps.signs[n][near]) for n, name in enumerate(SIGNS)}
            outline, size_mm = outline_of(maps.inside, centre, OUTLINE_STRIDE * READ_AT_MM)
            marks.append(
                Mark(
                    view=view,
                    kind=kind_of(said),
                    centre=centre,
                    outline=outline,
                    size_mm=size_mm,
                    probability=probability,
                    malignancy=float(maps.malignancy[near]),
                    look=tuple(float(v) for v in maps.look[:, near[0], near[1]]),
                )
            )
            signs.append(said)
        return Seen(tuple(marks), tuple(signs), maps.film, maps.inside)


def page(grey: FloatArray) -> FloatArray:
    """The image with empty lines to the next multiple of `MULTIPLE`."""
    rows, columns = (-(-n // MULTIPLE) * MULTIPLE for n in grey.shape)
    whole = np.zeros((rows, columns), dtype=np.float32)
    whole[: grey.shape[0], : grey.shape[1]] = grey
    return whole


def kind_of(signs: dict[str, float]) -> Kind:
    """A mass, unless readers would rather say distortion or asymmetry."""
    shapes = max(signs[name] for name in ("irregular", "round", "lobulated"))
    if signs["distortion"] > max(shapes, signs["asymmetry"]):
        return Kind.DISTORTION
    return Kind.ASYMMETRY if signs["asymmetry"] > shapes else Kind.MASS
