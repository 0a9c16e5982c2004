"""Where objects are sent: what a destination does, and how it says that it did not."""

from __future__ import annotations

from typing import Protocol

from gransk.core.errors import GranskError


class UnavailableError(GranskError):
    """The destination does not answer now; the same bytes may pass later.

    Parameters
    ----------
    message : str
    after : float
        Seconds after which it wants to be tried again, where it said so.
    """

    def __init__(self, message: str, after: float = 0.0) -> None:
        super().__init__(message)
        self.after = after


class DoubtedError(UnavailableError):
    """The destination does not take the object now: it is busy, or will never take this one.

    Which of the two, others show: where it takes them meanwhile, it is the object.
    """


class RefusedError(GranskError):
    """The destination answers that it will not take the object."""


class UnclearError(RefusedError):
    """The destination's answer does not say whether it took the object: it may be there."""


class Destination(Protocol):
    """Somewhere results are sent."""

    def send(self, sop_instance_uid: str, content: bytes) -> None:
        """Deliver one DICOM object; the same bytes there already are a success.

        Raises
        ------
        UnavailableError
            Where it does not answer now.
        RefusedError
            Where it will not take the object, and has not; `UnclearError` where it may have.
        """

    def remove(self, sop_instance_uid: str) -> None:
        """Take away one DICOM object of ours; one that is not there is a success.

        Raises
        ------
        UnavailableError
            Where it does not answer now.
        RefusedError
            Where it will not remove the object.
        """
