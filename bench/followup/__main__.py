"""Followed-up nodules against the truth.

    python -m bench.followup run --part measuring --pairs 280 --log LOG --data ../shared/data \
        --scans ../shared/data/ct --scans HOSTS [--mode known]
    python -m bench.followup table LOG [LOG ..] [--recalculate]
    python -m bench.followup errors LOG [LOG ..]

``run`` makes pairs of the scans that ``scans.csv`` lists in a part and writes one line a pair;
started again it goes on. ``table`` prints matching, growth and doubling times, with intervals
as they were told, or as today's error model gives them for the same sizes. ``errors``
prints how measured ratios of volumes differ from the true ones beside what the error model says.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from bench.followup.errors import errors_report
from bench.followup.hosts import PARTS
from bench.followup.rows import recalculated
from bench.followup.run import MODES, Bench, read_log, run
from bench.followup.table import report
from bench.nodule.analysis import MODELS


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.followup", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    runner = commands.add_parser("run", help="make and compare pairs")
    runner.add_argument("--part", choices=PARTS, required=True)
    runner.add_argument("--mode", choices=MODES, default="known")
    runner.add_argument("--pairs", type=int, default=280)
    runner.add_argument("--log", type=Path, required=True)
    runner.add_argument("--data", type=Path, required=True, help="holds lidc_nodules/")
    runner.add_argument("--scans", type=Path, action="append", required=True,
                        help="folder that holds scans, each in a folder of its name")  # fmt: skip
    runner.add_argument("--models", type=Path, default=MODELS)
    runner.add_argument("--threads", type=int, default=1)
    for name in ("table", "errors"):
        commands.add_parser(name).add_argument("logs", type=Path, nargs="+")
    commands.choices["table"].add_argument("--recalculate", action="store_true")
    arguments = parser.parse_args()
    if arguments.command == "run":
        bench = Bench(arguments.part, arguments.scans, arguments.data, arguments.models,
                      arguments.threads, arguments.mode)  # fmt: skip
        for line in run(bench, arguments.pairs, arguments.log):
            print(line["number"], line["host"], line["kind"], line["days"], line["refused"] or "",
                  len(line["lesions"]), line["seconds"], flush=True)  # fmt: skip
        return
    lines = [line for log in arguments.logs for line in read_log(log)]
    if arguments.command == "errors":
        print(errors_report(lines))
        return
    print(report(recalculated(lines) if arguments.recalculate else lines))


if __name__ == "__main__":
    main()
