"""What a mammography CAD report is told beside the findings: kinds, views, images left out."""

from __future__ import annotations

from gransk.core.cad import Cad, CadReport, Shown
from gransk.core.errors import RefusalError
from gransk.core.findings import Findings, FrameRef, Note
from mammo.coding import BREASTS, KINDS, VIEWS
from mammo.view import STANDARD

LEFT_OUT = "image_left_out_"
"""How codes of notes begin that tell why an image could not be analysed."""
_IMAGE = "sop_instance_uid"
_SHOWN = {f"{side} {view}": Shown(side=BREASTS[side], view=VIEWS[view]) for side, view in STANDARD}


def left_out(what: str, sop_instance_uid: str, refusal: RefusalError) -> Note:
    """Why an image that was to be analysed is not; ``what`` is what people call it."""
    values: dict[str, str | float | int] = {"image": what, _IMAGE: sop_instance_uid}
    return Note(code=f"{LEFT_OUT}{refusal.reason.value}", values=values)


def failed(findings: Findings) -> tuple[str, ...]:
    """SOP Instance UIDs of the images that `left_out` tells of."""
    notes = (note for note in findings.notes if note.code.startswith(LEFT_OUT))
    named = (str(note.values.get(_IMAGE, "")) for note in notes)
    return tuple(dict.fromkeys(uid for uid in named if uid))


def shows(frame: FrameRef) -> Shown:
    """The breast and view that an image was analysed as."""
    return _SHOWN.get(frame.label, Shown())


CAD = Cad(report=CadReport.MAMMOGRAPHY, detects=tuple(KINDS.values()), shows=shows, failed=failed)
