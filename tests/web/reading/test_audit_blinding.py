"""Who may still be given an exam learns nothing of it by history, audit or export."""

from sqlalchemy import select

from gransk.site.tables import Event, Role

SAID = "reading_planned"


def test_a_hidden_exam_has_no_history_and_nothing_is_taken_out(desks):
    desks.person("rita", Role.RESPONSIBLE_RADIOLOGIST)
    desks.listed("rita")
    key, other = desks.exam(), desks.site.study(77)
    rita, admin = desks.at("rita"), desks.at("admin")
    for address in (f"/studies/{key}/history", f"/studies/{key}/history?about=seen"):
        assert rita.get(address).status_code == 403
        assert admin.get(address).status_code == 200
    assert rita.get(f"/studies/{other}/history").status_code == 200
    hidden = rita.get("/audit?verify=1").text
    assert "results are hidden from you" in hidden
    assert "chain" not in hidden
    patient = {"patient_id": "nobody"}
    for asked in ({"study": key}, {"study": other}, patient):
        assert rita.post("/audit/export", data=asked).status_code == 403
    with desks.site.database.read() as session:
        assert not session.scalars(select(Event).where(Event.kind == "audit_exported")).all()
    assert SAID in admin.post("/audit/export", data={"study": key}).text
