"""Make pairs, compare them, and write one line a pair to a log that a later run goes on with."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import numpy as np

from bench.followup.hosts import Host, Part, cutouts, find_folders, names, read_host
from bench.followup.known import Knower
from bench.followup.outcomes import found, lesion_json, pair_json
from bench.followup.pairs import DAYS, Kind, Pair, make_pair
from bench.followup.studies import FIRST_DAY, study_of
from bench.nodule.pasted import Offers
from gransk.core.application import Context, Examined
from gransk.core.errors import ConfigurationError
from gransk.core.followup import Comparison
from gransk.core.models import ModelLibrary
from gransk.core.study import Study
from nodule.application import NoduleApplication, NoduleSettings
from training.nodule.cutouts import Cutout

Mode = Literal["known", "sizes", "detector"]
MODES: tuple[Mode, ...] = ("known", "sizes", "detector")
# The turns of each scan: follow-ups at each interval, then a repeat, dated the shortest one.
TURNS: tuple[tuple[Kind, int], ...] = (
    *(("follow-up", days) for days in DAYS), ("repeat", DAYS[0]),
)  # fmt: skip
# Pairs of the two parts have no seed in common.
FIRST_SEED: dict[Part, int] = {"setting": 1_000_000, "measuring": 2_000_000}


@dataclass
class Bench:
    """Everything that pairs are made and compared with.

    Parameters
    ----------
    part : str
    roots : sequence of Path
        Folders that hold the part's scans, each in a folder of its name.
    data : Path
        Holds ``lidc_nodules/``.
    models : Path
    threads : int
    mode : str
        ``known``: the lesions are outlined where they are, then compared.
        ``sizes``: outlined and measured, not compared.
        ``detector``: the whole analysis finds them.
    """

    part: Part
    roots: Sequence[Path]
    data: Path
    models: Path
    threads: int = 1
    mode: Mode = "known"
    _hosts: dict[str, tuple[Host, Offers]] = field(default_factory=dict, repr=False)

    @cached_property
    def library(self) -> ModelLibrary:
        return ModelLibrary(self.models, threads=self.threads)

    @cached_property
    def nodules(self) -> list[Cutout]:
        return cutouts(self.data, self.part)

    @cached_property
    def folders(self) -> dict[str, Path]:
        return find_folders(self.part, self.roots)

    def scans(self) -> list[str]:
        """Those of the part that are there, in the order of the list."""
        return [name for name in names(self.part) if name in self.folders]

    def host(self, name: str) -> tuple[Host, Offers]:
        """A scan, read once."""
        if name not in self._hosts:
            host = read_host(self.folders[name])
            self._hosts[name] = host, Offers.of(host.volume, host.lungs)
        return self._hosts[name]

    def pair(self, number: int) -> Pair:
        """The pair of a number: scans in turn, then intervals in turn."""
        scans = self.scans()
        kind, days = TURNS[number // len(scans) % len(TURNS)]
        host, offers = self.host(scans[number % len(scans)])
        return make_pair(host, offers, self.nodules, FIRST_SEED[self.part] + number, kind, days)

    def line(self, number: int) -> dict[str, Any]:
        """Make and judge one pair: a line of the log."""
        start = time.perf_counter()
        pair = self.pair(number)
        made = time.perf_counter()
        examined = [self._examined(pair, side) for side in (0, 1)]
        seen = time.perf_counter()
        comparison = None if self.mode == "sizes" else self._compared(examined[1], examined[0])
        end = time.perf_counter()
        lesions = self._lesions(pair, examined, comparison)
        seconds = {"make": made - start, "examine": seen - made, "compare": end - seen}
        line = pair_json(pair, lesions, comparison, {k: round(v, 1) for k, v in seconds.items()})
        return {"number": number, "part": self.part, "mode": self.mode, **line}

    def _lesions(
        self, pair: Pair, examined: Sequence[Examined], comparison: Comparison | None
    ) -> list[dict[str, Any]]:
        if self.mode == "detector":
            return [
                lesion_json(
                    truth, found(examined[1].findings, truth, "current"),
                    found(examined[0].findings, truth, "prior"), comparison,
                )
                for truth in pair.lesions
            ]  # fmt: skip
        queues = [iter(e.findings.findings) for e in examined]
        return [
            lesion_json(
                truth,
                None if truth.current_mm is None else next(queues[1]),
                None if truth.prior_mm is None else next(queues[0]),
                comparison,
            )
            for truth in pair.lesions
        ]

    def _examined(self, pair: Pair, side: int) -> Examined:
        made = (pair.prior, pair.current)[side]
        date = FIRST_DAY + timedelta(days=side * pair.days)
        study = study_of(made, pair.host, date, str(pair.seed), str(side))
        if self.mode == "detector":
            return self._analysed(study)
        places = [(one.prior_mm, one.current_mm)[side] for one in pair.lesions]
        rng = np.random.default_rng([pair.seed, side])
        return Knower(self.library).examine(study, made, [p for p in places if p], rng)

    def _analysed(self, study: Study) -> Examined:
        application, settings = NoduleApplication(), NoduleSettings()
        context = Context(models=self.library, settings=settings, analysis_key=study.uid)
        selection = application.select(study, settings)
        return Examined(study, application.analyse(study, selection, context))

    def _compared(self, current: Examined, prior: Examined) -> Comparison:
        context = Context(models=self.library, settings=NoduleSettings())
        return NoduleApplication().compare(current, prior, context)


def run(bench: Bench, count: int, log: Path) -> Iterator[dict[str, Any]]:
    """Lines of the pairs that the log lacks, each appended to it.

    Raises
    ------
    ConfigurationError
        Where the log is of another part or mode.
    """
    done = set()
    if log.exists() and not log.read_text(encoding="utf-8").endswith("\n"):
        with log.open("a", encoding="utf-8") as file:
            file.write("\n")
    for line in read_log(log) if log.exists() else ():
        if (line["part"], line["mode"]) != (bench.part, bench.mode):
            raise ConfigurationError(
                f"{log.name} is of {line['part']}, {line['mode']}; name another"
            )
        done.add(line["number"])
    for number in range(count):
        if number not in done:
            line = bench.line(number)
            with log.open("a", encoding="utf-8") as file:
                file.write(json.dumps(line, default=float) + "\n")
            yield line


def read_log(log: Path) -> list[dict[str, Any]]:
    """Every whole line; one that a stopped run left half is passed over."""
    lines = []
    for text in log.read_text(encoding="utf-8").splitlines():
        try:
            lines.append(json.loads(text))
        except ValueError:
            continue
    return lines
