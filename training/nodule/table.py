"""Samples as arrays, and the part of them that comes from some patients or scans."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from training.nodule.samples import Sample

FROM_NODULES = ("cutout", "pasted nodule", "beside")
"""Kinds of samples that come from a nodule; the others come from scans or are drawn."""


@dataclass(frozen=True)
class Table:
    """Samples as arrays."""

    views: npt.NDArray[np.uint8]
    nodule: npt.NDArray[np.bool_]
    malignancy: npt.NDArray[np.float32]
    diameter_mm: npt.NDArray[np.float32]
    kind: list[str]
    source: list[str]
    host: list[str]

    def __len__(self) -> int:
        return len(self.nodule)

    def part(self, keep: npt.NDArray[np.bool_]) -> Table:
        """The rows where ``keep`` is true."""
        rows = np.flatnonzero(keep)
        return Table(
            self.views[rows], self.nodule[rows], self.malignancy[rows], self.diameter_mm[rows],
            [self.kind[n] for n in rows], [self.source[n] for n in rows],
            [self.host[n] for n in rows],
        )  # fmt: skip

    def save(self, path: Path) -> None:
        """Write the rows as npz."""
        np.savez(
            path, views=self.views, nodule=self.nodule, malignancy=self.malignancy,
            diameter_mm=self.diameter_mm, kind=np.array(self.kind), source=np.array(self.source),
            host=np.array(self.host),
        )  # fmt: skip

    @classmethod
    def read(cls, path: Path) -> Table:
        """Read what :meth:`save` wrote."""
        with np.load(path, allow_pickle=False) as file:
            names = ("views", "nodule", "malignancy", "diameter_mm")
            views, nodule, malignancy, diameter = (file[name] for name in names)
            texts = [list(map(str, file[name])) for name in ("kind", "source", "host")]
        return cls(views, nodule, malignancy, diameter, *texts)

    @classmethod
    def of(cls, samples: list[Sample]) -> Table:
        return cls(
            np.stack([s.view for s in samples]),
            np.array([s.nodule for s in samples]),
            np.array([s.malignancy for s in samples], np.float32),
            np.array([s.diameter_mm for s in samples], np.float32),
            [s.kind for s in samples],
            [s.source for s in samples],
            [s.host for s in samples],
        )


def of_share(
    table: Table, patient_of: dict[str, str], share: float, seed: int
) -> npt.NDArray[np.bool_]:
    """Rows of a share of the patients, and those that come from no nodule.

    A smaller share's patients are among those of a larger one.
    """
    patients = sorted(set(patient_of.values()))
    order = np.random.default_rng(seed).permutation(len(patients))
    kept = {patients[n] for n in order[: round(share * len(patients))]}
    return np.array(
        [
            kind not in FROM_NODULES or patient_of[source] in kept
            for kind, source in zip(table.kind, table.source, strict=True)
        ]
    )


def of_scans(table: Table, count: int, seed: int) -> npt.NDArray[np.bool_]:
    """Rows of some of the whole scans, and those that lie in none.

    A smaller number's scans are among those of a larger one.
    """
    hosts = sorted({h for h in table.host if h})
    order = np.random.default_rng(seed).permutation(len(hosts))
    kept = {"", *(hosts[n] for n in order[:count])}
    return np.array([h in kept for h in table.host])
