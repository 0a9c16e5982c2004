"""Closed lists of codes of guidelines, with what people read for them."""

from __future__ import annotations

from enum import StrEnum


class Action(StrEnum):
    """What is advised."""

    NO_FOLLOW_UP = "no_follow_up"
    END_OF_FOLLOW_UP = "end_of_follow_up"
    DISCHARGE = "discharge"
    NEGATIVE = "negative"
    INDETERMINATE = "indeterminate"
    CT = "ct"
    CT_SURVEILLANCE = "ct_surveillance"
    CT_SHORT_INTERVAL = "ct_short_interval"
    MORE_CT = "more_ct"
    PRIOR = "prior"
    PET_CT = "pet_ct"
    TISSUE_SAMPLING = "tissue_sampling"
    BIOPSY = "biopsy"
    EXCISION = "excision"
    NON_SURGICAL_TREATMENT = "non_surgical_treatment"
    BROCK = "brock"
    HERDER = "herder"
    HIGHLY_SUSPICIOUS = "highly_suspicious"
    BY_MOST_SUSPICIOUS = "by_most_suspicious"
    FURTHER_WORK_UP = "further_work_up"
    MULTIDISCIPLINARY_TEAM = "multidisciplinary_team"


class Strength(StrEnum):
    """How strongly the source advises it."""

    RECOMMENDED = "recommended"
    CONSIDER = "consider"
    OPTIONAL = "optional"
    BY_PREFERENCE = "by_preference"
    BY_RISK = "by_risk"


class Status(StrEnum):
    """How an input ended."""

    ADVICE = "advice"
    OPEN = "open"
    SILENT = "guideline_silent"
    NOT_APPLICABLE = "not_applicable"
    NOT_AVAILABLE = "not_available"


class Excluded(StrEnum):
    """Why a guideline is not for a patient."""

    AGE_UNDER_35 = "age_under_35"
    KNOWN_CANCER = "known_cancer"
    IMMUNOSUPPRESSED = "immunosuppressed"
    SCREENING = "screening"
    NOT_SCREENING = "not_screening"


class Lacks(StrEnum):
    """What a source has no row for."""

    AFTER_GROWTH = "after_growth"
    AFTER_FIRST_CONTROL_OF_LARGE = "after_first_control_of_large"
    SLOW_GROWTH_OF_SUBSOLID = "slow_growth_of_subsolid"
    SLOW_GROWTH_WITHOUT_BROCK = "slow_growth_without_brock"
    SLOW_GROWTH_BY_DIAMETER = "slow_growth_by_diameter"
    END_FOR_SUBSOLID = "end_for_subsolid"
    PREVIOUS_CATEGORY = "previous_category"
    NEW_PART_SOLID_IN_TWO_ROWS = "new_part_solid_in_two_rows"
    GROWTH_OUTSIDE_SOLID_PART = "growth_outside_solid_part"
    GROWING_LARGE_GROUND_GLASS = "growing_large_ground_glass"
    IMPOSSIBLE_SOLID_PART = "impossible_solid_part"
    SUBSOLID = "subsolid"
    NEW_NODULE = "new_nodule"
    STABLE_BUT_LARGE = "stable_but_large"
    BELOW_LIMIT = "below_limit"
    FOLLOW_UP = "follow_up"
    VOLUME = "volume"
    NO_NODULE = "no_nodule"
    ROW = "row"


class Noticed(StrEnum):
    """What a reader must know of an outcome."""

    SECONDARY = "secondary"
    APPLICABILITY_UNKNOWN = "applicability_unknown"
    MEASURES_DISAGREE = "measures_disagree"
    LIMIT_CROSSED = "limit_crossed"
    LONG_INTERVAL = "long_interval"
    SLOW_GROWTH = "slow_growth"
    AIRWAY_NOT_ASSESSED = "airway_not_assessed"
    ATYPICAL_CYST_NOT_ASSESSED = "atypical_cyst_not_assessed"
    SUSPICIOUS_NOT_ASSESSED = "suspicious_not_assessed"
    MORPHOLOGY_CANCELLED = "morphology_cancelled"
    MORPHOLOGY_UNSURE = "morphology_unsure"


