"""What a draft of the settings would have changed of the last days' studies."""

from __future__ import annotations

import datetime
import json
import shutil

import pytest
from pydicom import Dataset, Sequence
from sqlalchemy import literal
from web_objects import findings_of_study

from gransk.core import codes
from gransk.core.application import applications, model_folder
from gransk.core.findings import Measurement, ModelIdentity
from gransk.core.followup import Advice, Assessment, FollowUp
from gransk.core.models import ModelLibrary
from gransk.oversight.preview import first_instant, preview
from gransk.oversight.preview_study import Kind, Untold, Viewer
from gransk.results.tables import Blob, ExamProgramme, ProgrammeSource, WorkState
from gransk.site.config import Config
from gransk.site.database import utcnow
from gransk.site.differences import with_value
from gransk.site.settings_acts import propose
from gransk.site.settings_drafts import settings_now
from gransk.site.settings_tables import Origin
from gransk.site.tables import Role

DESTINATIONS = [{"name": "orthanc", "kind": "orthanc", "when": [{"outcomes": ["findings"]}]}]
LIBRARY = ModelLibrary(model_folder())


def nodules(left_out: float = 0.3):
    """Two nodules, of 0.8 and 0.7, and a candidate that was left out, by the models of today."""
    application = applications()["nodule"]
    models = tuple(
        ModelIdentity(id=name, version="1.0.0", sha256=LIBRARY.digest(name))
        for name in application.models(application.settings_schema())
    )
    found = findings_of_study("1.2.3")
    size = Measurement(name="mean_diameter_mm", concept=codes.LONG_AXIS, unit=codes.MM, value=6.0)
    shown = tuple(one.model_copy(update={"measurements": (size,)}) for one in found.findings)
    candidates = [{"probability": one.probability, "reported": True} for one in shown]
    candidates.append({"probability": left_out, "reported": False})
    return found.model_copy(
        update={
            "application": "nodule", "models": models, "findings": shown,
            "candidates": tuple(candidates),
        }
    )  # fmt: skip


@pytest.fixture
def site(make_site):
    made = make_site(destinations=DESTINATIONS, applications={"nodule": {"operating_point": 0.5}})
    made.app.state.wiring.applications = applications()
    return made


def tried(site, hides=None, header=None, **content):
    known = site.app.state.wiring
    host = known.host
    with site.database.read() as session:
        now = settings_now(session, host)
    viewer = Viewer(
        now.config, host.config_of(now.content | content), known.applications, LIBRARY,
        known.blobs, lambda number: None, lambda uid: header,
    )  # fmt: skip
    nothing = lambda session: hides or (lambda key: literal(False))  # noqa: E731
    return preview(site.database, viewer, nothing, utcnow())


def limit(value):
    return {"applications": {"nodule": {"operating_point": value}}}


def test_findings_and_destinations_under_another_limit(site):
    keys = [site.study(number) for number in (1, 2)]
    for key in keys:
        site.sealed(key, nodules(), application="nodule")
    same = tried(site)
    assert (same.studies, same.looked, same.changed, same.untold) == (2, 2, [], {})
    fewer = tried(site, **limit(0.75))
    assert fewer.kinds == {Kind.FINDINGS: 2}
    change = fewer.changed[0].changes[0]
    assert (change.before["en"], change.after["da"]) == ("2", "1")
    none = tried(site, **limit(0.95))
    assert none.kinds == {Kind.FINDINGS: 2, Kind.DESTINATIONS: 2}
    words = next(one for one in none.changed[0].changes if one.kind is Kind.DESTINATIONS)
    assert (words.before["en"][:7], words.after["en"]) == ("orthanc", "–")


