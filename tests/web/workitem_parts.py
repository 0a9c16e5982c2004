"""Workitems that clients send, and what they say of them."""

from __future__ import annotations

from typing import Any

from pydicom import Dataset
from pydicom.sequence import Sequence

JSON = {"content-type": "application/dicom+json", "accept": "application/dicom+json"}
STATE, TRANSACTION = "00741000", "00081195"


def coded(value: str, scheme: str = "DCM", meaning: str = "x") -> Dataset:
    item = Dataset()
    item.CodeValue, item.CodingSchemeDesignator, item.CodeMeaning = value, scheme, meaning
    return item


def workitem(**values: Any) -> dict[str, Any]:
    """A workitem as PS3.4 Table CC.2.5-3 wants it at N-CREATE, made by pydicom."""
    made = Dataset()
    made.TransactionUID = None
    made.ScheduledProcedureStepPriority = "MEDIUM"
    made.ProcedureStepLabel = "Second look"
    made.WorklistLabel = "Ours"
    made.ScheduledProcedureStepStartDateTime = "20260302081500"
    made.InputReadinessState = "READY"
    made.ProcedureStepState = "SCHEDULED"
    made.PatientName, made.PatientID = "Testesen^Patient1", "000001-0000"
    for empty in (
        "IssuerOfPatientID", "PatientBirthDate", "PatientSex", "AdmissionID",
        "AdmittingDiagnosesDescription", "CommentsOnTheScheduledProcedureStep",
    ):  # fmt: skip
        setattr(made, empty, None)
    for sequence in (
        "ScheduledProcessingParametersSequence", "ScheduledStationNameCodeSequence",
        "ScheduledStationClassCodeSequence", "ScheduledStationGeographicLocationCodeSequence",
        "ScheduledWorkitemCodeSequence", "InputInformationSequence",
        "IssuerOfPatientIDQualifiersSequence", "OtherPatientIDsSequence",
        "IssuerOfAdmissionIDSequence", "AdmittingDiagnosesCodeSequence",
        "ReferencedRequestSequence", "ProcedureStepProgressInformationSequence",
        "UnifiedProcedureStepPerformedProcedureSequence",
    ):  # fmt: skip
        setattr(made, sequence, Sequence())
    for name, value in values.items():
        setattr(made, name, value)
    return dict(made.to_json_dict())


def about(uid: str) -> Sequence:
    """An Input Information Sequence of one study."""
    item = Dataset()
    item.TypeOfInstances, item.StudyInstanceUID = "DICOM", uid
    return Sequence([item])


def moved(state: str, transaction: str) -> dict[str, Any]:
    """A change of state."""
    made = Dataset()
    made.ProcedureStepState, made.TransactionUID = state, transaction
    return dict(made.to_json_dict())


def performed(transaction: str) -> dict[str, Any]:
    """What must be said before a workitem is completed."""
    done = Dataset()
    done.PerformedStationNameCodeSequence = Sequence([coded("WS1", "99X", "Workstation 1")])
    done.PerformedProcedureStepStartDateTime = "20260302083000"
    done.PerformedProcedureStepEndDateTime = "20260302084000"
    done.PerformedWorkitemCodeSequence = Sequence([coded("110005", "DCM", "Interpretation")])
    done.OutputInformationSequence = Sequence()
    made = Dataset()
    made.TransactionUID = transaction
    made.UnifiedProcedureStepPerformedProcedureSequence = Sequence([done])
    return dict(made.to_json_dict())


def discontinued(transaction: str) -> dict[str, Any]:
    """What must be said before a workitem is cancelled."""
    progress = Dataset()
    progress.ProcedureStepDiscontinuationReasonCodeSequence = Sequence(
        [coded("110513", "DCM", "Discontinued for unspecified reason")]
    )
    made = Dataset()
    made.TransactionUID = transaction
    made.ProcedureStepProgressInformationSequence = Sequence([progress])
    return dict(made.to_json_dict())


def said(attributes: dict[str, Any], tag: str) -> Any:
    """The first value of an attribute."""
    values = attributes.get(tag, {}).get("Value") or [None]
    return values[0]