_EN_DA: dict[StrEnum, tuple[str, str]] = {
    Action.NO_FOLLOW_UP: ("no follow-up", "ingen opfølgning"),
    Action.END_OF_FOLLOW_UP: ("end of follow-up", "opfølgningen er slut"),
    Action.DISCHARGE: ("discharge", "afslut"),
    Action.NEGATIVE: ("negative", "negativ"),
    Action.INDETERMINATE: ("indeterminate: repeat CT", "uafklaret: ny CT"),
    Action.CT: ("CT", "CT"),
    Action.CT_SURVEILLANCE: ("CT surveillance", "CT-kontrol"),
    Action.CT_SHORT_INTERVAL: ("CT after a short interval", "CT efter kort interval"),
    Action.MORE_CT: ("additional CT", "supplerende CT"),
    Action.PRIOR: ("get the earlier CT", "skaf den tidligere CT"),
    Action.PET_CT: ("PET-CT", "PET-CT"),
    Action.TISSUE_SAMPLING: ("tissue sampling", "vævsprøve"),
    Action.BIOPSY: ("biopsy", "biopsi"),
    Action.EXCISION: ("excision", "kirurgisk fjernelse"),
    Action.NON_SURGICAL_TREATMENT: ("non-surgical treatment", "ikke-kirurgisk behandling"),
    Action.BROCK: ("calculate Brock", "beregn Brock"),
    Action.HERDER: ("calculate Herder after PET-CT", "beregn Herder efter PET-CT"),
    Action.HIGHLY_SUSPICIOUS: (
        "highly suspicious: a person decides the next step",
        "stærkt mistænkelig: en person afgør næste skridt",
    ),
    Action.BY_MOST_SUSPICIOUS: (
        "by the most suspicious nodule",
        "efter den mest mistænkelige nodulus",
    ),
    Action.FURTHER_WORK_UP: ("further work-up", "videre udredning"),
    Action.MULTIDISCIPLINARY_TEAM: ("multidisciplinary team", "multidisciplinær konference"),
    Strength.RECOMMENDED: ("{what}", "{what}"),
    Strength.CONSIDER: ("consider {what}", "overvej {what}"),
    Strength.OPTIONAL: ("optional {what}", "eventuelt {what}"),
    Strength.BY_PREFERENCE: ("{what}, by preference", "{what}, efter præference"),
    Strength.BY_RISK: ("{what}, by risk", "{what}, efter risiko"),
    Excluded.AGE_UNDER_35: ("The patient is under 35.", "Patienten er under 35 år."),
    Excluded.KNOWN_CANCER: ("A primary cancer is known.", "Der er kendt primær kræft."),
    Excluded.IMMUNOSUPPRESSED: (
        "The patient is immunosuppressed.",
        "Patienten er immunsupprimeret.",
    ),
    Excluded.SCREENING: ("The scan is a screening.", "Skanningen er en screening."),
    Excluded.NOT_SCREENING: ("The scan is no screening.", "Skanningen er ikke en screening."),
    Lacks.AFTER_GROWTH: (
        "a step for a nodule that has grown",
        "et skridt for en nodulus, der er vokset",
    ),
    Lacks.AFTER_FIRST_CONTROL_OF_LARGE: (
        "a step after the CT at 3 months of a single solid nodule over 8 mm",
        "et skridt efter CT ved 3 måneder af en enkelt solid nodulus over 8 mm",
    ),
    Lacks.SLOW_GROWTH_OF_SUBSOLID: (
        "a step for a subsolid nodule whose volume doubles in more than 400 days",
        "et skridt for en subsolid nodulus, hvis volumen fordobles på mere end 400 dage",
    ),
    Lacks.SLOW_GROWTH_WITHOUT_BROCK: (
        "a step in the first year for slow growth from 8 mm without a Brock risk below 10 %",
        "et skridt i første år for langsom vækst fra 8 mm uden Brock-risiko under 10 %",
    ),
    Lacks.SLOW_GROWTH_BY_DIAMETER: (
        "a step for a doubling time over 600 days without volumetry",
        "et skridt for en fordoblingstid over 600 dage uden volumetri",
    ),
    Lacks.END_FOR_SUBSOLID: (
        "a step after the CT at 4 years of a subsolid nodule",
        "et skridt efter CT ved 4 år af en subsolid nodulus",
    ),
    Lacks.PREVIOUS_CATEGORY: (
        "a step for a stable nodule of this earlier category",
        "et skridt for en stabil nodulus med denne tidligere kategori",
    ),
    Lacks.NEW_PART_SOLID_IN_TWO_ROWS: (
        "one row: a new part-solid nodule under 6 mm is in category 3, its solid part from 4 mm "
        "in 4B",
        "én række: en ny delvist solid nodulus under 6 mm er kategori 3, dens solide del fra "
        "4 mm er 4B",
    ),
    Lacks.GROWTH_OUTSIDE_SOLID_PART: (
        "a step for a part-solid nodule that grows while its solid part does not",
        "et skridt for en delvist solid nodulus, der vokser, mens dens solide del ikke gør",
    ),
    Lacks.GROWING_LARGE_GROUND_GLASS: (
        "a step for ground glass from 30 mm that grows more than slowly",
        "et skridt for matglas fra 30 mm, der vokser mere end langsomt",
    ),
    Lacks.IMPOSSIBLE_SOLID_PART: (
        "a row for a solid part larger than the nodule's size allows",
        "en række for en solid del, der er større, end nodulus' størrelse tillader",
    ),
    Lacks.SUBSOLID: ("rows for subsolid nodules", "rækker for subsolide noduli"),
    Lacks.NEW_NODULE: ("rows for new nodules", "rækker for nye noduli"),
    Lacks.STABLE_BUT_LARGE: (
        "one row: over 500 mm3 is positive, growth under 25 % is negative",
        "én række: over 500 mm3 er positiv, vækst under 25 % er negativ",
    ),
    Lacks.BELOW_LIMIT: ("rows below its limit", "rækker under dens grænse"),
    Lacks.FOLLOW_UP: ("rows for follow-up", "rækker for opfølgning"),
    Lacks.VOLUME: (
        "limits in mm, and no volume was measured",
        "grænser i mm, og der er ikke målt noget volumen",
    ),
    Lacks.NO_NODULE: ("rows for a scan without a nodule", "rækker for en skanning uden nodulus"),
    Lacks.ROW: ("a row for this nodule", "en række for denne nodulus"),
    Noticed.SECONDARY: (
        "The guideline's source could not be read in full.",
        "Retningslinjens kilde kunne ikke læses i sin helhed.",
    ),
    Noticed.APPLICABILITY_UNKNOWN: (
        "Whether the guideline applies is not known: {about}",
        "Det vides ikke, om retningslinjen gælder: {about}",
    ),
    Noticed.MEASURES_DISAGREE: (
        "Diameter and volume choose different rows; {about} chose this one.",
        "Diameter og volumen vælger hver sin række; {about} valgte denne.",
    ),
    Noticed.LIMIT_CROSSED: (
        "A size limit was crossed without growth.",
        "En størrelsesgrænse er passeret uden vækst.",
    ),
    Noticed.LONG_INTERVAL: (
        "More than {about} months lie between the scans.",
        "Der er mere end {about} måneder mellem skanningerne.",
    ),
    Noticed.SLOW_GROWTH: (
        "It grew slowly over several scans: it may be 4B.",
        "Den er vokset langsomt over flere skanninger: den kan være 4B.",
    ),
    Noticed.AIRWAY_NOT_ASSESSED: (
        "Airway nodules: not assessed.",
        "Noduli i luftveje: ikke vurderet.",
    ),
    Noticed.ATYPICAL_CYST_NOT_ASSESSED: (
        "Atypical cysts: not assessed.",
        "Atypiske cyster: ikke vurderet.",
    ),
    Noticed.SUSPICIOUS_NOT_ASSESSED: (
        "Suspicious features (category 4X): not assessed.",
        "Mistænkelige træk (kategori 4X): ikke vurderet.",
    ),
    Noticed.MORPHOLOGY_CANCELLED: (
        "The benign morphology does not count: {about}",
        "Den godartede morfologi tæller ikke: {about}",
    ),
    Noticed.MORPHOLOGY_UNSURE: (
        "The benign morphology would not count with one of these, which are unknown: {about}",
        "Den godartede morfologi tæller ikke ved et af disse, som er ukendte: {about}",
    ),
}

_LANGUAGES = ("en", "da")


def text(code: StrEnum, language: str, **values: str) -> str:
    """What a person reads for a code, in ``da`` or ``en``."""
    return _EN_DA[code][_LANGUAGES.index(language)].format(**values)