def test_what_only_the_images_tell_is_counted_by_why(site):
    site.sealed(site.study(1), nodules(), application="nodule")
    site.item(site.study(2), WorkState.NOT_ANALYSED, application="nodule",
              reason="slices_too_thick")  # fmt: skip
    lower = tried(site, **limit(0.2))
    assert lower.untold == {Untold.UNMEASURED: 1}
    assert lower.changed == []
    assert tried(site, **limit(0.4)).untold == {}
    series = {"applications": {"nodule": {"operating_point": 0.5, "series": {"thin_mm": 1.0}}}}
    assert tried(site, **series).untold[Untold.SERIES] >= 1
    old = nodules().model_copy(update={"models": ()})
    site.sealed(site.study(3), old, application="nodule")
    assert tried(site, **limit(0.75)).untold == {Untold.MODELS: 1}
    gone = {"search": None, "detector": "gone@1.0.0"}
    other = {"applications": {"nodule": {"operating_point": 0.5, "models": gone}}}
    assert tried(site, **other).untold[Untold.MODELS] == 2
    scanner = {"overrides": [{
        "name": "a", "application": "nodule", "where": {"manufacturer": "A*"},
        "settings": {"operating_point": 0.9},
    }]}  # fmt: skip
    assert tried(site, **scanner).untold == {Untold.HEADERS: 2}


SHARP = {
    "name": "sharp", "application": "nodule", "where": {"programme": "screening"},
    "settings": {"operating_point": 0.75},
}  # fmt: skip


def ordered(*values):
    """The header of an image with codes of its order."""
    header = Dataset()
    header.SOPClassUID = header.SeriesInstanceUID = header.SOPInstanceUID = "1.2.3"
    header.StudyInstanceUID = "1.2"
    header.ProcedureCodeSequence = Sequence([])
    for value in values:
        item = Dataset()
        item.CodingSchemeDesignator, item.CodeValue, item.CodeMeaning = "99SITE", value, "-"
        header.ProcedureCodeSequence.append(item)
    return header


def table(**said):
    codes = [{"programme": one, "scheme": "99SITE", "value": value} for value, one in said.items()]
    return {"programme": {"codes": codes}}


def counts(site, key, programme, source):
    with site.database.begin() as session:
        row = ExamProgramme(study_key=key, programme=programme, source=source, conflict="")
        session.add(row)


@pytest.fixture
def programmes(make_site):
    """A clinical exam by its order, one by a person's word, and one that nobody spoke of."""
    settings = {"nodule": {"operating_point": 0.5}}
    made = make_site(applications=settings, overrides=[SHARP], **table(A="clinical"))
    made.app.state.wiring.applications = applications()
    keys = [made.study(number) for number in (1, 2, 3)]
    for key in keys:
        made.sealed(key, nodules(), application="nodule")
    counts(made, keys[0], "clinical", ProgrammeSource.ORDER)
    counts(made, keys[1], "clinical", ProgrammeSource.PERSON)
    return made, keys


def test_another_table_reads_the_order_anew_where_nobody_said_the_programme(programmes):
    site, keys = programmes
    found = tried(site, header=ordered("A"), **table(A="screening"))
    assert found.untold == {}
    assert found.kinds == {Kind.PROGRAMME: 2, Kind.FINDINGS: 2}
    assert {one.study_key for one in found.changed} == {keys[0], keys[2]}
    change = next(one for one in found.changed[0].changes if one.kind is Kind.PROGRAMME)
    assert (change.before["da"], change.after["en"]) == ("klinisk", "screening")
    assert tried(site, header=ordered("C"), **table(A="clinical", B="screening")).changed == []


def test_a_unit_that_has_every_exam_has_its_overrides(make_site):
    """A site of one unit that matches no images."""
    units = [{"name": "north", "title": "North"}]
    site = make_site(reading={"units": units}, applications={"nodule": {"operating_point": 0.5}})
    site.app.state.wiring.applications = applications()
    site.sealed(site.study(1), nodules(), application="nodule")
    for unit, changed in (("north", 1), ("south", 0)):
        override = SHARP | {"where": {"unit": unit}}
        both = [*units, {"name": "south", "title": "South", "match": [{"aet": "S"}]}]
        reading = {"units": units if unit == "north" else both}
        found = tried(site, overrides=[override], reading=reading)
        assert found.kinds.get(Kind.FINDINGS, 0) == changed


