"""The connection to Orthanc's DICOMweb plugin that the proxy passes requests on by."""

from __future__ import annotations

import httpx
from fastapi import HTTPException

from gransk.site.config_machine import OrthancSection

CONNECTIONS = 64
LOST = (httpx.RemoteProtocolError, httpx.ReadError, httpx.WriteError)
"""A connection that Orthanc closed, idle for its time, just as it was used again."""


class Upstream:
    """Orthanc's DICOMweb plugin; opened with the service and closed with it.

    Parameters
    ----------
    section : OrthancSection
        ``config.orthanc``: address, credentials, and where the plugin answers.
    """

    def __init__(self, section: OrthancSection) -> None:
        self._section = section
        self.root = section.dicomweb_root
        self._client: httpx.AsyncClient | None = None

    def open(self) -> None:
        self._client = httpx.AsyncClient(
            base_url=self._section.url,
            auth=httpx.BasicAuth(self._section.username, self._section.password()),
            timeout=httpx.Timeout(self._section.timeout_seconds, connect=5),
            limits=httpx.Limits(max_connections=CONNECTIONS),
            follow_redirects=False,
            trust_env=False,
        )

    async def close(self) -> None:
        if self._client is not None:
            await self._client.aclose()
            self._client = None

    @property
    def client(self) -> httpx.AsyncClient:
        if self._client is None:
            raise HTTPException(503, "not started")
        return self._client

    async def send(self, request: httpx.Request) -> httpx.Response:
        """Send, and return the answer before its body; a GET whose connection is lost, once more.

        Raises
        ------
        HTTPException
            502 where Orthanc does not answer.
        """
        try:
            try:
                return await self.client.send(request, stream=True)
            except LOST:
                if request.method != "GET":
                    raise
                return await self.client.send(request, stream=True)
        except httpx.HTTPError as error:
            raise HTTPException(502, "orthanc") from error
