"""What the doctor says, in each language: the name of a check, what it saw, the remedy."""

from __future__ import annotations

from gransk.oversight import doctor_words

NAMES: dict[str, dict[str, str]] = {
    "configuration": {"en": "Configuration", "da": "Konfiguration"},
    "data_folder": {"en": "Data folder", "da": "Datamappe"},
    "secrets": {"en": "Secret files", "da": "Hemmelige filer"},
    "disk": {"en": "Free disk", "da": "Fri diskplads"},
    "database": {"en": "Database", "da": "Database"},
    "queue": {"en": "Durable queue", "da": "Arbejdskø"},
    "settings": {"en": "Settings in force", "da": "Gældende indstillinger"},
    "events": {"en": "Event log", "da": "Hændelseslog"},
    "audit": {"en": "Audit repository", "da": "Revisionsarkiv"},
    "administrator": {"en": "Administrator", "da": "Administrator"},
    "workers": {"en": "Workers", "da": "Analyseprocesser"},
    "dead_letters": {"en": "Failed work", "da": "Fejlet arbejde"},
    "follow_up": {"en": "Follow-up list", "da": "Opfølgningsliste"},
    "reading_room": {"en": "Reading room", "da": "Granskning"},
    "waiting": {"en": "Waiting work", "da": "Ventende arbejde"},
    "service": {"en": "Service", "da": "Tjeneste"},
    "single_sign_on": {"en": "Single sign-on", "da": "Fælles login"},
    "viewer": {"en": "Viewer", "da": "Billedviser"},
    "models": {"en": "Models", "da": "Modeller"},
    "calibration": {"en": "Calibration", "da": "Kalibrering"},
    "codecs": {"en": "Image codecs", "da": "Billedkodninger"},
    "clock": {"en": "Clock", "da": "Ur"},
    "orthanc": {"en": "Orthanc", "da": "Orthanc"},
    "orthanc_version": {"en": "Orthanc's version", "da": "Orthancs version"},
    "orthanc_access": {"en": "Orthanc's HTTP", "da": "Orthancs HTTP"},
    "orthanc_plugins": {"en": "Orthanc's plugins", "da": "Orthancs plugins"},
    "gransk_plugin": {"en": "Gransk's plugin", "da": "Gransks plugin"},
    "dicom_door": {"en": "DICOM door", "da": "DICOM-indgang"},
    "dicom_hosts": {"en": "DICOM senders", "da": "DICOM-afsendere"},
    "prior_archives": {"en": "Earlier studies", "da": "Tidligere undersøgelser"},
    "destinations": {"en": "Destinations", "da": "Modtagere"},
}

