"""Every number that the simulated programme starts from, and the figures it is laid beside.

Nothing here is a guess of ours: each number names where it was read or measured. What is assumed
without a source says so, and is told in docs/programme_simulation.md.
"""

from __future__ import annotations

from typing import NamedTuple

# Women

WOMEN = 20_000
DETECTED_FIRST, DETECTED_LATER = 0.010, 0.006
"""Cancers that Danish screening detects in first and later rounds (clinical-rules, section 6)."""
SHARE_FIRST = 0.1
"""Women of 50 to 69 every second year are invited ten times, once of them for the first time."""
INADEQUATE = 14_337 / 272_008
"""Danish exams without adequate image data for AI (PMC10731688)."""

# One person, and two with an arbiter: Southern Denmark, PMC10731688

READER_SENSITIVITY, READER_SPECIFICITY = 0.637, 0.978
DOUBLE_SENSITIVITY, DOUBLE_SPECIFICITY = 0.739, 0.979

# The AI at two limits, by their differences from the first reader: the same study

AI_AT_READER_SPECIFICITY = (READER_SENSITIVITY - 0.051, READER_SPECIFICITY)
AI_AT_READER_SENSITIVITY = (READER_SENSITIVITY, READER_SPECIFICITY - 0.013)
"""Sensitivity and specificity."""

# How opinions go together, and the form of readers' curves: the NYU reader study, as
# `bench.programme.reader_study` measures it (clinical-rules; ../shared/data/screening)

READERS_CANCER, READERS_HEALTHY = 0.640, 0.390
"""Mean correlation of two readers' normal scores, of malignant and of other breasts."""
AI_CANCER, AI_HEALTHY = 0.575, 0.324
"""The same of a reader and the best network (GMIC, top 5)."""
READER_SLOPE = 0.749
"""Of the binormal curve of a reader: its mean over 14 readers."""
READER_SPREAD = 0.263
"""Standard deviation of the curve's intercept over the 14 readers."""
HALF = 0.5
"""Weight of the network where readers of that study gained most from it
(docs/statistics.md): how far a reader who uses marks follows them."""

# The unit

READERS, ARBITERS, EXPERIENCED = 8, 3, 5
"""Assumed; no figure but the work of each person depends on it."""
EXAMS_A_DAY = 80
"""Assumed, as before."""


class Published(NamedTuple):
    """Figures of a study; shares in percent, detection per 1,000, None where none was read.

    Parameters
    ----------
    name, source : str
    recall, detection, ppv, arbitration : float, optional
    readings : float, optional
        Against double reading, in percent.
    """

    name: str
    source: str
    recall: float | None = None
    detection: float | None = None
    ppv: float | None = None
    arbitration: float | None = None
    readings: float | None = None


RULES = "clinical-rules, section 6"
NORWAY = "BreastScreen Norway, simulated on its past, PMC9705475, table 2"
PUBLISHED = (
    Published("MASAI, double reading", RULES, 2.0, 5.1, 24.8),
    Published("MASAI, triage with marks", RULES, 2.2, 6.1, 28.3, None, -44.3),
    Published("Copenhagen, before AI", RULES, 3.09, 7.0, 22.6),
    Published("Copenhagen, triage with marks", RULES, 2.46, 8.2, 33.6, None, -33.5),
    Published("Norway, double reading", NORWAY, 3.2, 6.1, None, 8.8),
    Published("Norway, double from score 8", NORWAY, 2.9, 6.1, None, 7.2),
    Published("Norway, AI replaces a reader", NORWAY, 2.7, 5.9, None, 10.4),
)


class Check(NamedTuple):
    """What a source says that the model was not fitted to."""

    what: str
    source: str
    published: float


ESR = "7,569 cancers of BreastScreen Norway by both readers' and AI's scores, ESR poster"
ONE_OF_TWO_CANCER = Check(
    "cancers that one of two readers would recall, %", ESR, 100 * 1_719 / 7_569
)
AI_TOP_TENTH = Check("cancers among the tenth of exams with the highest scores, %", ESR,
                     100 * 5_961 / 7_569)  # fmt: skip
AI_TOP_TENTH_NEITHER = Check(
    "the same of cancers that neither reader would recall, %", ESR, 100 * 495 / 1_421
)
ONE_OF_TWO = Check(
    "exams that one of two readers would recall, %", "two Italian programmes, PMID 20981500",
    100 * 298 / 7_660,
)  # fmt: skip
ONE_OF_TWO_NORWAY = Check(
    "the same", "BreastScreen Norway, 1,033,870 screenings, PMID 19789229", 100 * 54_447 / 1_033_870
)
