"""The configuration is checked, and an error names the key."""

import re
from pathlib import Path

import pytest
import yaml
from pydantic import BaseModel, Field

from gransk.core.application import applications
from gransk.core.errors import ConfigurationError
from gransk.site.config import (
    Config,
    application_settings,
    check_applications,
    load_config,
    parse_config,
)

SHIPPED = Path(__file__).parents[2] / "orthanc_config" / "gransk.yaml"


def error_of(text, folder="/site"):
    with pytest.raises(ConfigurationError) as error:
        parse_config(text, Path(folder) / "gransk.yaml")
    return str(error.value)


def leaves(values, prefix=""):
    for key, value in values.items():
        if isinstance(value, dict) and value:
            yield from leaves(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}"


def test_shipped_file_shows_every_key_and_its_default(tmp_path):
    shipped = yaml.safe_load(SHIPPED.read_text(encoding="utf-8"))
    del shipped["applications"]
    defaults = parse_config("", tmp_path / "gransk.yaml").model_dump(mode="json")
    assert defaults.pop("applications") == {}
    assert sorted(leaves(shipped)) == sorted(leaves(defaults))
    text = SHIPPED.read_text(encoding="utf-8").replace("data_folder: ../var", "data_folder: data")
    same = parse_config(text, tmp_path / "gransk.yaml").model_dump(mode="json")
    assert {key: same[key] for key in defaults} == defaults
    assert load_config(SHIPPED).data_folder == SHIPPED.parents[1] / "var"


def test_shipped_file_shows_every_setting_of_the_applications():
    shipped = yaml.safe_load(SHIPPED.read_text(encoding="utf-8"))["applications"]
    assert shipped
    for name, section in shipped.items():
        schema = applications()[name].settings_schema
        assert sorted(leaves(section)) == sorted(leaves(every_field(schema())))
        assert schema.model_validate(section) == schema()


def every_field(settings):
    """Fields and values, those that enter no key too."""
    return {
        name: every_field(value) if isinstance(value, BaseModel) else value
        for name, value in settings
    }


def test_keys_without_values_have_their_defaults(tmp_path):
    config = parse_config("intake:\nlanguage:\nservice: {port: }", tmp_path / "gransk.yaml")
    assert (config.language, config.service.port, config.intake.quiet_seconds) == ("en", 8600, 5)


def test_shipped_file_explains_every_key():
    explained = False
    for line in SHIPPED.read_text(encoding="utf-8").splitlines():
        if line.strip().startswith("#"):
            explained = True
        elif not line.strip():
            explained = False
        elif not re.match(r"^\w+:$", line):
            assert explained, f"{line!r} stands without a word of explanation"


def test_empty_file_is_the_default(tmp_path):
    config = parse_config("", tmp_path / "gransk.yaml")
    assert config.data_folder == tmp_path / "data"
    assert config.database.url == f"sqlite:///{tmp_path}/data/gransk.db"
    assert config.orthanc.password_file == tmp_path / "data" / "secrets" / "orthanc"