SEEN: dict[str, dict[str, str]] = {
    "unexpected": {"en": "the check failed: {error}", "da": "kontrollen fejlede: {error}"},
    "skipped": {"en": "not checked: {why}", "da": "ikke kontrolleret: {why}"},
    "config_good": {"en": "{path} is valid", "da": "{path} er gyldig"},
    "config_bad": {"en": "{error}", "da": "{error}"},
    "folder_good": {"en": "{path} is writable", "da": "der kan skrives i {path}"},
    "folder_missing": {"en": "{path} does not exist yet", "da": "{path} findes ikke endnu"},
    "folder_readonly": {"en": "{path} is not writable", "da": "der kan ikke skrives i {path}"},
    "folder_open": {
        "en": "other users of the machine can read {path}",
        "da": "andre brugere af maskinen kan læse {path}",
    },
    "secrets_good": {"en": "readable by this user alone", "da": "kan kun læses af denne bruger"},
    "secret_missing": {"en": "{path} does not exist yet", "da": "{path} findes ikke endnu"},
    "secret_unreadable": {
        "en": "{path} ({key}) cannot be read or is empty",
        "da": "{path} ({key}) kan ikke læses eller er tom",
    },
    "secret_open": {
        "en": "other users of the machine can read {path}",
        "da": "andre brugere af maskinen kan læse {path}",
    },
    "disk_good": {"en": "{free} MB free in {path}", "da": "{free} MB fri i {path}"},
    "disk_low": {
        "en": "{free} MB free in {path}; intake pauses below {least} MB",
        "da": "{free} MB fri i {path}; modtagelsen holder pause under {least} MB",
    },
    "database_current": {"en": "reachable, schema up to date", "da": "kan nås, skema ajour"},
    "database_missing": {"en": "does not exist yet", "da": "findes ikke endnu"},
    "database_older": {
        "en": "reachable; its schema is older than this version",
        "da": "kan nås; skemaet er ældre end denne version",
    },
    "database_newer": {
        "en": "it was made by a newer version of Gransk",
        "da": "den er lavet af en nyere version af Gransk",
    },
    "database_unreachable": {"en": "cannot be reached: {error}", "da": "kan ikke nås: {error}"},
    "queue_reachable": {"en": "reachable", "da": "kan nås"},
    "settings_same": {
        "en": "version {number} is the file's content",
        "da": "version {number} er filens indhold",
    },
    "settings_none": {"en": "none was recorded yet", "da": "ingen er registreret endnu"},
    "settings_differ": {
        "en": "version {number} is in force; the file says otherwise: {keys}",
        "da": "version {number} gælder; filen siger noget andet: {keys}",
    },
    "drafts_changed": {
        "en": "draft {numbers} is not what was recorded in the event log",
        "da": "udkast {numbers} er ikke det, der blev registreret i hændelsesloggen",
    },
    "settings_unusable": {
        "en": "the version in force cannot be used on this machine: {error}",
        "da": "den gældende version kan ikke bruges på denne maskine: {error}",
    },
    "settings_refused": {
        "en": "a file that was edited is not taken in ({code}): {detail}",
        "da": "en fil, der er rettet, er ikke taget i brug ({code}): {detail}",
    },
    "settings_unapproved": {
        "en": "nobody approves changes: no active account is a responsible radiologist",
        "da": "ingen godkender ændringer: ingen aktiv konto er ansvarlig radiolog",
    },
    "settings_waiting": {
        "en": "waiting for approval: draft {numbers}",
        "da": "venter på godkendelse: udkast {numbers}",
    },
    "settings_nobody": {
        "en": "nobody but its author could approve draft {number} for: {units}",
        "da": "ingen anden end forfatteren kan godkende udkast {number} for: {units}",
    },
    "events_whole": {
        "en": "{count} events, chain whole, last hash {hash}",
        "da": "{count} hændelser, kæden er hel, sidste hash {hash}",
    },
    "events_broken": {
        "en": "the chain is broken at event {number}: the log was changed",
        "da": "kæden er brudt ved hændelse {number}: loggen er ændret",
    },
    "events_cut": {
        "en": "the log ends at event {number}, but event {noted} was once its last: "
        "the end was cut off, or an older database was restored",
        "da": "loggen slutter ved hændelse {number}, men hændelse {noted} var engang dens sidste: "
        "enden er skåret af, eller en ældre database er genskabt",
    },
    "events_unanchored": {
        "en": "the end of the log is not noted in {file}: a log cut short would seem whole",
        "da": "loggens ende er ikke noteret i {file}: en afkortet log ville virke hel",
    },
    "audit_none": {"en": "none is configured", "da": "intet er sat op"},
    "audit_good": {"en": "{host}:{port} answers", "da": "{host}:{port} svarer"},
    "audit_silent": {
        "en": "{host}:{port} is not told: {error}",
        "da": "{host}:{port} får ikke besked: {error}",
    },
    "audit_behind": {
        "en": "{count} events wait, for {minutes} minutes: {error}",
        "da": "{count} hændelser venter, i {minutes} minutter: {error}",
    },
    "rows_wrong": {
        "en": "{count} exams are not what their ledgers make of them: {some}",
        "da": "{count} undersøgelser svarer ikke til deres registreringer: {some}",
    },
    "entries_changed": {
        "en": "{count} entries of ledgers are not what was written: {some}",
        "da": "{count} registreringer er ikke, som de blev skrevet: {some}",
    },
    "seals_broken": {
        "en": "{count} entries do not hold the AI's opinion as it was sealed: {some}",
        "da": "{count} registreringer har ikke AI-svaret, som det blev forseglet: {some}",
    },
    "guards_missing": {
        "en": "the database no longer refuses changes of what is append-only; missing: {names}",
        "da": "databasen afviser ikke længere ændringer af det, der kun må tilføjes til; "
        "mangler: {names}",
    },
    "settings_changed": {
        "en": "version {numbers} is not what was recorded in the event log",
        "da": "version {numbers} er ikke det, der blev registreret i hændelsesloggen",
    },
    "administrator_there": {"en": "there is one", "da": "der er en"},
    "administrator_missing": {
        "en": "there is none; pages answer this machine alone",
        "da": "der er ingen; siderne svarer kun denne maskine",
    },
    "workers_alive": {"en": "{alive} of {wanted} alive", "da": "{alive} af {wanted} i live"},
    "workers_few": {"en": "{alive} of {wanted} alive", "da": "{alive} af {wanted} i live"},
    "workers_none": {"en": "none is alive", "da": "ingen er i live"},
    "dead_none": {"en": "none", "da": "intet"},
    "dead_some": {
        "en": "{analyses} analyses and {deliveries} deliveries failed for good",
        "da": "{analyses} analyser og {deliveries} leveringer er endeligt fejlet",
    },
    "follow_up_good": {"en": "nobody is overdue", "da": "ingen er over tiden"},
    "follow_up_overdue": {
        "en": "{count} patients are overdue",
        "da": "{count} patienter er over tiden",
    },
    "follow_up_unconfirmed": {
        "en": "{count} patients are due though nobody signed their report and the models behind "
        "it may not spare that: studies {some}",
        "da": "{count} patienter står til opfølgning, selv om ingen har underskrevet rapporten, og "
        "modellerne bag den ikke må gøre en underskrift overflødig: undersøgelser {some}",
    },
    "waiting_good": {"en": "{count} waiting or running", "da": "{count} venter eller kører"},
    "waiting_long": {
        "en": "{count} waiting or running, the oldest for {minutes} minutes",
        "da": "{count} venter eller kører, den ældste i {minutes} minutter",
    },
    "service_up": {"en": "answers at {url}", "da": "svarer på {url}"},
    "service_down": {"en": "does not answer at {url}", "da": "svarer ikke på {url}"},
    "single_sign_on_off": {
        "en": "off: people sign in by password",
        "da": "slået fra: personer logger ind med adgangskode",
    },
    "provider_good": {"en": "{issuer} answers", "da": "{issuer} svarer"},
    "provider_bad": {
        "en": "{issuer} is of no use: {error}",
        "da": "{issuer} kan ikke bruges: {error}",
    },
    "provider_secret": {"en": "{error}", "da": "{error}"},
    "provider_plain": {
        "en": "{answer} is not https: what the provider answers can be read on its way",
        "da": "{answer} er ikke https: udbyderens svar kan læses undervejs",
    },
    "service_plain": {
        "en": "listens on {host}, and people reach it by plain http",
        "da": "lytter på {host}, og folk når den med ukrypteret http",
    },
    "viewer_there": {"en": "installed", "da": "installeret"},
    "viewer_missing": {"en": "no index.html in {folder}", "da": "ingen index.html i {folder}"},
    "models_good": {"en": "{models}", "da": "{models}"},
    "models_none": {"en": "none in {folder}", "da": "ingen i {folder}"},
    "model_bad": {"en": "{error}", "da": "{error}"},
    "model_missing": {
        "en": "{application} needs {model}, which is not in {folder}",
        "da": "{application} kræver {model}, som ikke er i {folder}",
    },
    "calibrated": {
        "en": "{application}: calibrated for the models in use",
        "da": "{application}: kalibreret til de modeller, der er i brug",
    },
    "not_calibrated": {
        "en": "{application}: score and category are kept back ({code})",
        "da": "{application}: score og kategori holdes tilbage ({code})",
    },
    "codecs_good": {"en": "all {count} can be decoded", "da": "alle {count} kan afkodes"},
    "codecs_missing": {"en": "cannot be decoded: {names}", "da": "kan ikke afkodes: {names}"},
    "clock_good": {
        "en": "agrees with Orthanc's within {seconds} s",
        "da": "stemmer med Orthancs inden for {seconds} s",
    },
    "clock_differs": {
        "en": "differs from Orthanc's by {seconds} s",
        "da": "afviger {seconds} s fra Orthancs",
    },
    "orthanc_up": {"en": "answers at {url}", "da": "svarer på {url}"},
    "orthanc_down": {"en": "{url} does not answer", "da": "{url} svarer ikke"},
    "orthanc_secret": {
        "en": "{file}, the file with its password, cannot be read or is empty",
        "da": "{file}, filen med dens adgangskode, kan ikke læses eller er tom",
    },
    "orthanc_refuses": {
        "en": "{url} refuses our credentials",
        "da": "{url} afviser vores brugernavn eller adgangskode",
    },
    "orthanc_strange": {
        "en": "{url} answers, but not as Orthanc does",
        "da": "{url} svarer, men ikke som Orthanc gør",
    },
    "orthanc_fault": {
        "en": "{url} answers that it failed",
        "da": "{url} svarer, at der skete en fejl i den",
    },
    "version_good": {"en": "{version}", "da": "{version}"},
    "version_flawed": {
        "en": "{version}; releases up to 1.12.10 have published flaws that let a remote "
        "machine run code",
        "da": "{version}; versioner til og med 1.12.10 har kendte fejl, der lader en anden "
        "maskine køre kode",
    },
    "version_old": {
        "en": "{version}; supported from 1.10.1",
        "da": "{version}; understøttet fra 1.10.1",
    },
    "version_unknown": {
        "en": "{version} is no release; known flaws cannot be looked up",
        "da": "{version} er ingen udgivelse; kendte fejl kan ikke slås op",
    },
    "access_closed": {"en": "asks for a password", "da": "kræver adgangskode"},
    "access_local": {
        "en": "answers without a password; every user of this machine can read all images",
        "da": "svarer uden adgangskode; alle brugere af maskinen kan læse alle billeder",
    },
    "access_open": {
        "en": "remote access without authentication: anyone on the network can read and delete",
        "da": "fjernadgang uden adgangskode: alle på netværket kan læse og slette",
    },
    "plugins_good": {"en": "Python and DICOMweb are loaded", "da": "Python og DICOMweb er indlæst"},
    "plugins_missing": {"en": "not loaded: {names}", "da": "ikke indlæst: {names}"},
    "gransk_plugin_good": {"en": "answers", "da": "svarer"},
    "gransk_plugin_missing": {"en": "does not answer", "da": "svarer ikke"},
    "door_guarded": {
        "en": "refuses images from an AE title that is not listed",
        "da": "afviser billeder fra en AE-titel, der ikke er på listen",
    },
    "door_open": {
        "en": "takes images from any AE title (DicomAlwaysAllowStore)",
        "da": "modtager billeder fra enhver AE-titel (DicomAlwaysAllowStore)",
    },
    "door_closed": {
        "en": "nothing listens at {host}:{port}",
        "da": "intet lytter på {host}:{port}",
    },
    "hosts_checked": {"en": "checked by address or TLS", "da": "kontrolleres på adresse eller TLS"},
    "hosts_unchecked": {
        "en": "an AE title alone opens the door (DicomCheckModalityHost and DicomTlsEnabled "
        "are false)",
        "da": "en AE-titel alene åbner indgangen (DicomCheckModalityHost og DicomTlsEnabled "
        "er false)",
    },
    "prior_archive_good": {
        "en": "the archive {name} answers",
        "da": "arkivet {name} svarer",
    },
    "prior_archive_silent": {
        "en": "the archive {name} {error}",
        "da": "arkivet {name} kan ikke bruges: {error}",
    },
    "destinations_none": {
        "en": "results are sent nowhere",
        "da": "resultater sendes ingen steder hen",
    },
    "destination_good": {"en": "{name} answers", "da": "{name} svarer"},
    "destination_silent": {
        "en": "{name} cannot be used now: {error}",
        "da": "{name} kan ikke bruges nu: {error}",
    },
    "destination_plain": {
        "en": "{name} is reached without TLS at {hosts}",
        "da": "{name} nås uden TLS på {hosts}",
    },
    "destination_file": {
        "en": "{path} of {name} cannot be read or is empty",
        "da": "{path} til {name} kan ikke læses eller er tom",
    },
    "destination_unwanted": {
        "en": "kinds of object that no destination takes: {kinds}",
        "da": "objekttyper som ingen modtager får: {kinds}",
    },
}

