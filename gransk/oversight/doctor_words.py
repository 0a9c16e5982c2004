"""What the doctor says of keeping the site running: names, what was seen, remedies."""

from __future__ import annotations

Words = dict[str, dict[str, str]]

NAMES: Words = {
    "logs": {"en": "Logs", "da": "Logfiler"},
    "limits": {"en": "The machine's limits", "da": "Maskinens grænser"},
    "time_zone": {"en": "Time zone", "da": "Tidszone"},
    "doors": {"en": "Doors of the service", "da": "Tjenestens indgange"},
    "message_systems": {"en": "Systems that are told", "da": "Systemer, der får besked"},
    "certificates": {"en": "Certificates", "da": "Certifikater"},
    "backup": {"en": "Backup", "da": "Sikkerhedskopi"},
    "objects": {"en": "Stored objects", "da": "Gemte objekter"},
    "people": {"en": "People and machines", "da": "Personer og maskiner"},
}

SEEN: Words = {
    "restore_half": {
        "en": "{path} holds half of a backup: a restore was ended in the middle",
        "da": "{path} indeholder en halv sikkerhedskopi: en genindlæsning blev afbrudt",
    },
    "secret_lost": {
        "en": "{path} is lost: this site has run with it",
        "da": "{path} er forsvundet: stedet har kørt med den",
    },
    "disk_near": {
        "en": "{free} MB free in {path}; less than the {warn} MB that retention.warn_free_mb wants",
        "da": "{free} MB fri i {path}; mindre end de {warn} MB, som retention.warn_free_mb kræver",
    },
    "device_absent": {
        "en": "models cannot be run on this host's device: {why}",
        "da": "modeller kan ikke køres på denne maskines enhed: {why}",
    },
    "logs_good": {"en": "{path} is writable", "da": "der kan skrives i {path}"},
    "logs_readonly": {"en": "{path} is not writable", "da": "der kan ikke skrives i {path}"},
    "files_good": {"en": "{count} files may be open", "da": "{count} filer må være åbne"},
    "files_few": {
        "en": "only {count} files may be open at once; {least} are wanted",
        "da": "kun {count} filer må være åbne samtidig; der ønskes {least}",
    },
    "encoding_wrong": {
        "en": "names of files are read as {encoding}: Danish letters are lost",
        "da": "filnavne læses som {encoding}: danske bogstaver går tabt",
    },
    "zone_good": {"en": "{zone}", "da": "{zone}"},
    "zone_utc": {
        "en": "none is set, and the machine runs in UTC: pages show hours that nobody reads by",
        "da": "ingen er angivet, og maskinen kører i UTC: siderne viser forkerte klokkeslæt",
    },
    "listener_good": {
        "en": "{key} listens at {host}:{port}",
        "da": "{key} lytter på {host}:{port}",
    },
    "listener_closed": {
        "en": "the service runs, and nothing listens at {host}:{port} ({key})",
        "da": "tjenesten kører, og intet lytter på {host}:{port} ({key})",
    },
    "listener_taken": {
        "en": "another program listens at {host}:{port} ({key})",
        "da": "et andet program lytter på {host}:{port} ({key})",
    },
    "alarm_secret": {
        "en": "alarms cannot be told to {name}: {error}",
        "da": "alarmer kan ikke sendes til {name}: {error}",
    },
    "message_silent": {
        "en": "{name} does not answer at {host}:{port}",
        "da": "{name} svarer ikke på {host}:{port}",
    },
    "certificate_good": {"en": "{path} holds until {date}", "da": "{path} gælder til {date}"},
    "certificate_soon": {
        "en": "{path} ends on {date}, in {days} days",
        "da": "{path} udløber {date}, om {days} dage",
    },
    "certificate_expired": {"en": "{path} ended on {date}", "da": "{path} udløb {date}"},
    "certificate_bad": {
        "en": "{path} cannot be read, or holds no certificate",
        "da": "{path} kan ikke læses eller indeholder intet certifikat",
    },
    "aet_differs": {
        "en": "Orthanc calls itself {theirs}, orthanc.aet says {ours}",
        "da": "Orthanc kalder sig {theirs}, orthanc.aet siger {ours}",
    },
    "dicomweb_missing": {
        "en": "no DICOMweb answers at {root}",
        "da": "intet DICOMweb svarer på {root}",
    },
    "backup_good": {"en": "the last was made on {date}", "da": "den seneste er fra {date}"},
    "backup_never": {"en": "none was ever made", "da": "der er aldrig taget en"},
    "backup_old": {
        "en": "the last was made on {date}, {days} days ago; at most {most} are wanted",
        "da": "den seneste er fra {date}, for {days} dage siden; der ønskes højst {most}",
    },
    "objects_good": {"en": "all {count} are there", "da": "alle {count} er der"},
    "objects_missing": {
        "en": "{missing} of {count} are missing in {path}, or cut short",
        "da": "{missing} af {count} mangler i {path} eller er afkortet",
    },
    "hosts_sqlite": {
        "en": "workers of several machines ({hosts}) share one SQLite file, which breaks",
        "da": "analyseprocesser på flere maskiner ({hosts}) deler én SQLite-fil, som går i stykker",
    },
    "gpu_nobody": {
        "en": "no worker takes work for a GPU ({applications}); such work waits {minutes} minutes "
        "and then goes to the others",
        "da": "ingen analyseproces tager arbejde til en GPU ({applications}); det venter {minutes} "
        "minutter og går så til de andre",
    },
    "ordinary_nobody": {
        "en": "every running worker takes work for a GPU alone; other studies wait",
        "da": "alle kørende analyseprocesser tager kun arbejde til en GPU; andre undersøgelser "
        "venter",
    },
    "worker_version": {
        "en": "{worker} runs version {version}, this is {own}",
        "da": "{worker} kører version {version}, dette er {own}",
    },
    "unit_nobody": {
        "en": "nobody answers for the unit {unit}",
        "da": "ingen er ansvarlig for enheden {unit}",
    },
    "unit_unknown": {
        "en": "{name}, responsible for the unit {unit}, has no active account with that role",
        "da": "{name}, ansvarlig for enheden {unit}, har ingen aktiv konto med den rolle",
    },
    "system_unknown": {
        "en": "reading.systems names {name}, and no machine has a token of that name",
        "da": "reading.systems nævner {name}, og ingen maskine har et adgangsbevis af det navn",
    },
    "reader_unknown": {
        "en": "messages.listener.readers names {name}, who has no active account",
        "da": "messages.listener.readers nævner {name}, som ikke har en aktiv konto",
    },
}