def test_paths_follow_the_file_and_the_data_folder(tmp_path):
    text = "data_folder: ../x\northanc: {password_file: secret.txt}\nservice: {port: 9000}"
    config = parse_config(text, tmp_path / "a" / "gransk.yaml")
    assert config.data_folder == tmp_path / "x"
    assert config.orthanc.password_file == tmp_path / "a" / "secret.txt"
    assert config.service.nudge_secret_file == tmp_path / "x" / "secrets" / "nudge"
    assert config.service.public_url == "http://127.0.0.1:9000"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("langauge: da", "langauge: unknown key; did you mean 'language'?"),
        ("intake: {quiet_secnds: 3}", "intake.quiet_secnds: unknown key; did you mean 'quiet_sec"),
        ("release: {xyz: 3}", "release.xyz: unknown key; known here: mode"),
        ("language: dk", "language: got 'dk', wants 'da' or 'en'"),
        ("time_zone: CEST", "time_zone: got 'CEST', wants a name of the IANA time zone"),
        ("time_zone: ../UTC", "time_zone: got '../UTC', wants a name of the IANA time zone"),
        ("time_zone: Europe", "time_zone: got 'Europe', wants a name of the IANA time zone"),
        ("time_zone: ''", "time_zone: got '', wants a name of the IANA time zone"),
        ("reading: {holidays: Denmark}", "reading.holidays: got 'Denmark', wants a country of ISO"),
        (
            "reading: {holidays: DE-XX}",
            "reading.holidays: got 'DE-XX', wants a country of ISO 3166",
        ),
        ("reading: {holidays: DK-}", "reading.holidays: got 'DK-', wants a country of ISO 3166-1"),
        ("reading: {holidays: NO}", "reading.holidays: got false (as YAML reads yes, no, on"),
        ("service: {port: 99999}", "service.port: got 99999, wants at most 65535"),
        ("service: {port: often}", "service.port: got 'often', wants a whole number"),
        ("service: {port: yes}", "service.port: got true (as YAML reads yes, no, on and off), wan"),
        ("service: {port: '8600'}", "service.port: got '8600', wants a whole number"),
        ("service: {port: 8600.5}", "service.port: got 8600.5, wants a whole number"),
        ("service: {port: 2024-01-01}", "service.port: got 2024-01-01, wants a whole number"),
        ("service: {host: ''}", "service.host: got '', wants text that is not empty"),
        ("service: {host: 5}", "service.host: got 5, wants text"),
        ("service: {session_hours: 200}", "service.session_hours: got 200, wants at most 168"),
        ("service: 5", "service: got 5, wants keys with values"),
        ("database: [5]", "database: got [5], wants keys with values"),
        ("destinations: 5", "destinations: got 5, wants a list"),
        ("destinations: [5]", "destinations[0]: got 5, wants keys with values"),
        ("applications: 5", "applications: got 5, wants keys with values"),
        ("applications: {nodule: 5}", "applications.nodule: got 5, wants keys with values"),
        ("data_folder: 5", "data_folder: got 5, wants a path, as text"),
        ("data_folder: ~nobody-here/x", "data_folder: got '~nobody-here/x', wants a path that can"),
        ('data_folder: "a\\0b"', "data_folder: got 'a\\x00b', wants a path that can exist"),
        ("intake: {poll_seconds: '1'}", "intake.poll_seconds: got '1', wants a number"),
        ("intake: {poll_seconds: on}", "intake.poll_seconds: got true (as YAML reads yes, no, on"),
        ("intake: {poll_seconds: 0}", "intake.poll_seconds: got 0, wants more than 0"),
        ("intake: {quiet_seconds: .inf}", "intake.quiet_seconds: got inf, wants a finite number"),
        ("workers: {processes: 0}", "workers.processes: got 0, wants at least 1"),
        ("orthanc: {name: Æ}", "orthanc.name: got 'Æ', wants 1 to 64 of a-z, 0-9, '_' and '-'"),
        ("orthanc: {dicomweb_root: x}", "orthanc.dicomweb_root: got 'x', wants a path such as"),
        ('orthanc: {aet: "A\\n"}', "orthanc.aet: got 'A\\n', wants 1 to 16 of A-Z"),
        ("intake: {poll_seconds: .nan}", "intake.poll_seconds: got nan, wants "),
        ("intake: {quiet_seconds: 300}", "intake.incomplete_after_seconds: got 180, wants no less"),
        ("workers: {lost_after_seconds: 9}", "workers.lost_after_seconds: got 9, wants at least"),
        ("workers: {heartbeat_seconds: 25}", "workers.lost_after_seconds: got 60, wants at least"),
        (
            "destinations: [{name: a, kind: ftp}]",
            "destinations[0].kind: got 'ftp', wants orthanc, dicom or dicomweb",
        ),
        ("destinations: [{name: a}]", "destinations[0].kind: missing; wants a value"),
        (
            "destinations: [{name: a, kind: dicom, aet: A, hots: x}]",
            "destinations[0].hots: unknown key; did you mean 'host'?",
        ),
        (
            "destinations: [{name: a, kind: orthanc, when: [{score_form: 1}]}]",
            "destinations[0].when[0].score_form: unknown key; did you mean 'score_from'?",
        ),
        (
            "destinations: [{name: a, kind: dicomweb, url: 'http://x', oauth: {token_url: 'x'}}]",
            "destinations[0].oauth.client_id: missing; wants a value",
        ),
        (
            "messages: {destinations: [{name: a, kind: smtp}]}",
            "messages.destinations[0].kind: got 'smtp', wants hl7, http or fhir",
        ),
        (
            "messages: {destinations: [{name: a, kind: hl7, host: x, prot: 1}]}",
            "messages.destinations[0].prot: unknown key; did you mean 'port'?",
        ),
        ("destinations: [{kind: orthanc}]", "destinations[0].name: missing; wants a value"),
        ("orthanc: {url: 'ftp://x'}", "orthanc.url: got 'ftp://x', wants an address that starts"),
        ("orthanc: {aet: MUCH_TOO_LONG_TITLE}", "orthanc.aet: got 'MUCH_TOO_LONG_TITLE', wants"),
        ("database: {url: x}", "database.url: got 'x', wants a URL such as"),
        ("a: [1", "line 1, column 6: expected"),
        ("language: da\nlanguage: en", "line 2, column 1: the key 'language' stands twice"),
        ("language: 'da", "line 1"),
        ("- 1", "got list, wants keys with values"),
        ("{[1]: 2}", "line 1"),
        ("2024-13-77: x", "gransk.yaml"),
        ("intake: {1: 2}", "intake[1]: got 1 as a key, wants text"),
    ],
)
def test_errors_name_key_got_and_wanted(text, message):
    told = error_of(text)
    assert message in told
    assert not re.search(r"Input|instance of|<class|String should|tuple|dictionary", told)