REMEDIES: dict[str, dict[str, str]] = {
    "audit_silent": {
        "en": "set host, port, tls and ends of audit.repository as docs/audit.md says; nothing is "
        "lost meanwhile",
        "da": "sæt host, port, tls og ends i audit.repository som i docs/audit.md; intet går tabt "
        "imens",
    },
    "audit_behind": {
        "en": "it goes on by itself once the repository answers",
        "da": "det går videre af sig selv, når arkivet svarer",
    },
    "unexpected": {"en": "report this message", "da": "meld denne besked"},
    "config_bad": {"en": "correct the key in the file", "da": "ret nøglen i filen"},
    "folder_missing": {"en": "it is made at the first start", "da": "laves ved første start"},
    "folder_readonly": {
        "en": "give the user that runs Gransk the folder (chown)",
        "da": "giv mappen til den bruger, der kører Gransk (chown)",
    },
    "folder_open": {"en": "chmod 700 {path}", "da": "chmod 700 {path}"},
    "secret_missing": {"en": "it is made at the first start", "da": "laves ved første start"},
    "secret_unreadable": {
        "en": "write the secret in the file, or let Gransk make a new one",
        "da": "skriv hemmeligheden i filen, eller lad Gransk lave en ny",
    },
    "secret_open": {"en": "chmod 600 {path}", "da": "chmod 600 {path}"},
    "disk_low": {"en": "make room on the disk", "da": "skaf plads på disken"},
    "database_missing": {"en": "it is made at the first start", "da": "laves ved første start"},
    "database_older": {
        "en": "back it up and start the service, which upgrades it",
        "da": "tag en sikkerhedskopi og start tjenesten, som opgraderer den",
    },
    "database_newer": {
        "en": "upgrade Gransk, or restore an older database",
        "da": "opgrader Gransk, eller genskab en ældre database",
    },
    "database_unreachable": {
        "en": "check the database's address in the configuration and that it runs",
        "da": "kontrollér databasens adresse i konfigurationen, og at den kører",
    },
    "settings_none": {
        "en": "it is recorded when the service starts",
        "da": "registreres, når tjenesten starter",
    },
    "settings_differ": {
        "en": "nothing is wrong where it was changed on the pages; gransk config export prints "
        "what to keep in the file",
        "da": "intet er galt, hvis det er ændret på siderne; gransk config export skriver det, "
        "filen bør indeholde",
    },
    "drafts_changed": {
        "en": "keep the database as evidence, find who could write to it, restore a backup",
        "da": "gem databasen som bevis, find hvem der kunne skrive i den, genskab en kopi",
    },
    "settings_unusable": {
        "en": "install what it names here, or undo the version (gransk config undo)",
        "da": "installér det, den nævner, her, eller fortryd versionen (gransk config undo)",
    },
    "settings_refused": {
        "en": "correct the file; the settings in force stay until then",
        "da": "ret filen; de gældende indstillinger fortsætter indtil da",
    },
    "settings_unapproved": {
        "en": "give somebody the role responsible_radiologist; until then changes are in force "
        "without approval",
        "da": "giv nogen rollen responsible_radiologist; indtil da gælder ændringer uden "
        "godkendelse",
    },
    "settings_waiting": {
        "en": "a responsible radiologist approves or turns it down (gransk config drafts)",
        "da": "en ansvarlig radiolog godkender eller afviser det (gransk config drafts)",
    },
    "settings_nobody": {
        "en": "give another person the role, or name another in reading.units.responsible",
        "da": "giv en anden rollen, eller nævn en anden i reading.units.responsible",
    },
    "events_broken": {
        "en": "keep the database as evidence, find who could write to it, restore a backup",
        "da": "gem databasen som bevis, find hvem der kunne skrive i den, genskab en kopi",
    },
    "events_cut": {
        "en": "keep the database as evidence, find who could write to it; after a restored "
        "backup, move event_head out of the data folder",
        "da": "gem databasen som bevis, find hvem der kunne skrive i den; efter en genskabt "
        "kopi flyttes event_head ud af datamappen",
    },
    "events_unanchored": {
        "en": "the service notes it seconds after it starts; if it has run, ask who removed it",
        "da": "tjenesten noterer den sekunder efter start; har den kørt, så spørg hvem der "
        "fjernede den",
    },
    "rows_wrong": {
        "en": "keep the database as evidence, find who could write to it, restore a backup",
        "da": "gem databasen som bevis, find hvem der kunne skrive i den, genskab en kopi",
    },
    "entries_changed": {
        "en": "keep the database as evidence, find who could write to it, restore a backup",
        "da": "gem databasen som bevis, find hvem der kunne skrive i den, genskab en kopi",
    },
    "seals_broken": {
        "en": "keep the database as evidence, find who could write to it, restore a backup",
        "da": "gem databasen som bevis, find hvem der kunne skrive i den, genskab en kopi",
    },
    "guards_missing": {
        "en": "keep the database as evidence, find who could write to it, restore a backup",
        "da": "gem databasen som bevis, find hvem der kunne skrive i den, genskab en kopi",
    },
    "settings_changed": {
        "en": "keep the database as evidence, find who could write to it, restore a backup",
        "da": "gem databasen som bevis, find hvem der kunne skrive i den, genskab en kopi",
    },
    "administrator_missing": {
        "en": "gransk people link prints a one-time link",
        "da": "gransk people link skriver et engangslink",
    },
    "workers_few": {"en": "start gransk worker", "da": "start gransk worker"},
    "workers_none": {"en": "start gransk worker", "da": "start gransk worker"},
    "dead_some": {
        "en": "gransk dead lists them and runs them again",
        "da": "gransk dead viser dem og kører dem igen",
    },
    "follow_up_overdue": {
        "en": "somebody looks at /follow-up, books each or closes it with a reason",
        "da": "nogen ser på /follow-up og booker hver enkelt eller afslutter med en begrundelse",
    },
    "follow_up_unconfirmed": {
        "en": "a radiologist looks at each report and signs it, or somebody closes the follow-up "
        "with a reason",
        "da": "en radiolog ser hver rapport igennem og underskriver den, eller nogen afslutter "
        "opfølgningen med en begrundelse",
    },
    "waiting_long": {
        "en": "look at the workers' log; more workers.processes clear a queue faster",
        "da": "se analyseprocessernes log; flere workers.processes tømmer køen hurtigere",
    },
    "service_down": {"en": "start gransk serve", "da": "start gransk serve"},
    "provider_bad": {
        "en": "check single_sign_on.issuer letter by letter, certificate_file, and that this "
        "machine reaches the provider; until then administrators sign in by password",
        "da": "kontrollér single_sign_on.issuer bogstav for bogstav, certificate_file, og at denne "
        "maskine kan nå udbyderen; indtil da logger administratorer ind med adgangskode",
    },
    "provider_secret": {
        "en": "put the client's secret there, readable by this user alone",
        "da": "læg klientens hemmelighed dér, så kun denne bruger kan læse den",
    },
    "provider_plain": {
        "en": "put a TLS proxy in front and set service.public_url to its https address",
        "da": "sæt en TLS-proxy foran, og sæt service.public_url til dens https-adresse",
    },
    "service_plain": {
        "en": "put a TLS proxy in front and give its https address as service.public_url",
        "da": "sæt en TLS-proxy foran, og angiv dens https-adresse som service.public_url",
    },
    "viewer_missing": {"en": "make install", "da": "make install"},
    "not_calibrated": {
        "en": "gransk calibrate, see docs/calibration.md",
        "da": "gransk calibrate, se docs/calibration.md",
    },
    "models_none": {"en": "set models.folder", "da": "angiv models.folder"},
    "model_missing": {
        "en": "restore the model's folder from the release, or set models.folder",
        "da": "genskab modellens mappe fra udgivelsen, eller angiv models.folder",
    },
    "model_bad": {
        "en": "restore the model's folder from the release",
        "da": "genskab modellens mappe fra udgivelsen",
    },
    "codecs_missing": {
        "en": "install Gransk's dependencies again",
        "da": "installér Gransks afhængigheder igen",
    },
    "clock_differs": {
        "en": "set both machines' clocks by NTP",
        "da": "stil begge maskiners ure med NTP",
    },
    "orthanc_down": {
        "en": "start Orthanc; check orthanc.url",
        "da": "start Orthanc; kontrollér orthanc.url",
    },
    "orthanc_secret": {
        "en": "it is made at the first start; otherwise write the password in it, readable by "
        "this user (orthanc.password_file)",
        "da": "den laves ved første start; skriv ellers adgangskoden i den, læsbar for denne "
        "bruger (orthanc.password_file)",
    },
    "orthanc_refuses": {
        "en": "make orthanc.username and password_file agree with Orthanc's RegisteredUsers",
        "da": "lad orthanc.username og password_file passe med Orthancs RegisteredUsers",
    },
    "orthanc_strange": {
        "en": "check orthanc.url: another program answers there",
        "da": "kontrollér orthanc.url: et andet program svarer der",
    },
    "orthanc_fault": {
        "en": "Orthanc's own log says why",
        "da": "Orthancs egen log siger hvorfor",
    },
    "version_flawed": {
        "en": "upgrade Orthanc, or let only listed machines reach its ports",
        "da": "opgrader Orthanc, eller lad kun kendte maskiner nå dens porte",
    },
    "version_old": {"en": "upgrade Orthanc", "da": "opgrader Orthanc"},
    "version_unknown": {
        "en": "run a release of Orthanc in production",
        "da": "brug en udgivet version af Orthanc i drift",
    },
    "access_local": {
        "en": "set AuthenticationEnabled and RegisteredUsers in Orthanc's configuration",
        "da": "sæt AuthenticationEnabled og RegisteredUsers i Orthancs konfiguration",
    },
    "access_open": {
        "en": "set RemoteAccessAllowed to false, or AuthenticationEnabled to true, and restart",
        "da": "sæt RemoteAccessAllowed til false eller AuthenticationEnabled til true, og genstart",
    },
    "plugins_missing": {
        "en": "install orthanc-python and orthanc-dicomweb and name them in Plugins",
        "da": "installér orthanc-python og orthanc-dicomweb, og angiv dem i Plugins",
    },
    "gransk_plugin_missing": {
        "en": "set PythonScript to plugins/gransk_plugin.py; without it studies are found by "
        "reading the change log, and a rebuilt archive is noticed later",
        "da": "sæt PythonScript til plugins/gransk_plugin.py; uden findes undersøgelser ved at "
        "læse ændringsloggen, og et genopbygget arkiv opdages senere",
    },
    "door_open": {
        "en": "set DicomAlwaysAllowStore to false and list senders in DicomModalities",
        "da": "sæt DicomAlwaysAllowStore til false, og angiv afsendere i DicomModalities",
    },
    "door_closed": {
        "en": "set orthanc.dicom_host and dicom_port, or DicomServerEnabled in Orthanc",
        "da": "angiv orthanc.dicom_host og dicom_port, eller DicomServerEnabled i Orthanc",
    },
    "hosts_unchecked": {
        "en": "set DicomCheckModalityHost to true, or use TLS",
        "da": "sæt DicomCheckModalityHost til true, eller brug TLS",
    },
    "prior_archive_silent": {
        "en": "see docs/priors.md: what the archive must know of Gransk, and priors.archives",
        "da": "se docs/priors.md: hvad arkivet skal vide om Gransk, og priors.archives",
    },
    "destinations_none": {
        "en": "name a destination (docs/delivery.md)",
        "da": "angiv en modtager (docs/delivery.md)",
    },
    "destination_silent": {
        "en": "nothing is lost, it is tried until it answers; see docs/delivery.md",
        "da": "intet går tabt, der prøves indtil den svarer; se docs/delivery.md",
    },
    "destination_plain": {
        "en": "set tls, or https:// in url; or keep it on a network of its own",
        "da": "angiv tls, eller https:// i url; eller hold den på sit eget net",
    },
    "destination_file": {
        "en": "write the secret into it, readable by this user alone",
        "da": "skriv hemmeligheden i den, læsbar for denne bruger alene",
    },
}

NAMES |= doctor_words.NAMES
SEEN |= doctor_words.SEEN
REMEDIES |= doctor_words.REMEDIES
