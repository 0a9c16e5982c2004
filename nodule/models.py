"""Which model has which role in the nodule application."""

from __future__ import annotations

from collections.abc import Callable

from pydantic import BaseModel, ConfigDict, Field

from gransk.core.errors import ModelError
from gransk.core.models import Card, Model, ModelLibrary, ModelName
from gransk.core.roles import Role, check_roles
from nodule.detector import MODEL_ID as DETECTOR_ID
from nodule.morphology import MODEL_ID as MORPHOLOGY_ID
from nodule.search import MODEL_ID as SEARCH_ID
from nodule.segmenter import MODEL_ID as SEGMENTER_ID

ROLES = {
    "search": Role(frozenset({"slabs"}), frozenset({"nodule", "radius_mm"})),
    "detector": Role(frozenset({"views"}), frozenset({"probability"}), ("volume-boxes",)),
    "segmenter": Role(frozenset({"cubes"}), frozenset({"nodule"}), ("volume-segmenter",)),
    "morphology": Role(frozenset({"views"}), frozenset({"texture"})),
    "false_positive": Role(contracts=("volume-false-positive",)),
}


class NoduleModels(BaseModel):
    """The model of each role, by its name: an id, or ``id@version``."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    search: ModelName | None = Field(
        default=SEARCH_ID,
        description="Proposes places; null where the detector is a model by contract.",
    )
    detector: ModelName = Field(
        default=DETECTOR_ID,
        description="Judges what the search proposes, or finds by itself (contract volume-boxes).",
    )
    segmenter: ModelName = Field(
        default=SEGMENTER_ID, description="Outlines; by contract volume-segmenter also."
    )
    morphology: ModelName = Field(default=MORPHOLOGY_ID, description="Tells how a nodule looks.")
    false_positive: ModelName | None = Field(
        default=None,
        description="Drops what the detector took for a nodule (contract volume-false-positive).",
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
        by_itself = cards["detector"].contract is not None
        if by_itself and self.search is not None:
            raise ModelError(
                f"detector {self.detector!r} finds by itself: set models.search to null"
            )
        if not by_itself and self.search is None:
            raise ModelError(f"detector {self.detector!r} judges what a search proposes: name one")

    def load(self, library: ModelLibrary) -> dict[str, Model]:
        """The models by role, in the order of the roles.

        Raises
        ------
        ModelError
            Where one does not fit, or is not what its card says.
        """
        self.check(library.card)
        return {role: library.load(name) for role, name in self.chosen().items()}