REMEDIES: Words = {
    "restore_half": {
        "en": "run the same gransk restore again",
        "da": "kør den samme gransk restore igen",
    },
    "secret_lost": {
        "en": "copy it back from secrets in the last backup; without one Gransk makes a new one "
        "when Orthanc is started by it",
        "da": "kopiér den tilbage fra secrets i den seneste sikkerhedskopi; uden laver Gransk en "
        "ny, når Orthanc startes af den",
    },
    "disk_near": {
        "en": "make room, set retention (docs/retention.md), or lower retention.warn_free_mb",
        "da": "skaf plads, sæt retention (docs/retention.md), eller sænk retention.warn_free_mb",
    },
    "device_absent": {
        "en": "install the extra gpu and the card's driver, or set models.device to cpu",
        "da": "installér tilvalget gpu og kortets driver, eller sæt models.device til cpu",
    },
    "logs_readonly": {
        "en": "give the user that runs Gransk the folder (chown)",
        "da": "giv mappen til den bruger, der kører Gransk (chown)",
    },
    "files_few": {
        "en": "raise it: LimitNOFILE in the unit, or ulimit -n {least}",
        "da": "hæv den: LimitNOFILE i enheden eller ulimit -n {least}",
    },
    "encoding_wrong": {
        "en": "set LANG=C.UTF-8 for the user that runs Gransk",
        "da": "sæt LANG=C.UTF-8 for den bruger, der kører Gransk",
    },
    "zone_utc": {
        "en": "set time_zone, such as Europe/Copenhagen",
        "da": "angiv time_zone, for eksempel Europe/Copenhagen",
    },
    "listener_closed": {
        "en": "the service's log says why; restart it when the port is free",
        "da": "tjenestens log siger hvorfor; genstart den, når porten er fri",
    },
    "listener_taken": {
        "en": "stop that program, or set another port in {key}",
        "da": "stop det program, eller angiv en anden port i {key}",
    },
    "alarm_secret": {
        "en": "write the secret into the file, or name another in the settings",
        "da": "skriv hemmeligheden i filen, eller angiv en anden i indstillingerne",
    },
    "message_silent": {
        "en": "nothing is lost, it is tried until it answers; check host, port and firewall",
        "da": "intet går tabt, der prøves til det svarer; kontrollér vært, port og firewall",
    },
    "certificate_soon": {
        "en": "have it renewed before then",
        "da": "få det fornyet inden da",
    },
    "certificate_expired": {
        "en": "put a renewed one in its place and restart",
        "da": "læg et fornyet på dets plads, og genstart",
    },
    "certificate_bad": {
        "en": "put a PEM file there that this user can read",
        "da": "læg en PEM-fil dér, som denne bruger kan læse",
    },
    "aet_differs": {
        "en": "set orthanc.aet to {theirs}, or DicomAet in Orthanc to {ours}",
        "da": "sæt orthanc.aet til {theirs} eller DicomAet i Orthanc til {ours}",
    },
    "dicomweb_missing": {
        "en": "set orthanc.dicomweb_root to Root of DicomWeb in Orthanc's configuration",
        "da": "sæt orthanc.dicomweb_root til Root under DicomWeb i Orthancs konfiguration",
    },
    "backup_never": {
        "en": "gransk backup FOLDER, every night (docs/backup.md)",
        "da": "gransk backup MAPPE, hver nat (docs/backup.md)",
    },
    "backup_old": {
        "en": "gransk backup FOLDER, every night (docs/backup.md)",
        "da": "gransk backup MAPPE, hver nat (docs/backup.md)",
    },
    "objects_missing": {
        "en": "copy what lacks from blobs in the last backup into {path}; find out who removed it",
        "da": "kopiér det manglende fra blobs i den seneste sikkerhedskopi til {path}; find ud af, "
        "hvem der fjernede det",
    },
    "hosts_sqlite": {
        "en": "stop the workers of all but one machine, or move to PostgreSQL (database.url)",
        "da": "stop analyseprocesserne på alle maskiner undtagen én, eller skift til PostgreSQL "
        "(database.url)",
    },
    "gpu_nobody": {
        "en": "start the worker of the host with the GPU (workers.takes: gpu), or take the "
        "application out of workers.gpu_applications",
        "da": "start analyseprocessen på maskinen med GPU (workers.takes: gpu), eller fjern "
        "applikationen fra workers.gpu_applications",
    },
    "ordinary_nobody": {
        "en": "start a worker whose workers.takes is ordinary",
        "da": "start en analyseproces, hvis workers.takes er ordinary",
    },
    "worker_version": {
        "en": "upgrade that machine and restart its worker",
        "da": "opgrader den maskine, og genstart dens analyseproces",
    },
    "unit_nobody": {
        "en": "give somebody the role responsible_radiologist (gransk people), and name them in "
        "reading.units",
        "da": "giv nogen rollen responsible_radiologist (gransk people), og angiv dem i "
        "reading.units",
    },
    "unit_unknown": {
        "en": "correct the name in reading.units, or give the account that role",
        "da": "ret navnet i reading.units, eller giv kontoen den rolle",
    },
    "system_unknown": {
        "en": "correct reading.systems, or make the token: gransk token add {name}",
        "da": "ret reading.systems, eller lav adgangsbeviset: gransk token add {name}",
    },
    "reader_unknown": {
        "en": "correct messages.listener.readers, or make the account",
        "da": "ret messages.listener.readers, eller opret kontoen",
    },
}
