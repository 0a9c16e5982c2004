"""The closed list of reason codes: why a study, series or image was not analysed."""

from __future__ import annotations

from enum import StrEnum


class Reason(StrEnum):
    """Why something is not analysed. The value is stored and never changes meaning."""

    NO_APPLICATION = "no_application"
    NO_SUITABLE_SERIES = "no_suitable_series"
    TOO_FEW_SLICES = "too_few_slices"
    TOO_MANY_SLICES = "too_many_slices"
    SLICES_TOO_THICK = "slices_too_thick"
    SLICE_GAP = "slice_gap"
    DUPLICATE_SLICES = "duplicate_slices"
    GANTRY_TILT = "gantry_tilt"
    MIXED_ORIENTATION = "mixed_orientation"
    NOT_AXIAL = "not_axial"
    MISSING_ATTRIBUTE = "missing_attribute"
    INCONSISTENT_IMAGES = "inconsistent_images"
    MIXED_PATIENTS = "mixed_patients"
    UNSUPPORTED_TRANSFER_SYNTAX = "unsupported_transfer_syntax"
    UNSUPPORTED_SOP_CLASS = "unsupported_sop_class"
    UNREADABLE_FILE = "unreadable_file"
    UNDECODABLE_PIXELS = "undecodable_pixels"
    NOT_HOUNSFIELD = "not_hounsfield"
    NO_LUNGS = "no_lungs"
    COVERAGE_INCOMPLETE = "coverage_incomplete"
    MEMORY_LIMIT = "memory_limit"
    TIME_LIMIT = "time_limit"
    WORKER_LOST = "worker_lost"
    WITHDRAWN = "withdrawn"
    INTERNAL_ERROR = "internal_error"
    PRIOR_IDENTITY_MISMATCH = "prior_identity_mismatch"
    PRIOR_NOT_ANALYSED = "prior_not_analysed"
    PRIOR_UNREACHABLE = "prior_unreachable"
    PRIOR_TOO_OLD = "prior_too_old"
    PRIOR_OVER_LIMIT = "prior_over_limit"
    PRIOR_LATE = "prior_late"
    PRIOR_GONE = "prior_gone"
    REGISTRATION_FAILED = "registration_failed"
    NO_DATE = "no_date"
    NOTHING_TO_OUTLINE = "nothing_to_outline"
    NO_BREAST = "no_breast"
    FOR_PROCESSING = "for_processing"
    TOMOSYNTHESIS = "tomosynthesis"
    CONTRAST_SUBTRACTION = "contrast_subtraction"
    SPECIMEN = "specimen"
    PHOTOGRAPH = "photograph"
    IMAGE_QUALITY = "image_quality"
    NOT_STANDARD_VIEW = "not_standard_view"
    VIEW_UNKNOWN = "view_unknown"
    NO_PIXEL_SPACING = "no_pixel_spacing"
    OUT_OF_DISTRIBUTION = "out_of_distribution"
    VIEWS_MISSING = "views_missing"
    MODEL_OUTPUT_SHAPE = "model_output_shape"
    MODEL_OUTPUT_NOT_FINITE = "model_output_not_finite"
    MODEL_OUTPUT_SCORE = "model_output_score"
    MODEL_OUTPUT_PLACE = "model_output_place"