def test_time_zone(tmp_path):
    path = tmp_path / "gransk.yaml"
    assert parse_config("", path).zone is None
    assert str(parse_config("time_zone: Europe/Copenhagen", path).zone) == "Europe/Copenhagen"


def test_holidays_of_a_country_or_of_none(tmp_path):
    path = tmp_path / "gransk.yaml"
    assert parse_config("", path).reading.holidays == "DK"
    for name in ("NO", "DE-BY", ""):
        assert parse_config(f"reading: {{holidays: '{name}'}}", path).reading.holidays == name


def test_every_fault_is_told_at_once():
    message = error_of("language: dk\nintake: {poll_seconds: 0}\nworker: {}")
    assert len(message.splitlines()) == 3


def test_destinations_have_names_of_their_own():
    text = "destinations: [{name: a, kind: orthanc}, {name: a, kind: orthanc}]"
    assert "destinations whose names differ" in error_of(text)


def test_errors_show_no_password():
    message = error_of("database: {url: 'oracle://me:hemmelig@host/x'}")
    assert "database.url: got a URL, wants" in message
    assert "hemmelig" not in message


def test_unreadable_files(tmp_path):
    with pytest.raises(ConfigurationError, match="cannot be read"):
        load_config(tmp_path / "none.yaml")
    with pytest.raises(ConfigurationError, match="cannot be read"):
        load_config(tmp_path)
    (tmp_path / "bad.yaml").write_bytes(b"language: \xff")
    with pytest.raises(ConfigurationError, match="byte 10 is not UTF-8"):
        load_config(tmp_path / "bad.yaml")


def test_digest_follows_the_content(tmp_path):
    path = tmp_path / "gransk.yaml"
    one, same = parse_config("", path), parse_config("language: en", path)
    other = parse_config("language: da", path)
    assert one.digest == same.digest != other.digest


def test_configuration_cannot_be_changed(tmp_path):
    config = parse_config("", tmp_path / "gransk.yaml")
    with pytest.raises(ValueError, match="frozen"):
        config.language = "da"


def test_secrets(tmp_path):
    config = parse_config("", tmp_path / "gransk.yaml")
    with pytest.raises(ConfigurationError, match=r"orthanc\.password_file: .* cannot be read"):
        config.orthanc.password()
    path = config.service.nudge_secret_file
    path.parent.mkdir(parents=True)
    path.write_text("\n")
    with pytest.raises(ConfigurationError, match="is empty"):
        config.service.nudge_secret()
    path.write_text("word\n")
    assert config.service.nudge_secret() == "word"


