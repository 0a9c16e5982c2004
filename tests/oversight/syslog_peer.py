"""A syslog server that is not ours: rsyslog with TLS, which can be killed and started again."""

import re
import shutil
import socket
import subprocess
import time

import pytest
import trustme

RSYSLOG = shutil.which("rsyslogd") or "/usr/sbin/rsyslogd"
RECEIVED = re.compile(r"event (\d+): ")


class Authority:
    """Certificates for a repository and for its clients."""

    def __init__(self, folder):
        self.folder = folder
        self._ca = trustme.CA()
        self.authority = folder / "authority.pem"
        self._ca.cert_pem.write_to_path(self.authority)

    def issue(self, name):
        cert = self._ca.issue_cert(name)
        chain, key = self.folder / f"{name}.pem", self.folder / f"{name}.key"
        chain.write_bytes(b"".join(one.bytes() for one in cert.cert_chain_pems))
        cert.private_key_pem.write_to_path(key)
        return chain, key


class Repository:
    """rsyslog on a port of its own. It writes each message before it reads the next.

    ``driver``: ossl (answers the end of a connection) or gtls (does not).
    """

    def __init__(self, folder, driver="ossl", mode="x509/certvalid"):
        if not shutil.which(RSYSLOG):
            pytest.skip("rsyslog is not installed")
        self.folder = folder
        self.given = Authority(folder)
        self.chain, self.key = self.given.issue("localhost")
        with socket.socket() as door:
            door.bind(("127.0.0.1", 0))
            self.port = door.getsockname()[1]
        self.out = folder / "received"
        self._conf = folder / "rsyslog.conf"
        self._conf.write_text(
            f'global(workDirectory="{folder}" maxMessageSize="64k"'
            f' defaultNetstreamDriverCAFile="{self.given.authority}"'
            f' defaultNetstreamDriverCertFile="{self.chain}"'
            f' defaultNetstreamDriverKeyFile="{self.key}"'
            ' parser.escapeControlCharactersOnReceive="off")\n'
            'main_queue(queue.type="Direct")\n'
            f'module(load="imtcp" streamDriver.name="{driver}" streamDriver.mode="1"'
            f' streamDriver.authMode="{mode}")\n'
            'template(name="raw" type="string" string="%rawmsg%\\n")\n'
            f'ruleset(name="audit") {{ action(type="omfile" file="{self.out}" template="raw"'
            ' asyncWriting="off" flushOnTXEnd="on" fileCreateMode="0644") }\n'
            f'input(type="imtcp" address="127.0.0.1" port="{self.port}" ruleset="audit")\n'
        )
        self._process = None

    def start(self):
        self._process = subprocess.Popen(
            [RSYSLOG, "-n", "-f", self._conf, "-i", self.folder / "pid"],
            stdout=subprocess.DEVNULL, stderr=(self.folder / "log").open("a"),
        )  # fmt: skip
        deadline = time.monotonic() + 20
        while time.monotonic() < deadline:
            with socket.socket() as door:
                if door.connect_ex(("127.0.0.1", self.port)) == 0:
                    return self
            time.sleep(0.05)
        raise AssertionError((self.folder / "log").read_text())

    def stop(self, kill=False):
        if self._process is not None:
            self._process.kill() if kill else self._process.terminate()
            self._process.wait(20)
            self._process = None

    def settings(self, certificate=True, **values):
        """As the configuration names it."""
        tls = {"authority_file": self.given.authority}
        if certificate:
            chain, key = self.given.issue("gransk")
            tls |= {"certificate_file": chain, "key_file": key}
        return {"host": "localhost", "port": self.port, "tls": tls, "timeout_seconds": 10} | values

    def lines(self):
        return self.out.read_text(encoding="utf-8").splitlines() if self.out.exists() else []

    def numbers(self):
        """Numbers of the events that it was told of, as they arrived."""
        return [int(RECEIVED.search(line)[1]) for line in self.lines()]