TEXTS: dict[Reason, dict[str, str]] = {
    Reason.NO_APPLICATION: {
        "en": "No application reads this kind of study.",
        "da": "Ingen applikation læser denne type undersøgelse.",
    },
    Reason.NO_SUITABLE_SERIES: {
        "en": "No series is suitable for analysis.",
        "da": "Ingen serie er egnet til analyse.",
    },
    Reason.TOO_FEW_SLICES: {
        "en": "The series has too few slices.",
        "da": "Serien har for få snit.",
    },
    Reason.TOO_MANY_SLICES: {
        "en": "The series has more slices than can be analysed.",
        "da": "Serien har flere snit, end der kan analyseres.",
    },
    Reason.SLICES_TOO_THICK: {
        "en": "The slices are too thick.",
        "da": "Snittene er for tykke.",
    },
    Reason.SLICE_GAP: {
        "en": "Slices are missing, or the distance between them is uneven.",
        "da": "Der mangler snit, eller afstanden mellem dem er ujævn.",
    },
    Reason.DUPLICATE_SLICES: {
        "en": "Several different images lie at the same place.",
        "da": "Flere forskellige billeder ligger samme sted.",
    },
    Reason.GANTRY_TILT: {
        "en": "The gantry was tilted: slices are not perpendicular to the scan direction.",
        "da": "Gantry var vippet: snittene er ikke vinkelrette på skanneretningen.",
    },
    Reason.MIXED_ORIENTATION: {
        "en": "The images of the series have different orientations.",
        "da": "Seriens billeder har forskellig orientering.",
    },
    Reason.NOT_AXIAL: {
        "en": "The images are not axial.",
        "da": "Billederne er ikke aksiale.",
    },
    Reason.MISSING_ATTRIBUTE: {
        "en": "The images lack an attribute that the analysis needs.",
        "da": "Billederne mangler en oplysning, som analysen kræver.",
    },
    Reason.INCONSISTENT_IMAGES: {
        "en": "The images of the series do not fit together.",
        "da": "Seriens billeder passer ikke sammen.",
    },
    Reason.MIXED_PATIENTS: {
        "en": "The images are not all of one patient.",
        "da": "Billederne er ikke alle af samme patient.",
    },
    Reason.UNSUPPORTED_TRANSFER_SYNTAX: {
        "en": "The images are compressed in a way that is not supported.",
        "da": "Billederne er komprimeret på en måde, der ikke understøttes.",
    },
    Reason.UNSUPPORTED_SOP_CLASS: {
        "en": "This kind of image object is not supported.",
        "da": "Denne type billedobjekt understøttes ikke.",
    },
    Reason.UNREADABLE_FILE: {
        "en": "A file of the study is damaged and cannot be read.",
        "da": "En fil i undersøgelsen er beskadiget og kan ikke læses.",
    },
    Reason.UNDECODABLE_PIXELS: {
        "en": "The pixel data are damaged and cannot be decoded.",
        "da": "Pixeldata er beskadigede og kan ikke afkodes.",
    },
    Reason.NOT_HOUNSFIELD: {
        "en": "The pixel values are not Hounsfield units.",
        "da": "Pixelværdierne er ikke Hounsfield-enheder.",
    },
    Reason.NO_LUNGS: {
        "en": "No lungs were found in the images.",
        "da": "Der blev ikke fundet lunger i billederne.",
    },
    Reason.COVERAGE_INCOMPLETE: {
        "en": "The scan does not cover enough of the lungs.",
        "da": "Skanningen dækker ikke nok af lungerne.",
    },
    Reason.MEMORY_LIMIT: {
        "en": "The analysis needed more memory than it is allowed.",
        "da": "Analysen krævede mere hukommelse, end den må bruge.",
    },
    Reason.TIME_LIMIT: {
        "en": "The analysis took longer than it is allowed.",
        "da": "Analysen tog længere tid, end den må.",
    },
    Reason.WORKER_LOST: {
        "en": "The input stopped its worker three times and was set aside.",
        "da": "Undersøgelsen standsede analyseprogrammet tre gange og er sat til side.",
    },
    Reason.WITHDRAWN: {
        "en": "The study was deleted from the archive while it was in work.",
        "da": "Undersøgelsen blev slettet fra arkivet, mens den var i arbejde.",
    },
    Reason.INTERNAL_ERROR: {
        "en": "The analysis failed; the event log tells why.",
        "da": "Analysen mislykkedes; hændelsesloggen fortæller hvorfor.",
    },
    Reason.PRIOR_IDENTITY_MISMATCH: {
        "en": "The earlier study is not of the same patient: identifier with issuer, birth date "
        "or sex differ.",
        "da": "Den tidligere undersøgelse er ikke af samme patient: id med udsteder, fødselsdato "
        "eller køn er forskellige.",
    },
    Reason.PRIOR_NOT_ANALYSED: {
        "en": "The earlier study could not be analysed.",
        "da": "Den tidligere undersøgelse kunne ikke analyseres.",
    },
    Reason.PRIOR_UNREACHABLE: {
        "en": "The archive that holds the earlier study does not answer.",
        "da": "Arkivet med den tidligere undersøgelse svarer ikke.",
    },
    Reason.PRIOR_TOO_OLD: {
        "en": "The earlier study is older than the site compares with.",
        "da": "Den tidligere undersøgelse er ældre, end stedet sammenligner med.",
    },
    Reason.PRIOR_OVER_LIMIT: {
        "en": "More recent earlier studies fill the number that the site compares with.",
        "da": "Nyere tidligere undersøgelser udfylder det antal, stedet sammenligner med.",
    },
    Reason.PRIOR_LATE: {
        "en": "The earlier study had not arrived when the report was made; a new report "
        "follows when it has.",
        "da": "Den tidligere undersøgelse var ikke kommet, da rapporten blev lavet; en ny rapport "
        "følger, når den er.",
    },
    Reason.PRIOR_GONE: {
        "en": "The earlier study was deleted from the archive.",
        "da": "Den tidligere undersøgelse blev slettet fra arkivet.",
    },
    Reason.REGISTRATION_FAILED: {
        "en": "The two studies could not be laid over each other.",
        "da": "De to undersøgelser kunne ikke lægges over hinanden.",
    },
    Reason.NO_DATE: {
        "en": "A study has no date, so time between the studies is unknown.",
        "da": "En undersøgelse har ingen dato, så tiden mellem undersøgelserne er ukendt.",
    },
    Reason.NOTHING_TO_OUTLINE: {
        "en": "Nothing can be outlined at that place.",
        "da": "Der kan ikke afgrænses noget på det sted.",
    },
    Reason.NO_BREAST: {
        "en": "No breast was found in the image.",
        "da": "Der blev ikke fundet noget bryst i billedet.",
    },
    Reason.FOR_PROCESSING: {
        "en": "The images are raw data (For Processing); the analysis reads For Presentation.",
        "da": "Billederne er rådata (For Processing); analysen læser For Presentation.",
    },
    Reason.TOMOSYNTHESIS: {
        "en": "The images are tomosynthesis slices; the analysis reads full-field images and "
        "the 2-D image computed from tomosynthesis.",
        "da": "Billederne er tomosyntesesnit; analysen læser fuldfeltsbilleder og det 2D-billede, "
        "der beregnes af tomosyntesen.",
    },
    Reason.CONTRAST_SUBTRACTION: {
        "en": "The images are contrast subtraction mammograms.",
        "da": "Billederne er kontrastmammografi (subtraktion).",
    },
    Reason.SPECIMEN: {
        "en": "The image shows a specimen.",
        "da": "Billedet viser et præparat.",
    },
    Reason.PHOTOGRAPH: {
        "en": "The image is a photograph or a document, not a mammogram.",
        "da": "Billedet er et fotografi eller et dokument, ikke et mammogram.",
    },
    Reason.IMAGE_QUALITY: {
        "en": "The image is too poor to be analysed.",
        "da": "Billedet er for dårligt til at blive analyseret.",
    },
    Reason.NOT_STANDARD_VIEW: {
        "en": "The images are additional views (such as spot compression or magnification); the "
        "analysis reads CC and MLO.",
        "da": "Billederne er supplerende optagelser (fx spotkompression eller forstørrelse); "
        "analysen læser CC og MLO.",
    },
    Reason.VIEW_UNKNOWN: {
        "en": "Neither the attributes nor the image tell which breast and view it is.",
        "da": "Hverken oplysningerne eller billedet fortæller, hvilket bryst og hvilken "
        "projektion det er.",
    },
    Reason.NO_PIXEL_SPACING: {
        "en": "The image does not say how large its pixels are.",
        "da": "Billedet oplyser ikke, hvor store dets pixels er.",
    },
    Reason.OUT_OF_DISTRIBUTION: {
        "en": "The images are unlike those that the models were made for.",
        "da": "Billederne ligner ikke dem, modellerne er lavet til.",
    },
    Reason.VIEWS_MISSING: {
        "en": "The model that scores the exam needs all four views; one is missing.",
        "da": "Modellen, der scorer undersøgelsen, kræver alle fire projektioner; en mangler.",
    },
    Reason.MODEL_OUTPUT_SHAPE: {
        "en": "The model's answer does not have the shape that its card states.",
        "da": "Modellens svar har ikke den form, som dens kort angiver.",
    },
    Reason.MODEL_OUTPUT_NOT_FINITE: {
        "en": "The model's answer holds values that are no numbers.",
        "da": "Modellens svar indeholder værdier, der ikke er tal.",
    },
    Reason.MODEL_OUTPUT_SCORE: {
        "en": "The model's scores do not lie in the range that its card states.",
        "da": "Modellens scorer ligger ikke i det område, som dens kort angiver.",
    },
    Reason.MODEL_OUTPUT_PLACE: {
        "en": "The model marks a place outside the image, or of an impossible size.",
        "da": "Modellen markerer et sted uden for billedet eller af en umulig størrelse.",
    },
}


def text(reason: Reason, language: str) -> str:
    """What a person reads for a code, in ``da`` or ``en``."""
    return TEXTS[reason][language]
