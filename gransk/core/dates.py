"""When a study was made."""

from __future__ import annotations

import datetime

from gransk.core.errors import RefusalError
from gransk.core.reasons import Reason
from gransk.core.study import Study

DATES = ("StudyDate", "AcquisitionDate", "SeriesDate", "ContentDate")


def date_of(study: Study) -> datetime.date | None:
    """Date of a study, else of its images; None where there is none."""
    for keyword in DATES:
        for instance in study.instances:
            text = str(instance.header.get(keyword) or "").strip().replace(".", "")
            try:
                return datetime.datetime.strptime(text, "%Y%m%d").date()
            except ValueError:
                continue
    return None


def study_date(study: Study) -> datetime.date:
    """Date of a study, else of its images.

    Raises
    ------
    RefusalError
        ``NO_DATE`` where there is none.
    """
    found = date_of(study)
    if found is None:
        raise RefusalError(Reason.NO_DATE)
    return found
