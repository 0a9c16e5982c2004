"""Contract ``volume-boxes``: a detector that gives boxes in a CT volume."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

from gransk.core.contracts.boxes import Box, BoxOutput
from gransk.core.contracts.parts import Part
from gransk.core.contracts.scan import BoolArray, Place, ScanFrame, ScanInput
from gransk.core.volume import Volume

if TYPE_CHECKING:
    from gransk.core.models import Model


@dataclass(frozen=True)
class VolumeBox:
    """One box in a scan.

    Parameters
    ----------
    index : tuple of float
        Its middle, (k, j, i) in voxels of the scan.
    sides_mm : tuple of float
        Along k, j and i.
    score : float
    """

    index: Place
    sides_mm: Place
    score: float


class VolumeBoxes(Part):
    """A detector of boxes in a volume.

    Parameters
    ----------
    input : ScanInput
    output : BoxOutput
        ``classes`` name what is kept: ``nodule``.
    """

    kind: Literal["volume-boxes"]
    input: ScanInput
    output: BoxOutput

    def find(
        self,
        model: Model,
        volume: Volume,
        lungs: BoolArray | None = None,
        progress: Callable[[float], None] = lambda _: None,
    ) -> list[VolumeBox]:
        """Boxes of all windows, the most probable first.

        Raises
        ------
        RefusalError
            As `BoxOutput.read` and `ScanInput.whole`.
        """
        frame = self.input.whole(volume, lungs)
        windows = list(self.input.windows(frame))
        found: list[Box] = []
        for number, (first, window) in enumerate(windows, 1):
            seen = self.input.tensor(volume, window, model.card)
            boxes = self.output.read(model.run({self.input.name: seen}), window.grid)
            found += [box.moved(first) for box in boxes]
            progress(number / len(windows))
        return [_in_scan(box, frame) for box in self.output.apart(found)]


def _in_scan(box: Box, frame: ScanFrame) -> VolumeBox:
    # Cells have corners, points of a scan their middles: half a cell lies between.
    k, j, i = (float(v) for v in frame.to_scan(np.array(box.centre) - 0.5))
    sides = np.subtract(box.high, box.low) * frame.grid.spacing_mm
    in_order = sides[np.argsort(frame.axes)]
    return VolumeBox(
        (k, j, i), (float(in_order[0]), float(in_order[1]), float(in_order[2])), box.score
    )
