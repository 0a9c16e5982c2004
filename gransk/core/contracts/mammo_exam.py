"""Contract ``mammo-exam-four-views``: a model that scores an exam by its four views."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import numpy.typing as npt
from pydantic import Field, model_validator

from gransk.core.contracts.image import ImageInput, Shown
from gransk.core.contracts.parts import Part, Score, output
from gransk.core.errors import ModelError, RefusalError
from gransk.core.reasons import Reason

if TYPE_CHECKING:
    from gransk.core.models import Model

View = Literal["R CC", "R MLO", "L CC", "L MLO"]
VIEWS: tuple[View, ...] = ("R CC", "R MLO", "L CC", "L MLO")


class ViewInput(Part):
    """One view and the input that it goes into."""

    view: View
    image: ImageInput


class ExamOutput(Part):
    """One number of the answer, and what it is the score of.

    Parameters
    ----------
    of : str
        ``exam``, or the breast ``R`` or ``L``.
    name : str
        The output.
    index : tuple of int
        Where the number stands in it; for ``softmax`` the last place is the class.
    """

    of: Literal["exam", "R", "L"]
    name: str
    index: tuple[int, ...] = Field(default=(), description="Place in the output.")


@dataclass(frozen=True)
class ExamScores:
    """Probability of the exam, and of each breast that the model tells of."""

    exam: float
    breasts: Mapping[str, float]


class MammoExam(Part):
    """A classifier of four views.

    Parameters
    ----------
    views : tuple of ViewInput
        Each of the four once. Views of one input name are stacked along ``stack``, in this order.
    stack : str
        ``batch`` (first axis) or ``channel``.
    outputs : tuple of ExamOutput
        Several of one kind are averaged. Without one of the exam, the exam's is that of the
        breast with the higher one.
    score : Score
    """

    kind: Literal["mammo-exam-four-views"]
    views: tuple[ViewInput, ...]
    stack: Literal["batch", "channel"] = "batch"
    outputs: tuple[ExamOutput, ...] = Field(min_length=1)
    score: Score = Score()

    @model_validator(mode="after")
    def _check(self) -> MammoExam:
        if sorted(one.view for one in self.views) != sorted(VIEWS):
            raise ValueError("views: R CC, R MLO, L CC and L MLO, each once")
        told = {one.of for one in self.outputs}
        if "exam" not in told and told != {"R", "L"}:
            raise ValueError("outputs: the exam's, or those of both breasts")
        return self

    def judge(self, model: Model, shown: Mapping[str, Shown]) -> ExamScores:
        """Score an exam.

        Parameters
        ----------
        model : Model
        shown : mapping of str to Shown
            By the name of the view, such as ``R MLO``.

        Raises
        ------
        RefusalError
            ``VIEWS_MISSING``; ``MODEL_OUTPUT_SHAPE``, ``MODEL_OUTPUT_NOT_FINITE`` and
            ``MODEL_OUTPUT_SCORE`` for what the model answers.
        """
        missing = [view for view in VIEWS if view not in shown]
        if missing:
            raise RefusalError(Reason.VIEWS_MISSING, ", ".join(missing))
        outputs = model.run(self._inputs(model, shown))
        told: dict[str, list[float]] = {}
        for one in self.outputs:
            told.setdefault(one.of, []).append(self._number(outputs, one))
        mean = {of: float(np.mean(values)) for of, values in told.items()}
        breasts = {of: value for of, value in mean.items() if of != "exam"}
        return ExamScores(mean.get("exam", max(breasts.values(), default=0.0)), breasts)

    def _inputs(
        self, model: Model, shown: Mapping[str, Shown]
    ) -> dict[str, npt.NDArray[np.generic]]:
        by_name: dict[str, list[npt.NDArray[np.generic]]] = {}
        stacked = len({one.image.name for one in self.views}) < len(self.views)
        for one in self.views:
            card = _of_one(model, one.image, self.stack) if stacked else model.card
            tensor, _ = one.image.tensor(shown[one.view], card)
            by_name.setdefault(one.image.name, []).append(tensor)
        try:
            return {
                name: tensors[0]
                if len(tensors) == 1
                else np.concatenate(tensors, axis=self._axis(name))
                for name, tensors in by_name.items()
            }
        except ValueError as error:
            raise ModelError(
                f"model {model.card.id}: views of one input must have one size: {error}"
            ) from error

    def _axis(self, name: str) -> int:
        if self.stack == "batch":
            return 0
        layout = next(one.image.layout for one in self.views if one.image.name == name)
        return 1 if layout == "NCHW" else 3

    def _number(self, outputs: Mapping[str, npt.NDArray[Any]], one: ExamOutput) -> float:
        array = output(outputs, one.name)
        if len(one.index) != array.ndim or any(
            not 0 <= n < size for n, size in zip(one.index, array.shape, strict=True)
        ):
            raise RefusalError(
                Reason.MODEL_OUTPUT_SHAPE, f"{one.name}: {list(array.shape)}, index {one.index}"
            )
        if not one.index:
            return float(self.score.probabilities(array.reshape(1))[0])
        # The whole row of classes, for softmax; one number of it otherwise.
        row = array[one.index[:-1]]
        if self.score.activation == "softmax":
            return float(self.score.probabilities(row)[one.index[-1]])
        return float(self.score.probabilities(row[one.index[-1] :][:1])[0])


def _of_one(model: Model, image: ImageInput, stack: str) -> Any:
    """The card, its input as one view of several in it is made."""
    if stack == "batch":
        return model.card
    axis = 1 if image.layout == "NCHW" else 3
    inputs = tuple(
        t.model_copy(update={"shape": tuple(1 if n == axis else s for n, s in enumerate(t.shape))})
        if t.name == image.name
        else t
        for t in model.card.inputs
    )
    return model.card.model_copy(update={"inputs": inputs})