class Settings(BaseModel):
    model_config = {"extra": "forbid"}
    threshold: float = Field(default=0.5, ge=0, le=1)
    kernels: tuple[str, ...] = ()


class Tiny:
    id = "tiny"
    settings_schema = Settings


def test_application_settings(tmp_path):
    def config(text) -> Config:
        return parse_config(text, tmp_path / "gransk.yaml")

    assert application_settings(config(""), Tiny()) == Settings()
    good = config("applications: {tiny: {threshold: 0.2}}")
    assert application_settings(good, Tiny()).threshold == 0.2
    check_applications(good, {"tiny": Tiny()})
    with pytest.raises(ConfigurationError, match=r"applications\.tiny: threshold: got 7, wants"):
        application_settings(config("applications: {tiny: {threshold: 7}}"), Tiny())
    several = config("applications: {tiny: {kernels: [soft, bone], threshold: 1}}")
    assert application_settings(several, Tiny()).kernels == ("soft", "bone")
    for value in ("yes", "'0.5'"):
        with pytest.raises(ConfigurationError, match="wants a number"):
            application_settings(config(f"applications: {{tiny: {{threshold: {value}}}}}"), Tiny())
    with pytest.raises(ConfigurationError, match=r"kernels: got 'soft', wants a list"):
        application_settings(config("applications: {tiny: {kernels: soft}}"), Tiny())
    with pytest.raises(ConfigurationError, match=r"unknown key; did you mean 'threshold'"):
        check_applications(config("applications: {tiny: {treshold: 1}}"), {"tiny": Tiny()})
    with pytest.raises(ConfigurationError, match=r"applications\.tinny: no such .* mean 'tiny'"):
        check_applications(config("applications: {tinny: {}}"), {"tiny": Tiny()})


def test_a_part_of_an_applications_settings_may_stand_in_a_file(tmp_path):
    path = tmp_path / "site" / "gransk.yaml"
    path.parent.mkdir()
    (path.parent / "part.yaml").write_text("smallest_mm: 4\n")
    text = "applications: {nodule: {file: part.yaml}}"
    config = parse_config(text, path)
    assert config.applications == {"nodule": {"smallest_mm": 4}}
    before = config.digest
    (path.parent / "part.yaml").write_text("smallest_mm: 5\n")
    assert parse_config(text, path).digest != before
    deeper = "applications: {nodule: {tracking: {file: ../site/part.yaml}}}"
    assert parse_config(deeper, path).applications["nodule"]["tracking"] == {"smallest_mm": 5}


@pytest.mark.parametrize(
    ("named", "told"),
    [
        ("none.yaml", "applications.nodule.file: none.yaml cannot be read (No such file"),
        ("5", "applications.nodule.file: got 5, wants the name of a YAML file"),
        ("bad.yaml", "applications.nodule.file: bad.yaml: line 1"),
        ("latin.yaml", "applications.nodule.file: latin.yaml cannot be read (UnicodeDecodeError)"),
        (".", "applications.nodule.file: . cannot be read (Is a directory)"),
    ],
)
def test_a_part_that_cannot_be_read_is_named(tmp_path, named, told):
    (tmp_path / "bad.yaml").write_text("a: [1")
    (tmp_path / "latin.yaml").write_bytes(b"a: \xff")
    text = f"applications: {{nodule: {{file: {named}}}}}"
    assert told in error_of(text, tmp_path)


@pytest.mark.parametrize("within", ["a", "<<"])
def test_a_short_text_does_not_stand_for_more_than_a_machine_holds(within):
    steps = ["b0: &b0 {k0: 1}"]
    for n in range(1, 12):
        some = ", ".join([f"*b{n - 1}"] * 9)
        steps.append(f"b{n}: &b{n} {{{within}: [{some}]}}")
    assert "aliases stand for more than" in error_of("\n".join(steps))


