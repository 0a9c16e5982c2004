"""Words of the plain report, in Danish and English."""

from __future__ import annotations

from dataclasses import dataclass

GUIDELINES = {
    "fleischner-2017": "Fleischner 2017",
    "bts-2015": "BTS 2015",
    "lung-rads-2022": "Lung-RADS v2022",
    "nelson": "NELSON",
    "eu-2017": "EU 2017",
    "dlcg": "DLCG",
    "esti-2025": "ESTI 2025",
}
MODELS = {
    "brock-1a": "Brock 1a",
    "brock-1b": "Brock 1b",
    "brock-2a": "Brock 2a",
    "brock-2b": "Brock 2b",
    "mayo": "Mayo",
    "herder": "Herder",
}
GROWTH: dict[str, dict[str, str]] = {
    "growth": {"en": "growth", "da": "vækst"},
    "below_threshold": {
        "en": "change below the limit of growth",
        "da": "ændring under vækstgrænsen",
    },
    "no_growth": {"en": "no growth", "da": "ingen vækst"},
}
_TEXTS: dict[str, tuple[str, str]] = {
    "title": (
        "CT of the chest {date}. Automatic analysis of lung nodules (Gransk).",
        "CT af thorax {date}. Automatisk analyse af lungenoduli (Gransk).",
    ),
    "no_date": ("without a date", "uden dato"),
    "nodule": ("Nodule", "Nodulus"),
    "findings": ("FINDINGS", "FUND"),
    "none_found": (
        "No nodules were marked. That does not rule nodules out.",
        "Ingen noduli er markeret. Det udelukker ikke noduli.",
    ),
    "rejected": (
        "Marks that a person rejected and that are left out here: {count}.",
        "Fund, som en person har afvist, og som er udeladt her: {count}.",
    ),
    "below_950": (
        "Lung below -950 HU: {share} % (measured; not used in the risk until a person answers "
        "whether there is emphysema).",
        "Lunge under -950 HU: {share} % (målt; indgår ikke i risikoen, før en person har svaret "
        "på, om der er emfysem).",
    ),
    "texture_unknown": ("texture not told", "tekstur ikke angivet"),
    "axes": ("{axes} mm (mean {mean} mm)", "{axes} mm (middel {mean} mm)"),
    "volume": ("volume", "volumen"),
    "mean": ("mean diameter", "middeldiameter"),
    "solid_part": ("solid part {mean} mm", "solid del {mean} mm"),
    "calcium_none": ("none", "ingen"),
    "not_assessed": ("not assessed", "ikke vurderet"),
    "calcium": ("calcification ({pattern})", "forkalkning ({pattern})"),
    "fat": ("contains fat", "indeholder fedt"),
    "perifissural": ("at a fissure (estimate)", "ved en fissur (skøn)"),
    "juxtapleural": ("at the pleura", "ved pleura"),
    "by_person": ("added by a person", "tilføjet af en person"),
    "comparison": ("COMPARISON", "SAMMENLIGNING"),
    "nothing_compared": (
        "Not compared with any earlier study.",
        "Der er ikke sammenlignet med tidligere undersøgelser.",
    ),
    "compared_with": (
        "Compared with the study of {date} ({days} days earlier).",
        "Sammenlignet med undersøgelsen fra {date} ({days} dage tidligere).",
    ),
    "compared_with_later": (
        "Compared with the study of {date} ({days} days later).",
        "Sammenlignet med undersøgelsen fra {date} ({days} dage senere).",
    ),
    "not_compared": (
        "Not compared with the study of {date}: {why}",
        "Ikke sammenlignet med undersøgelsen fra {date}: {why}",
    ),
    "outcome_matched": ("seen again", "genfindes"),
    "outcome_new": ("new", "ny"),
    "outcome_not_covered": (
        "its place is not on the earlier study",
        "stedet er ikke med på den tidligere undersøgelse",
    ),
    "outcome_uncertain": (
        "cannot be paired with certainty",
        "kan ikke parres med sikkerhed",
    ),
    "gone_resolved": (
        "No longer seen: {count} (earlier {sizes}).",
        "Ses ikke længere: {count} (tidligere {sizes}).",
    ),
    "gone_not_covered": (
        "Earlier nodules whose place this study does not show: {count} (earlier {sizes}).",
        "Tidligere noduli, hvis sted ikke er med på denne undersøgelse: {count} "
        "(tidligere {sizes}).",
    ),
    "gone_uncertain": (
        "Earlier nodules that cannot be paired with certainty: {count} (earlier {sizes}).",
        "Tidligere noduli, der ikke kan parres med sikkerhed: {count} (tidligere {sizes}).",
    ),
    "size_unknown": ("size unknown", "ukendt størrelse"),
    "vdt": ("volume-doubling time {days} days", "volumenfordoblingstid {days} dage"),
    "vdt_interval": (
        "volume-doubling time {days} days ({range} days)",
        "volumenfordoblingstid {days} dage ({range} dage)",
    ),
    "vdt_withheld": ("no doubling time ({why})", "ingen fordoblingstid ({why})"),
    "no_growth": ("the volume has not risen", "volumen er ikke steget"),
    "or_more": ("at least {low}", "mindst {low}"),
    "growth": ("by {by}: {what}", "efter {by}: {what}"),
    "risk": ("RISK OF CANCER (models)", "RISIKO FOR KRÆFT (modeller)"),
    "by_model": (
        " (calculated by {model}, because spiculation is unknown)",
        " (beregnet med {model}, fordi spikulering er ukendt)",
    ),
    "answers": ("Answers: {told}.", "Oplysninger: {told}."),
    "unknown": ("Unknown: {names}.", "Ukendt: {names}."),
    "advice": ("ADVICE", "ANBEFALING"),
    "no_advice": (
        "No guideline gives advice for this study.",
        "Ingen retningslinje giver en anbefaling for undersøgelsen.",
    ),
    "whole_study": ("The study", "Undersøgelsen"),
    "advised": ("{who}: {text}", "{who}: {text}"),
    "proposed": (
        "{who}: proposal, if a person confirms the morphology: {text}",
        "{who}: forslag, hvis en person bekræfter morfologien: {text}",
    ),
    "no_row": ("none", "ingen"),
    "ground": (
        "By {by} (table {version}, row {row}): {why}.",
        "Efter {by} (tabel {version}, række {row}): {why}.",
    ),
    "changed_by": ("Otherwise with: {told}.", "Anderledes ved: {told}."),
    "research": (
        "Research use. Not a medical device. A radiologist must read every image and answers "
        "for the report.",
        "Til forskning. Ikke medicinsk udstyr. En radiolog skal se alle billeder og har "
        "ansvaret for beskrivelsen.",
    ),
}
_LANGUAGES = ("en", "da")
_YES = {"en": ("yes", "present"), "da": ("ja", "ses")}


@dataclass(frozen=True)
class Words:
    """The words of one language."""

    language: str

    def __call__(self, key: str, **values: object) -> str:
        return _TEXTS[key][_LANGUAGES.index(self.language)].format(**values)

    @property
    def yes(self) -> tuple[str, ...]:
        """How properties say yes."""
        return _YES[self.language]

    def lobe(self, shown: str) -> str:
        """A lobe after its side."""
        if self.language == "da":
            return f"{shown} (anslået)"
        return f"{shown} lobe (estimated)"


def words(language: str) -> Words:
    """The words of ``da`` or ``en``."""
    return Words(language)
