"""Sends to a repository until killed: ``audit_worker.py DATABASE_URL SECTION.yaml``."""

import sys
import threading
from pathlib import Path

import yaml

from gransk.oversight.audit.sending import Sender
from gransk.site.config_audit import AuditSection
from gransk.site.database import Database

section = AuditSection.model_validate(yaml.safe_load(Path(sys.argv[2]).read_text()))
Sender(Database(sys.argv[1]), lambda: section, "https://gransk.example").run(threading.Event())
