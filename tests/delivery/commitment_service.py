"""The service's part that asks for storage commitment alone; run by test_commitment_peer.py."""

import sys
import threading

from gransk.delivery import commitment_asking
from gransk.site.config_commitment import CommitmentSection
from gransk.site.config_destinations import DicomDestination
from gransk.site.database import Database

if __name__ == "__main__":
    database = Database(sys.argv[1])
    one = DicomDestination(
        name="pacs", kind="dicom", aet="PACS", host="127.0.0.1", port=int(sys.argv[2]),
        commitment=True, timeout_seconds=5,
    )  # fmt: skip
    commitment_asking.LOOK_SECONDS = 0.2
    section = CommitmentSection(wait_seconds=1, answer_seconds=3)
    answers = commitment_asking.Answers(database)
    commitment_asking.Asker(database, one, section, answers).run(threading.Event())
