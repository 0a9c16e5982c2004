"""Tells alarms of a configuration once, as `gransk serve` does; killed in the middle by a test."""

import sys
from pathlib import Path

from gransk.oversight.telling import AlarmTeller
from gransk.site.config import load_config
from gransk.site.database import Database

if __name__ == "__main__":
    config = load_config(Path(sys.argv[1]))
    AlarmTeller(Database(config.database.url), config).run_once()
