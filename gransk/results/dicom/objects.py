"""The DICOM objects of one report, made from the one finding model."""

from __future__ import annotations

import datetime
from collections.abc import Sequence

from gransk import __version__
from gransk.core.application import Picture, Presentation
from gransk.core.findings import Findings
from gransk.core.followup import FollowUp
from gransk.core.study import Study
from gransk.results.acts import Signature
from gransk.results.dicom.cad import make_cad
from gransk.results.dicom.common import (
    MadeObject,
    Predecessor,
    Report,
    institution,
    tolerant,
)
from gransk.results.dicom.ko import make_ko
from gransk.results.dicom.pdf import make_pdf
from gransk.results.dicom.pr import make_pr
from gransk.results.dicom.sc import make_sc
from gransk.results.dicom.seg import make_seg
from gransk.results.dicom.sr import make_sr

__all__ = ["MadeObject", "Predecessor", "make_objects"]


def make_objects(
    *,
    study: Study,
    findings: Findings,
    presentation: Presentation,
    pictures: Sequence[Picture],
    report_key: str,
    created: datetime.datetime,
    incomplete: bool = False,
    predecessors: Sequence[Predecessor] = (),
    language: str = "en",
    version: str = __version__,
    follow_up: FollowUp | None = None,
    compared: Sequence[Picture] = (),
    text: str = "",
    signature: Signature | None = None,
    organization: str = "",
) -> list[MadeObject]:
    """Every kind of object (`ObjectKind`) that the report can be written as.

    Which of them a destination is sent is the configuration's. Equal inputs give equal bytes.

    Parameters
    ----------
    study : Study
        Holds every analysed image; patient and study attributes are copied
        from the first.
    presentation : Presentation
        Of the application that made the findings.
    pictures : sequence of Picture
        For the summary pages.
    report_key : str
        Series and SOP Instance UIDs follow from it.
    created : datetime
        When the report was made, with a time zone. Written in the source's
        time zone where it has one, else in the zone given.
    incomplete : bool
        Whether the study was: the report says so, and its Completion Flag is
        PARTIAL.
    predecessors : sequence of Predecessor
        Reports that this one replaces.
    language : str
        ``en`` or ``da``.
    version : str
        Of the suite.
    follow_up : FollowUp, optional
        What the report tells beside its findings.
    compared : sequence of Picture
        Both sides of lesions that were compared with earlier studies.
    text : str
        The plain report in ``language``.
    signature : Signature, optional
        Who signed: the structured report is then final, and verified by that person.
    organization : str
        Of the signer; the images' own institution where it is empty.

    Raises
    ------
    InvalidValueError
        Where an analysed image is not in the study, or ``created`` has no
        time zone.
    """
    report = Report(
        study=study,
        findings=findings,
        presentation=presentation,
        report_key=report_key,
        created=created,
        incomplete=incomplete,
        predecessors=tuple(predecessors),
        language=language,
        version=version,
        follow_up=follow_up,
        text=text,
        signature=signature,
        organization=organization or institution(study, findings),
    )
    with tolerant():
        made = [
            make_sr(report),
            make_seg(report),
            *make_sc(report, pictures, compared),
            *make_pr(report),
            make_pdf(report, pictures, compared),
            make_ko(report),
            make_cad(report),
        ]
    return [one for one in made if one is not None]
