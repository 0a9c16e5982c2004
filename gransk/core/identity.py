"""Whose an object is: what our objects repeat from their source, and how ours are known."""

from __future__ import annotations

from pydicom import Dataset

MANUFACTURER = "Gransk"
"""What our own objects carry as Manufacturer (0008,0070)."""

EMPTY_IF_ABSENT = (
    "PatientName", "PatientID", "PatientBirthDate", "PatientSex", "StudyDate", "StudyTime",
    "ReferringPhysicianName", "StudyID", "AccessionNumber",
)  # fmt: skip
"""Type 2 attributes of the Patient and General Study modules."""

COPIED = (
    *EMPTY_IF_ABSENT,
    # Patient (PS3.3 C.7.1.1)
    "IssuerOfPatientID", "IssuerOfPatientIDQualifiersSequence", "TypeOfPatientID",
    "OtherPatientIDs", "OtherPatientIDsSequence", "OtherPatientNames", "PatientBirthTime",
    "PatientBirthDateInAlternativeCalendar", "PatientAlternativeCalendar", "EthnicGroup",
    "PatientComments", "QualityControlSubject", "PatientSpeciesDescription",
    "PatientSpeciesCodeSequence", "PatientBreedDescription", "PatientBreedCodeSequence",
    "BreedRegistrationSequence", "ResponsiblePerson", "ResponsiblePersonRole",
    "ResponsibleOrganization", "PatientIdentityRemoved", "DeidentificationMethod",
    "DeidentificationMethodCodeSequence", "SourcePatientGroupIdentificationSequence",
    "GroupOfPatientsIdentificationSequence",
    # General Study (C.7.2.1)
    "StudyInstanceUID", "StudyDescription", "IssuerOfAccessionNumberSequence",
    "ReferringPhysicianIdentificationSequence", "ConsultingPhysicianName",
    "PhysiciansOfRecord", "NameOfPhysiciansReadingStudy", "RequestingService",
    "ReferencedStudySequence", "ProcedureCodeSequence", "ReasonForPerformedProcedureCodeSequence",
    # Patient Study (C.7.2.2)
    "AdmittingDiagnosesDescription", "AdmittingDiagnosesCodeSequence", "PatientAge",
    "PatientSize", "PatientWeight", "PatientBodyMassIndex", "MedicalAlerts", "Allergies",
    "SmokingStatus", "PregnancyStatus", "LastMenstrualDate", "Occupation",
    "AdditionalPatientHistory", "PatientSexNeutered", "AdmissionID",
    "IssuerOfAdmissionIDSequence", "ServiceEpisodeID",
    "IssuerOfServiceEpisodeIDSequence", "ServiceEpisodeDescription", "PatientState",
    # Clinical Trial Subject and Study (C.7.1.3, C.7.2.3)
    "ClinicalTrialSponsorName", "ClinicalTrialProtocolID", "ClinicalTrialProtocolName",
    "ClinicalTrialSiteID", "ClinicalTrialSiteName", "ClinicalTrialSubjectID",
    "ClinicalTrialSubjectReadingID", "ClinicalTrialTimePointID",
    "ClinicalTrialTimePointDescription",
    # SOP Common (C.12.1)
    "SpecificCharacterSet", "TimezoneOffsetFromUTC",
)  # fmt: skip
"""What our objects repeat from their source, public attributes of patient and study alone."""


def patient(header: Dataset) -> tuple[str, ...]:
    """Who an image is of, for comparison alone: identifier, issuer, birth date, sex, name.

    Case, empty components and padding of the name do not count.
    """
    name = str(header.get("PatientName", "")).split("=")[0]
    return (
        *(
            str(header.get(keyword, "") or "").strip()
            for keyword in ("PatientID", "IssuerOfPatientID", "PatientBirthDate", "PatientSex")
        ),
        " ".join(name.replace("^", " ").casefold().split()),
    )
