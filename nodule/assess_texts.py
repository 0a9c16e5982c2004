"""Texts of what an assessment tells by code, in Danish and English."""

from __future__ import annotations

from nodule.growth import reasons as growth_reasons
from nodule.risk import reasons as risk_reasons
from nodule.risk.labels import ANSWERS, INPUTS
from nodule.risk.reasons import Refusal, Warned

NOTES: dict[str, dict[str, str]] = {
    "assessment_without_date": {
        "en": "The study has no date: neither risk nor advice is given.",
        "da": "Undersøgelsen har ingen dato: der gives hverken risiko eller anbefaling.",
    },
    "setting_assumed": {
        "en": "The reason for the scan is not answered: advice assumes an incidental finding.",
        "da": "Årsagen til skanningen er ikke besvaret: anbefalingen forudsætter et "
        "tilfældigt fund.",
    },
    "later_study_left_out": {
        "en": "Comparisons with later studies do not count in the advice: {count}.",
        "da": "Sammenligninger med senere undersøgelser indgår ikke i anbefalingen: {count}.",
    },
    "same_day_left_out": {
        "en": "Comparisons with studies of the same day do not count in the advice: {count}.",
        "da": "Sammenligninger med undersøgelser fra samme dag indgår ikke i anbefalingen: "
        "{count}.",
    },
    "profile_nodules_not_here": {
        "en": "The risk profile names nodules that this study does not have: {count}.",
        "da": "Risikoprofilen nævner noduli, som undersøgelsen ikke har: {count}.",
    },
    "profile_nodule_not_assigned": {
        "en": "Answers about one nodule are left out, because the study has {count} findings; "
        "give them under \"nodules\" with its tracking UID.",
        "da": "Svar om én nodulus er udeladt, fordi undersøgelsen har {count} fund; angiv dem "
        "under \"nodules\" med dens tracking UID.",
    },
    "profile_contradicts": {
        "en": "Answers about earlier and present cancer contradict each other and are taken as "
        "unknown.",
        "da": "Svarene om tidligere og nuværende kræft modsiger hinanden og regnes som ukendte.",
    },
    "fast_doubling": {
        "en": "{finding}: the volume doubles in {days} days, which guidelines that go by volume "
        "(BTS 2015, NELSON) work up; the guideline in use goes by diameter and does not call it "
        "growth.",
        "da": "{finding}: volumen fordobles på {days} dage, hvilket retningslinjer, der går efter "
        "volumen (BTS 2015, NELSON), udreder; den anvendte retningslinje går efter diameter og "
        "kalder det ikke vækst.",
    },
    "no_size_no_advice": {
        "en": "{finding} has no size: no advice is given for it.",
        "da": "{finding} har intet mål: der gives ingen anbefaling for den.",
    },
    "course_without_scan": {
        "en": "{finding}: a person told how it has changed, but no earlier scan was compared; "
        "the advice is that of a first scan.",
        "da": "{finding}: en person har oplyst, hvordan den har ændret sig, men ingen tidligere "
        "skanning er sammenlignet; anbefalingen er som ved første skanning.",
    },
    "emphysema_thick_slices": {
        "en": "Share below -950 HU: slices of {thickness_mm} mm hide small low-attenuation areas.",
        "da": "Andel under -950 HU: snit på {thickness_mm} mm skjuler små områder med lav tæthed.",
    },
    "emphysema_sharp_kernel": {
        "en": "Share below -950 HU: a sharp kernel and noise raise it.",
        "da": "Andel under -950 HU: skarp kernel og støj øger den.",
    },
    "emphysema_kernel_unknown": {
        "en": "Share below -950 HU: the kernel is unknown; a sharp one raises it.",
        "da": "Andel under -950 HU: kernen er ukendt; en skarp øger den.",
    },
}  # fmt: skip


def texts() -> dict[str, dict[str, str]]:
    """Every text by its code; those of risk models take ``detail_en`` or ``detail_da``.

    Questions of the profile are ``profile_`` and the key, answers ``answer_`` and the value.
    """
    risk = {
        code.value: {
            language: risk_reasons.TEXTS[code][language].replace(
                "{detail}", f"{{detail_{language}}}"
            )
            for language in ("en", "da")
        }
        for code in (*Refusal, *Warned)
    }
    growth = {code.value: by for code, by in growth_reasons.TEXTS.items()}
    asked = {f"profile_{key}": by for key, by in INPUTS.items()}
    answers = {f"answer_{value}": by for value, by in ANSWERS.items()}
    return risk | growth | NOTES | asked | answers
