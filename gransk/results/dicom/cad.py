"""Findings as a CAD report, for the workstations that show nothing else.

highdicom has neither Mammography CAD SR nor Chest CAD SR: both are written here row by row from
their templates, over the header that every structured document of ours has.
"""

from __future__ import annotations

from gransk.core.cad import CadReport
from gransk.core.object_kinds import ObjectKind
from gransk.results.dicom import cad_chest, cad_mammography
from gransk.results.dicom.cad_tree import written
from gransk.results.dicom.common import MadeObject, Report
from gransk.results.dicom.documents import document, seal_document

SOP_CLASSES = {
    CadReport.MAMMOGRAPHY: "1.2.840.10008.5.1.4.1.1.88.50",
    CadReport.CHEST: "1.2.840.10008.5.1.4.1.1.88.65",
}
TREES = {CadReport.MAMMOGRAPHY: cad_mammography.tree, CadReport.CHEST: cad_chest.tree}
SERIES = 4


def make_cad(report: Report) -> MadeObject | None:
    """Mammography CAD SR or Chest CAD SR, as the application says; None where it says none."""
    cad = report.presentation.cad
    if cad is None:
        return None
    top, beside = TREES[cad.report](report, cad)
    description = f"{report.title}: {report.say('cad')}"
    # By-reference items are beyond highdicom's own checks, so the tree goes in after them.
    dataset = document(report, ObjectKind.CAD, SERIES, top.item, description, beside)
    dataset.SOPClassUID = SOP_CLASSES[cad.report]
    dataset.ContentSequence = written(top).ContentSequence
    return seal_document(dataset, report, ObjectKind.CAD)