def test_an_order_that_one_image_does_not_tell_is_counted(programmes):
    site, _ = programmes
    other = table(A="screening")
    assert tried(site, header=ordered(), **other).untold == {Untold.PROGRAMME: 1}
    assert tried(site, header=None, **other).untold == {Untold.HEADERS: 2}


def test_a_table_that_lets_an_override_choose_otherwise_is_counted(make_site):
    """Of what was refused only the images tell whether it would be read."""
    series = SHARP | {"settings": {"series": {"thin_mm": 1.0}}}
    site = make_site(overrides=[series], **table(A="clinical"))
    site.app.state.wiring.applications = applications()
    site.item(site.study(1), WorkState.NOT_ANALYSED, application="nodule",
              reason="slices_too_thick")  # fmt: skip
    assert tried(site, **table(A="screening")).untold == {Untold.SERIES: 1}


def test_what_stands_beside_the_findings_is_never_called_the_same(site):
    """Comparisons and the follow-up list are not calculated; a draft of them says so."""
    advice = Advice(
        guideline="fleischner-2017", version="1", source_state="primary", status="advice", row="r",
        text={"en": "CT", "da": "CT"}, reason={"en": "volume", "da": "volumen"},
    )  # fmt: skip
    followed = FollowUp(assessment=Assessment(advice=(advice,)))
    site.sealed(site.study(1), nodules(), application="nodule", follow_up=followed)
    site.sealed(site.study(2), nodules(), application="nodule")
    assert tried(site, header=ordered()).untold == {}
    assert tried(site, header=ordered(), priors={"most": 0}).untold == {Untold.COMPARISON: 2}
    late = {"follow_up": {"grace_days": 60}}
    assert tried(site, header=ordered(), **late).untold == {Untold.FOLLOW_UP: 1}
    sent = {"settings": json.dumps(late)}
    page = site.person(Role.ADMINISTRATOR).post("/settings/preview", data=sent).text
    assert "The follow-up list would take them up or alarm at another time: 1" in page


def test_what_somebody_may_not_see_is_neither_listed_nor_counted(site):
    keys = [site.study(number) for number in (1, 2, 3)]
    for key in keys:
        site.sealed(key, nodules(), application="nodule")
    found = tried(site, hides=lambda column: column == keys[1], **limit(0.75))
    assert (found.studies, found.looked, len(found.changed)) == (2, 2, 2)
    assert keys[1] not in {one.study_key for one in found.changed}


def test_the_days_are_the_sites(tmp_path):
    zone = Config(time_zone="Europe/Copenhagen", data_folder=tmp_path).zone
    until = datetime.datetime(2026, 3, 31, 22, 30, tzinfo=datetime.UTC)
    assert first_instant(until, zone) == datetime.datetime(2026, 3, 1, 23, tzinfo=datetime.UTC)


def test_a_person_tries_a_change_and_an_auditor_is_not_told_whose(site):
    site.sealed(site.study(1), nodules(), application="nodule")
    administrator = site.person(Role.ADMINISTRATOR)
    sent = {"settings": json.dumps(limit(0.75))}
    page = administrator.post("/settings/preview", data=sent).text
    assert "Looked at 1 of 1 studies" in page
    assert "Testesen, Patient1" in page
    asked = {"settings": limit(0.75)}
    answer = administrator.post("/api/settings/preview", json=asked).json()
    assert (answer["changed"], answer["whole"], answer["kinds"]) == (1, True, {"findings": 1})
    assert answer["list"][0]["changes"][0] == {"kind": "findings", "before": "2", "after": "1"}
    assert site.person(Role.AUDITOR).post("/settings/preview", data=sent).status_code == 403
    wrong = administrator.post("/settings/preview", data={"settings": '{"language": "fr"}'})
    assert (wrong.status_code, "One of da, en" in wrong.text) == (422, True)


