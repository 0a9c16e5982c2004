"""A worker that tells decisions alone; run by test_messages_kill.py as a real process."""

import os
import sys
import time
from pathlib import Path

from gransk.core.patients import ExamIdentity
from gransk.delivery import messages
from gransk.delivery.systems import make_systems
from gransk.results.blobs import BlobStore
from gransk.site.config import load_config
from gransk.site.database import Database
from gransk.site.workflows import configure

folder = Path(sys.argv[1])


def identify(session, key):
    return ExamIdentity(patient_id=f"P-{key[:4]}", study_instance_uid="1.2", accession_number=key)


if __name__ == "__main__":
    config = load_config(folder / "gransk.yaml")
    database = Database(config.database.url)
    systems = make_systems(config.messages)
    messages.FIRST_WAIT_SECONDS = messages.LONGEST_WAIT_SECONDS = 0.2
    worker = configure(config, database, slot=0)
    messages.Outbox(config, database, BlobStore(config.blob_folder), systems, identify).register()
    worker.launch()
    starter = messages.starter(database)
    (folder / "up").write_text(str(os.getpid()))
    while not (folder / "stop").exists():
        starter.run_once()
        time.sleep(0.05)
    worker.stop()
