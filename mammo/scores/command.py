"""What ``gransk calibrate`` gets from the application: a calibration and its figures in words."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from gransk.core.calibration import OwnExam, Result, Wanted
from gransk.core.findings import Note
from mammo.scores.calibrating import NotCalibratedError, make
from mammo.scores.calibration import Agreement, Calibration, Figure
from mammo.scores.scored_by import ScoredBy

WORDS = {
    "en": {
        "exams": "{exams} screening exams from {first} to {last}; {missed} more have no score",
        "outcomes": "outcome known of {known}, without cancer for at least {months:g} months; "
        "{cancers} cancers",
        "prevalence": "prevalence {share}",
        "head": "score  probability from    exams  known  cancers  share of cancers (95 %)",
        "score": "high from score {target:.0f} on: probability {at:.4f}, {high} of exams",
        "sensitivity": "high for a sensitivity of at least {target:.3f}: probability {at:.4f}, "
        "{high} of exams",
        "specificity": "high for a specificity of at least {target:.3f}: probability {at:.4f}, "
        "{high} of exams",
        "reached": "  sensitivity {sensitivity}, specificity {specificity} on these exams, by "
        "which it was chosen: expect less later",
        "no_limit": "no limit was chosen: no exam is called low or high",
        "auc": "area under the ROC curve {auc}",
        "network": "network's probability: {agreement}",
        "recalibrated": "recalibrated, cross-validated: {agreement}",
        "agreement": "in the large {large} (0 agrees), slope {slope} (1 agrees), Brier {brier:.5f}",
        "brier": "Brier of the prevalence alone {brier:.5f}",
        "to": "to",
    },
    "da": {
        "exams": "{exams} screeningsundersøgelser fra {first} til {last}; {missed} til har ingen "
        "score",
        "outcomes": "udfald kendt for {known}, uden kræft i mindst {months:g} måneder; {cancers} "
        "med kræft",
        "prevalence": "prævalens {share}",
        "head": "score  sandsynlighed fra  antal  kendt    kræft  andel med kræft (95 %)",
        "score": "høj fra score {target:.0f}: sandsynlighed {at:.4f}, {high} af undersøgelserne",
        "sensitivity": "høj ved en sensitivitet på mindst {target:.3f}: sandsynlighed {at:.4f}, "
        "{high} af undersøgelserne",
        "specificity": "høj ved en specificitet på mindst {target:.3f}: sandsynlighed {at:.4f}, "
        "{high} af undersøgelserne",
        "reached": "  sensitivitet {sensitivity}, specificitet {specificity} på de undersøgelser, "
        "den er valgt efter: forvent mindre senere",
        "no_limit": "ingen grænse er valgt: ingen undersøgelse kaldes lav eller høj",
        "auc": "areal under ROC-kurven {auc}",
        "network": "netværkets sandsynlighed: {agreement}",
        "recalibrated": "rekalibreret, krydsvalideret: {agreement}",
        "agreement": "i gennemsnit {large} (0 passer), hældning {slope} (1 passer), Brier "
        "{brier:.5f}",
        "brier": "Brier for prævalensen alene {brier:.5f}",
        "to": "til",
    },
}

MISSING = {
    "not_said_consecutive": {
        "en": "nobody said that these are all screening exams of the period: --consecutive",
        "da": "ingen har sagt, at det er alle screeningsundersøgelser i perioden: --consecutive",
    },
    "undated": {
        "en": "{count} exams have no date: exams must follow one another in time",
        "da": "{count} undersøgelser har ingen dato: undersøgelserne skal følge efter hinanden",
    },
    "gap": {
        "en": "{days} days lie between two exams, at most {most} may: choose a period without gap",
        "da": "der er {days} dage mellem to undersøgelser, højst {most} er tilladt: vælg en "
        "periode uden hul",
    },
    "not_analysed": {
        "en": "{count} of {exams} exams have no score by the weights in use: at most 5 % may lack "
        "it; let them be analysed, or choose another period",
        "da": "{count} af {exams} undersøgelser har ingen score med de vægte, der er i brug: højst "
        "5 % må mangle; lad dem analysere, eller vælg en anden periode",
    },
    "other_weights": {
        "en": "{count} exams were scored by other weights or by a version with other scores",
        "da": "{count} undersøgelser har en score fra andre vægte eller fra en version med andre "
        "scorer",
    },
    "too_few_exams": {
        "en": "{count} exams have a score, {least} are needed for the limits of the tenths",
        "da": "{count} undersøgelser har en score, {least} skal til for tiendedelenes grænser",
    },
    "prevalence_too_high": {
        "en": "{percent} % have cancer: that is no consecutive screening",
        "da": "{percent} % har kræft: det er ikke fortløbende screening",
    },
    "too_few_values": {
        "en": "only {distinct} different probabilities: the exams cannot be parted into tenths",
        "da": "kun {distinct} forskellige sandsynligheder: undersøgelserne kan ikke deles i "
        "tiendedele",
    },
    "limit_needs_outcomes": {
        "en": "a limit by sensitivity or specificity needs outcomes; a limit by score does not",
        "da": "en grænse efter sensitivitet eller specificitet kræver kendte udfald; en grænse "
        "efter score gør ikke",
    },
    "outcomes_unknown": {
        "en": "the outcome is known of {percent} % of the exams: 95 % are needed for "
        "probabilities of cancer",
        "da": "udfaldet er kendt for {percent} % af undersøgelserne: 95 % skal til for "
        "sandsynligheder for kræft",
    },
    "too_few_cancers": {
        "en": "{cancers} cancers, {least} are needed for probabilities of cancer",
        "da": "{cancers} med kræft, {least} skal til for sandsynligheder for kræft",
    },
    "no_slope": {
        "en": "cancers score no higher than other exams: no probability of cancer can be given",
        "da": "undersøgelser med kræft scorer ikke højere end andre: der kan ikke gives nogen "
        "sandsynlighed for kræft",
    },
    "slope_imprecise": {
        "en": "the slope's standard error is {percent} % of it, at most {most} % may be: more "
        "cancers are needed for probabilities of cancer",
        "da": "hældningens standardfejl er {percent} % af den, højst {most} % er tilladt: der skal "
        "flere med kræft til for sandsynligheder for kræft",
    },
}


def calibrate(
    exams: Sequence[OwnExam],
    application: str,
    by: ScoredBy,
    wanted: Wanted,
    language: str,
) -> Result:
    """A calibration as JSON values and in words, or what is missing."""
    try:
        made = make(exams, application, by, wanted)
    except NotCalibratedError as error:
        return Result(None, missing=tuple(text(note, language) for note in error.missing))
    return Result(
        content=content(made.calibration),
        report=tuple(report(made.calibration, language)),
        missing=tuple(text(note, language) for note in made.missing),
    )


def content(calibration: Calibration) -> dict[str, Any]:
    """The calibration as its file holds it."""
    return calibration.model_dump(mode="json", exclude_none=True)


def text(note: Note, language: str) -> str:
    """What is missing, in words."""
    return _decimal(MISSING[note.code][language].format(**note.values), language)


def report(calibration: Calibration, language: str) -> list[str]:
    """Counts and figures of a calibration, a line each."""
    words = WORDS[language]
    lines = [
        words["exams"].format(
            exams=calibration.exams,
            first=calibration.first_exam,
            last=calibration.last_exam,
            missed=calibration.not_analysed,
        ),
        words["outcomes"].format(
            known=calibration.known,
            months=calibration.follow_up_months,
            cancers=calibration.cancers,
        ),
    ]
    if calibration.prevalence is not None:
        share = _share(calibration.prevalence, language)
        lines.append(words["prevalence"].format(share=share))
    lines.append(words["head"])
    for score, decile in enumerate(calibration.deciles, 1):
        start = calibration.limits[score - 2] if score > 1 else 0.0
        observed = "" if decile.observed is None else _share(decile.observed, language)
        lines.append(
            f"{score:5d}  {start:16.4f}  {decile.exams:5d}  {decile.known:5d}  "
            f"{decile.cancers:7d}  {observed}".rstrip()
        )
    lines += [*_limit(calibration, language), *_figures(calibration, language)]
    return [_decimal(line, language) for line in lines]


def _limit(calibration: Calibration, language: str) -> list[str]:
    words, limit = WORDS[language], calibration.limit
    if limit is None:
        return [words["no_limit"]]
    high = _share(limit.high, language)
    lines = [words[limit.chosen].format(target=limit.target, at=limit.probability, high=high)]
    if limit.sensitivity is not None and limit.specificity is not None:
        lines.append(
            words["reached"].format(
                sensitivity=_share(limit.sensitivity, language),
                specificity=_share(limit.specificity, language),
            )
        )
    return lines


def _figures(calibration: Calibration, language: str) -> list[str]:
    words, figures = WORDS[language], calibration.figures
    if figures is None:
        return []
    lines = [
        words["auc"].format(auc=_number(figures.auc, language)),
        words["network"].format(agreement=_agreement(figures.network, language)),
    ]
    if figures.recalibrated is not None:
        agreement = _agreement(figures.recalibrated, language)
        lines.append(words["recalibrated"].format(agreement=agreement))
    return [*lines, words["brier"].format(brier=figures.brier_of_prevalence)]


def _agreement(agreement: Agreement, language: str) -> str:
    return WORDS[language]["agreement"].format(
        large=_number(agreement.in_the_large, language),
        slope=_number(agreement.slope, language),
        brier=agreement.brier,
    )


def _share(figure: Figure, language: str) -> str:
    to = WORDS[language]["to"]
    value, low, high = (100 * end for end in (figure.value, figure.low, figure.high))
    return f"{value:.2f} % ({low:.2f} {to} {high:.2f})"


def _number(figure: Figure, language: str) -> str:
    to = WORDS[language]["to"]
    return f"{figure.value:.3f} ({figure.low:.3f} {to} {figure.high:.3f})"


def _decimal(line: str, language: str) -> str:
    return line.replace(".", ",") if language == "da" else line