def test_a_draft_is_tried_as_if_it_came_into_force_now(site):
    """What others changed since is not what this draft does."""
    site.sealed(site.study(1), nodules(), application="nodule")
    administrator = site.person(Role.ADMINISTRATOR)
    known = site.app.state.wiring
    base = administrator.get("/api/settings").json()
    with site.database.begin() as session:
        name = with_value(base["settings"], "destinations[orthanc].when", [])
        propose(session, known.host, name, "anna", "to everybody", Origin.PAGE)
    settings = base["settings"] | limit(0.75)
    asked = {"settings": settings, "base": base["version"]}
    answer = administrator.post("/api/settings/preview", json=asked).json()
    assert answer["kinds"] == {"findings": 1}
    sent = {"settings": json.dumps(settings), "base": str(base["version"])}
    assert "Destinations" not in administrator.post("/settings/preview", data=sent).text
    other = base["settings"] | {"destinations": []}
    refused = administrator.post("/api/settings/preview", json={"settings": other, "base": 1})
    assert (refused.status_code, refused.json()["code"]) == (409, "conflict")


def test_studies_analysed_by_admitted_models_are_told(site):
    """Mammography is previewed by the model's card, which lies among the admitted ones."""
    config = site.config
    source = model_folder() / "nodule-detector"
    copied = config.admitted_folder / "nodule-detector@0.3.0"
    shutil.copytree(source, copied)
    known = site.app.state.wiring
    names = []

    class Asked(type(applications()["nodule"])):
        def preview(self, findings, before, after, models):
            names.append(models.card("nodule-detector@0.3.0").id)
            return super().preview(findings, before, after, models)

    known.applications = {"nodule": Asked()}
    site.sealed(site.study(1), nodules(), application="nodule")
    asked = {"settings": limit(0.75)}
    answer = site.person(Role.ADMINISTRATOR).post("/api/settings/preview", json=asked).json()
    assert names
    assert (answer["kinds"], answer["untold"]) == ({"findings": 1}, {})


def test_numbers_that_no_column_holds(site):
    administrator = site.person(Role.ADMINISTRATOR)
    large = 10**25
    for answer in (
        administrator.get(f"/settings/versions/{large}"),
        administrator.get(f"/settings/drafts/{large}"),
        administrator.get(f"/settings/versions?before={large}"),
        administrator.get(f"/api/settings/versions/{large}"),
        administrator.post(f"/api/settings/drafts/{large}/turn-down", json={"reason": "no"}),
        administrator.post("/api/settings/preview", json={"settings": {}, "after": large}),
        administrator.post("/api/settings/preview", json={"settings": {}, "base": large}),
        administrator.post("/rules", data={"study": "a", "draft": str(large)}),
        administrator.post("/settings/preview", data={"settings": '{"a":' * 9000}),
    ):
        assert answer.status_code == 422
    long_ago = {"settings": limit(0.75), "until": "0001-01-02T00:00:00Z"}
    assert administrator.post("/api/settings/preview", json=long_ago).status_code == 200


def test_what_retention_would_remove_is_told_before_it_is_in_force(site):
    """An object that nothing names goes as soon as anything is set."""
    old = utcnow() - datetime.timedelta(days=10)
    with site.database.begin() as session:
        session.add(Blob(sha256="ab" * 32, size=1_500_000, created_at=old))
    administrator = site.person(Role.ADMINISTRATOR)
    wanted = {"retention": {"messages_days": 30}}
    sent = {"settings": json.dumps(wanted)}
    page = administrator.post("/settings/preview", data=sent).text
    assert "0 objects (0.0 MB) under the settings in force, 1 (1.5 MB) under these" in page
    answer = administrator.post("/api/settings/preview", json={"settings": wanted}).json()
    assert answer["retention"] == [
        {"objects": {}, "bytes": 0}, {"objects": {"unnamed": 1}, "bytes": 1_500_000},
    ]  # fmt: skip
    asked = {"settings": limit(0.75)}
    assert administrator.post("/api/settings/preview", json=asked).json()["retention"] is None
    with site.database.read() as session:
        assert session.get_one(Blob, "ab" * 32).removed_at is None