def test_an_anchor_within_itself():
    assert "an anchor stands within itself" in error_of("applications: {nodule: &a {b: *a}}")
    often = "applications: {nodule: &a {smallest_mm: 4}, mammo: {<<: *a}}"
    used = parse_config(often, Path("/site/gransk.yaml"))
    assert used.applications["mammo"] == {"smallest_mm": 4}


def test_a_site_s_own_codes_over_the_default(tmp_path):
    (tmp_path / "hl7.yaml").write_text("values: {outcome: {recall: [G^Genindkaldt^99RIS]}}")
    config = parse_config("messages: {mapping: {file: hl7.yaml}}", tmp_path / "gransk.yaml")
    outcome = config.messages.codes.values.outcome
    assert (outcome.recall, outcome.normal[0][:6]) == (("G^Genindkaldt^99RIS",), "111140")
    assert config.digest != parse_config("", tmp_path / "gransk.yaml").digest


@pytest.mark.parametrize(
    ("text", "wants"),
    [
        ("messages: {mapping: {values: {outcome: {recal: [G]}}}}", "values.outcome.recal"),
        ("messages: {mapping: {fields: {reader: [OBX]}}}", "a field such as OBR-18"),
        ("messages: {mapping: {values: {side: {left: ['a|b']}}}}", "a code such as J"),
        ("messages: {destinations: [{name: ris, kind: hl7, host: x}]}", "port: missing"),
        ("messages: {listener: {port: 2575, senders: []}}", "at least 1"),
        (
            "messages: {listener: {port: 1, senders: "
            "[{name: r, addresses: [here], application: R}]}}",
            "an address, or a network",
        ),
    ],
)
def test_faults_of_messages_are_named(tmp_path, text, wants):
    with pytest.raises(ConfigurationError, match=re.escape(wants)):
        parse_config(text, tmp_path / "gransk.yaml")


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("{name: Nord, title: N}", "reading.units[0].name: got 'Nord'"),
        ("{name: n}", "reading.units[0].title: missing"),
        ("{name: n, title: N}, {name: n, title: M}", "wants units whose names differ"),
        ("{name: n, title: N, match: [{}]}", "institution, department, station or aet"),
        ("{name: n, title: N, match: [{aet: 'a\\b'}]}", "reading.units[0].match[0].aet"),
        ("{name: n, title: N, match: [{hospital: H}]}", "unknown key"),
    ],
)
def test_units_are_checked(text, told):
    assert told in error_of(f"reading:\n  units: [{text}]")


def test_units_say_which_images_are_theirs_and_who_answers_for_them(tmp_path):
    text = "reading:\n  units: [{name: n, title: N, responsible: [karen], match: [{aet: BUS}]}]"
    reading = parse_config(text, tmp_path / "gransk.yaml").reading
    assert (reading.names, reading.responsible("n"), reading.responsible("m")) == (
        ("n",), ("karen",), (),
    )  # fmt: skip
    assert [where.aet for where in reading.matches["n"]] == ["BUS"]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("[{value: 1, da: a, en: b}]", "at least 2"),
        ("[{value: 2, da: a, en: b}, {value: 2, da: a, en: b}]", "levels that rise"),
        ("[{value: 1, da: a, en: b}, {value: 11, da: a, en: b}]", "reading.suspicion[1].value"),
        ("[{value: 1, da: a}, {value: 2, da: a, en: b}]", "reading.suspicion[0].en: missing"),
    ],
)
def test_the_scale_of_suspicion_is_checked(text, told):
    assert told in error_of(f"reading:\n  suspicion: {text}")


def test_a_site_has_its_own_scale_of_suspicion(tmp_path):
    path = tmp_path / "gransk.yaml"
    assert [one.value for one in parse_config("", path).reading.suspicion] == [1, 2, 3, 4, 5]
    text = "reading: {suspicion: [{value: 0, da: ingen, en: none}, {value: 3, da: ja, en: yes!}]}"
    found = parse_config(text, path).reading.suspicion
    assert [(one.value, one.da, one.en) for one in found] == [
        (0, "ingen", "none"),
        (3, "ja", "yes!"),
    ]
