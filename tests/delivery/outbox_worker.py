"""A worker that delivers alone; run by test_outbox_workers.py as a real process."""

import logging
import os
import sys
import time
from pathlib import Path

from gransk.delivery import deliver, trying
from gransk.delivery.carriers import make_carriers, paces
from gransk.results.blobs import BlobStore
from gransk.site.config import load_config
from gransk.site.database import Database
from gransk.site.workflows import configure

folder, slot = Path(sys.argv[1]), int(sys.argv[2])

if __name__ == "__main__":
    logging.basicConfig(level=logging.WARNING)
    config = load_config(folder / "gransk.yaml")
    database = Database(config.database.url)
    trying.FIRST_WAIT_SECONDS = 0.1
    trying.LIFE = 20
    worker = configure(config, database, slot=slot)
    carriers = make_carriers(config.destinations, lambda _: None)
    deliver.register(database, BlobStore(config.blob_folder), carriers, paces(config.destinations))
    worker.launch()
    starter = deliver.starter(database)
    (folder / f"up-{slot}").write_text(str(os.getpid()))
    while not (folder / "stop").exists():
        starter.run_once()
        time.sleep(0.05)
    worker.stop()
