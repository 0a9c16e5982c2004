"""Admit a model: check what arrived, keep it where the library finds it, or say what is wrong.

>>> tried = Admission(config, database).admit(path, Source.SHELL, "shell:anna")
>>> tried.admitted, tried.model, [result.fault for result in tried.results]

What passes lies as ``models/<id>@<version>/`` under the data folder, as a candidate. What does
not leaves a row that says every cause, and nothing else.
"""

from __future__ import annotations

import contextlib
import hashlib
import logging
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from gransk.core.errors import ModelError
from gransk.core.models import CARD, Card
from gransk.registry.checking import run_checks
from gransk.registry.checks import Check, Fault, Result, plain
from gransk.registry.protocol import Job
from gransk.registry.stages import subject
from gransk.registry.tables import ModelAttempt, ModelRow, ModelStep, Source, Stage
from gransk.site.config import Config
from gransk.site.database import Database, utcnow
from gransk.site.events import EventKind, record, take_turn
from gransk.site.model_library import library_of

INBOX = "inbox"
REFUSED = "refused"
NEW = ".new-"
"""Before the name of a folder in which a model is being checked."""
log = logging.getLogger(__name__)


class StoppedError(Exception):
    """The checks were ended because the process stops; nothing was kept of them."""


class Admission:
    """Admits models to a site.

    Parameters
    ----------
    config : Config
    database : Database
    """

    def __init__(self, config: Config, database: Database) -> None:
        self.config = config
        self.database = database

    def admit(
        self,
        source: Path,
        door: Source,
        author: str,
        title: str = "",
        stopped: Callable[[], bool] = lambda: False,
    ) -> ModelAttempt:
        """Check what arrived and keep it, or keep why it is refused.

        Parameters
        ----------
        source : Path
            Folder or zip with ``card.yaml``, the file that it names, and its golden case. It is
            left as it is.
        door : Source
        author : str
        title : str
            As people know it; default the name of ``source``.
        stopped : callable
            Asked now and then; the checks end where it says True.

        Raises
        ------
        StoppedError
        OSError
            Where the data folder cannot be written.
        """
        root = self.config.admitted_folder
        root.mkdir(parents=True, exist_ok=True)
        with _new_folder(root) as folder:
            results = run_checks(
                self._job(source, folder),
                self.config.workers.memory_mb,
                self.config.models.check_seconds,
                stopped,
            )
            if stopped():
                raise StoppedError
            with self.database.begin() as session:
                take_turn(session)
                return self._keep(session, folder, results, door, author, title or source.name)

    def _job(self, source: Path, folder: Path) -> Job:
        models = self.config.models
        with self.database.read() as session:
            known = set(session.scalars(select(ModelRow.name)))
        return Job(
            source=str(source.absolute()),
            folder=str(folder),
            max_mb=models.max_mb,
            known=tuple(sorted(known | self._shipped())),
            signers=tuple(str(path) for path in models.signers),
            require_signature=models.require_signature,
            threads=models.threads,
            device=models.device,
        )

    def _shipped(self) -> set[str]:
        library = library_of(self.config)
        names = set()
        for model_id in library.ids():
            # One that is damaged is told where models are verified.
            with contextlib.suppress(ModelError):
                names.add(library.card(model_id).name)
        return names

    def _keep(
        self,
        session: Session,
        folder: Path,
        results: list[Result],
        door: Source,
        author: str,
        title: str,
    ) -> ModelAttempt:
        found = {result.check: result for result in results}
        stated: dict[str, Any] | None = found[Check.CARD].figures.get("card")
        card = None if stated is None else Card.model_validate(stated)
        if card is not None and session.get(ModelRow, card.name) is not None:
            # Admitted elsewhere while this one was checked.
            again = Result(check=Check.NEW, fault=Fault.KNOWN_ALREADY, detail=card.name)
            results = [again if one.check is Check.NEW else one for one in results]
        admitted = card is not None and all(result.passed for result in results)
        attempt = ModelAttempt(
            source=door,
            title=plain(title)[:128],
            model="" if card is None else card.name[:160],
            admitted=admitted,
            results=[
                result.model_dump(mode="json", exclude={"figures": {"card"}}) for result in results
            ],
            author=author,
            at=utcnow(),
        )
        session.add(attempt)
        session.flush()
        if card is None or not admitted:
            data = {
                "attempt": attempt.number,
                "faults": [result.fault.value for result in results if result.fault],
            }
            told = subject(attempt.model or f"attempt {attempt.number}")
            record(session, author, EventKind.MODEL_REFUSED, told, data)
            return attempt
        row = ModelRow(
            name=card.name,
            attempt=attempt.number,
            card=card.model_dump(mode="json"),
            card_sha256=hashlib.sha256((folder / CARD).read_bytes()).hexdigest(),
            sha256=card.sha256,
            size=found[Check.DIGEST].figures["bytes"],
            signer=found[Check.SIGNATURE].figures["signer"],
            seconds=found[Check.RESOURCES].figures["seconds"],
            peak_mb=found[Check.RESOURCES].figures["peak_mb"],
        )
        session.add(row)
        session.flush()
        session.add(
            ModelStep(
                model=row.name, stage=Stage.CANDIDATE, wants_approval=False, author=author,
                reason="", at=attempt.at,
            )
        )  # fmt: skip
        data = {"attempt": attempt.number, "sha256": row.sha256, "card": row.card_sha256}
        record(session, author, EventKind.MODEL_ADMITTED, subject(row.name), data)
        _move(folder, self.config.admitted_folder / row.name)
        return attempt


def attempts(session: Session, limit: int) -> list[ModelAttempt]:
    """The latest tries to admit a model, the newest first."""
    query = select(ModelAttempt).order_by(ModelAttempt.number.desc()).limit(limit)
    return list(session.scalars(query))


def tidy(config: Config) -> None:
    """Remove what processes left that were killed while they checked a model.

    Only while none does: when the service starts.
    """
    for path in config.admitted_folder.glob(f"{NEW}*"):
        shutil.rmtree(path, ignore_errors=True)


@contextlib.contextmanager
def _new_folder(root: Path) -> Iterator[Path]:
    folder = Path(tempfile.mkdtemp(prefix=NEW, dir=root))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _move(folder: Path, target: Path) -> None:
    """Put a model where it is found; what is there without a row was never admitted."""
    for path in folder.iterdir():
        with path.open("rb") as written:
            os.fsync(written.fileno())
    if target.exists():
        log.warning("%s was left by an admission that was not kept; it is replaced", target.name)
        shutil.rmtree(target)
    folder.rename(target)
    # So that the one who made it finds a folder to remove, and others may read the models.
    folder.mkdir()
    target.chmod(0o755)
