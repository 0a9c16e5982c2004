"""Which model has which role in the mammography application."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from pydantic import BaseModel, ConfigDict, Field

from gransk.core.contracts.image_boxes import ImageBoxes
from gransk.core.errors import ModelError
from gransk.core.models import Card, Model, ModelLibrary, ModelName
from gransk.core.roles import Role, check_roles
from mammo.exam.recognise import MODEL_ID as VIEW_ID
from mammo.image.density import MODEL_ID as DENSITY_ID
from mammo.marks.calcifications import MODEL_ID as CALCIFICATIONS_ID
from mammo.marks.detector import MODEL_IDS
from mammo.marks.mark import Kind

ROLES = {
    "view": Role(frozenset({"image", "mirrored", "features"}), frozenset({"right", "mlo"})),
    "masses": Role(frozenset({"film"}), frozenset({"mass", "inside"}), ("image-boxes",)),
    "masses_fine": Role(frozenset({"film"}), frozenset({"mass", "inside"})),
    "calcifications": Role(frozenset({"film"}), frozenset({"cluster", "specks"}), ("image-boxes",)),
    "density": Role(frozenset({"features"})),
    "exam": Role(contracts=("mammo-exam-four-views",)),
}


class MammoModels(BaseModel):
    """The model of each role, by its name: an id, or ``id@version``."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    view: ModelName = Field(default=VIEW_ID, description="Tells views, and what is a mammogram.")
    masses: ModelName = Field(
        default=MODEL_IDS[0],
        description="Marks masses and the like; by contract image-boxes also.",
    )
    masses_fine: ModelName | None = Field(
        default=MODEL_IDS[1],
        description="Reads finer pixels beside it; null where masses is a model by contract.",
    )
    calcifications: ModelName | None = Field(
        default=CALCIFICATIONS_ID,
        description="Marks calcifications; by contract image-boxes also; null for none.",
    )
    density: ModelName = Field(default=DENSITY_ID, description="Tells density.")
    exam: ModelName | None = Field(
        default=None,
        description="Scores the exam in place of its marks (contract mammo-exam-four-views).",
    )

    def chosen(self) -> dict[str, str]:
        """Name of the model of each role that has one."""
        return {role: name for role in ROLES if (name := getattr(self, role)) is not None}

    def check(self, card: Callable[[str], Card]) -> None:
        """Do the models fit their roles, and each other?

        Raises
        ------
        ModelError
            Where one does not.
        """
        cards = check_roles(ROLES, self.chosen(), card)
        for role in ("masses", "calcifications"):
            contract = cards[role].contract if role in cards else None
            if isinstance(contract, ImageBoxes):
                _check_classes(role, getattr(self, role), contract)
        masses = cards["masses"].contract
        if not isinstance(masses, ImageBoxes):
            return
        if self.masses_fine is not None:
            raise ModelError(
                f"masses {self.masses!r} is read by itself: set models.masses_fine to null"
            )
        if masses.malignancy == "none" and self.exam is None:
            raise ModelError(
                f"masses {self.masses!r} says nothing of malignancy, so that its marks give no "
                "score of the exam: name a model for the role exam"
            )
        if Kind.CALCIFICATIONS in masses.output.classes.values() and self.calcifications:
            raise ModelError(
                f"masses {self.masses!r} marks calcifications too: set models.calcifications to "
                "null, or leave that class out"
            )

    def load(self, library: ModelLibrary) -> dict[str, Model]:
        """The models by role, in the order of the roles.

        Raises
        ------
        ModelError
            Where one does not fit, or is not what its card says.
        """
        self.check(library.card)
        return {role: library.load(name) for role, name in self.chosen().items()}

    def scoring(self, models: Mapping[str, str]) -> dict[str, str]:
        """SHA-256, by id, of the models that can change the exam's score.

        What tells views, and the exam's own model, or else those that mark masses. A calibration
        does not hold where one of them is another.

        Parameters
        ----------
        models : mapping of str to str
            SHA-256 by name, of the models in use.
        """
        scorers = ("view", "exam") if self.exam else ("view", "masses", "masses_fine")
        names = [name for role, name in self.chosen().items() if role in scorers]
        return {name.split("@")[0]: models[name] for name in names if name in models}


def _check_classes(role: str, name: str, contract: ImageBoxes) -> None:
    known = {kind.value for kind in Kind}
    words = set(contract.output.classes.values())
    if not words <= known:
        raise ModelError(
            f"{role} {name!r}: classes {sorted(words - known)} are none of {sorted(known)}"
        )
    if role == "calcifications" and words != {Kind.CALCIFICATIONS.value}:
        raise ModelError(f"{role} {name!r}: its classes must be calcifications alone")
