"""Storing throughput of Orthanc with and without the plugin, in one run.

    python -m bench.storing FOLDER [--repeat 5]

Prints seconds for each round (rounds alternate, so that the machine's mood hits
both), the medians and their ratio.
"""

from __future__ import annotations

import argparse
import json
import os
import socket
import statistics
import subprocess
import tempfile
import time
from pathlib import Path

from gransk.archive.orthanc import ArchiveError, Orthanc
from gransk.archive.orthanc_config import LOOPBACK_AET, render
from gransk.site.config import Config

KINDS = ("without", "with")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path, help="DICOM files of one transfer syntax")
    parser.add_argument("--repeat", type=int, default=5)
    parser.add_argument(
        "--propose", default="-xt", help="storescu's transfer syntax (-xt: JPEG-LS)"
    )
    arguments = parser.parse_args()
    files = sum(1 for path in arguments.folder.rglob("*") if path.is_file())
    seconds: dict[str, list[float]] = {kind: [] for kind in KINDS}
    for number in range(arguments.repeat):
        for kind in KINDS if number % 2 else reversed(KINDS):
            seconds[kind].append(_round(kind == "with", arguments.folder, arguments.propose))
            print(f"{kind:8} {files / seconds[kind][-1]:7.1f} instances/s", flush=True)
    median = {kind: statistics.median(times) for kind, times in seconds.items()}
    for kind in KINDS:
        print(f"{kind} the plugin: median {files / median[kind]:.1f} instances/s of {files}")
    added = (median["with"] - median["without"]) / files * 1000
    ratio = median["without"] / median["with"]
    print(f"throughput with / without: {ratio:.3f} ({added:+.2f} ms an instance)")


def _round(plugin: bool, folder: Path, propose: str) -> float:
    """Seconds to store a folder in an empty Orthanc, nudges answered by nobody."""
    with tempfile.TemporaryDirectory() as place:
        config = _config(Path(place))
        path = render(config, Path(place) / "orthanc")
        if not plugin:
            values = json.loads(path.read_text())
            values["Plugins"] = [p for p in values["Plugins"] if "Python" not in p]
            del values["PythonScript"]
            path.write_text(json.dumps(values))
        environment = {**os.environ, "TCP_NODELAY": "1"}
        process = subprocess.Popen(
            ["Orthanc", str(path)],
            env=environment,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            _wait(config)
            orthanc = config.orthanc
            command = ["storescu", "-aet", LOOPBACK_AET, "-aec", orthanc.aet, "+sd", "+r", propose]
            door = [orthanc.dicom_host, str(orthanc.dicom_port), str(folder)]
            began = time.perf_counter()
            subprocess.run(command + door, env=environment, check=True)
            return time.perf_counter() - began
        finally:
            process.terminate()
            process.wait(30)


def _config(folder: Path) -> Config:
    values = {
        "data_folder": str(folder / "data"),
        "orthanc": {"url": f"http://127.0.0.1:{_port()}", "dicom_port": _port()},
        "service": {"port": _port()},
    }
    return Config.model_validate(values, context={"folder": folder})


def _port() -> int:
    with socket.socket() as door:
        door.bind(("127.0.0.1", 0))
        return int(door.getsockname()[1])


def _wait(config: Config) -> None:
    client = Orthanc(config.orthanc)
    for _ in range(600):
        try:
            client.system()
        except ArchiveError:
            time.sleep(0.05)
        else:
            return
    raise TimeoutError("Orthanc did not start")


if __name__ == "__main__":
    main()
