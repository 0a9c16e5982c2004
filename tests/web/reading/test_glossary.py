"""Texts of the reading room use the Danish terms of docs/glossary.md, and no others."""

import re
from functools import cache
from pathlib import Path

import pytest
import yaml

import gransk.reading.indicators
from gransk.reading.policy_refusals import TEXTS as POLICY_REFUSALS
from gransk.reading.room_words import WORDS
from gransk.web.texts import catalogue

GLOSSARY = Path(__file__).parents[3] / "docs" / "glossary.md"
ROOM = re.compile(
    r"(assumption|dimension|event_figures|event_reading|event_room|event_validation|figures"
    r"|indicators|measure|nav_figures|nav_own|nav_policies|own_figures|policy|reading|simulation"
    r"|validation)_|role_arbiter"
)
"""Keys of the pages' texts that are of the reading room."""


@cache
def terms():
    """(forms of the English term, stem that a Danish text must hold, words that none holds)."""
    found = []
    for line in GLOSSARY.read_text(encoding="utf-8").splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if len(cells) == 5 and not set(cells[0]) <= set("-") and cells[0] != "English":
            forms = [form.strip() for form in cells[0].split(",")]
            never = [word.strip() for word in cells[3].split(",") if word.strip()]
            found.append((forms, cells[2], never))
    return found


@cache
def texts():
    """Every text of the reading room: (key, English, Danish)."""
    found = [(key, both["en"], both["da"]) for key, both in catalogue().items() if ROOM.match(key)]
    found += [(key, en, da) for key, (en, da) in WORDS.items()]
    found += [(key.value, both["en"], both["da"]) for key, both in POLICY_REFUSALS.items()]
    folder = Path(gransk.reading.indicators.__file__).parent
    for section, members in yaml.safe_load((folder / "texts.yaml").read_text()).items():
        found += [(f"{section}.{key}", both["en"], both["da"]) for key, both in members.items()]
    return found


def test_the_glossary_is_read():
    assert len(terms()) > 25
    assert len(texts()) > 250
    assert (["recall", "recalled"], "genindkald", ["tilbagekald"]) in terms()


@pytest.mark.parametrize("number", range(len(terms())))
def test_each_term_has_its_danish_word(number):
    forms, stem, _ = terms()[number]
    said = re.compile(rf"(?<![.{{\w])({'|'.join(forms)})s?(?![.}}]\w|}}|\w)", re.IGNORECASE)
    wrong = [
        f"{key}: {en!r} / {da!r}"
        for key, en, da in texts()
        if said.search(en) and stem not in da.lower()
    ]
    assert wrong == []


def test_no_danish_text_holds_another_word():
    every = [(key, both["da"]) for key, both in catalogue().items()]
    every += [(key, da) for key, _, da in texts()]
    wrong = [
        f"{key}: {word}"
        for _, _, never in terms()
        for word in never
        for key, da in every
        if re.search(rf"\b{word}", da, re.IGNORECASE)
    ]
    assert wrong == []
