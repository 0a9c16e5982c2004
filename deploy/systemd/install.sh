#!/bin/sh
# Installs Gransk's units on this machine. Run as root, from a copy of the repository in
# /opt/gransk; once more after an upgrade. Starts nothing.
#
#     /opt/gransk/deploy/systemd/install.sh [WORKERS]
set -eu
workers=${1:-1}
here=/opt/gransk
[ "$(id -u)" -eq 0 ] || { echo "$0: run as root" >&2; exit 1; }
[ -f "$here/deploy/systemd/gransk.target" ] || { echo "$0: put the repository into $here" >&2; exit 1; }

"$here/scripts/debian_packages.sh" orthanc orthanc-python orthanc-dicomweb python3-venv npm
[ -x "$here/.venv/bin/python" ] || python3 -m venv "$here/.venv"
(cd "$here" && .venv/bin/pip install --disable-pip-version-check -q -c constraints.txt -e ".[postgresql]")
(cd "$here" && npm run --silent viewer)

getent passwd gransk >/dev/null ||
    useradd --system --user-group --home-dir /var/lib/gransk --shell /usr/sbin/nologin gransk
install -d -m 0700 -o gransk -g gransk /var/lib/gransk /var/backups/gransk
install -d -m 0750 -o root -g gransk /etc/gransk
for file in gransk.yaml orthanc.json; do
    [ -f "/etc/gransk/$file" ] ||
        install -m 0640 -o root -g gransk "$here/orthanc_config/$file" "/etc/gransk/$file"
done
# A new configuration names the repository's folder; the units' own is theirs to write.
sed -i 's|^data_folder: \.\./var$|data_folder: /var/lib/gransk|' /etc/gransk/gransk.yaml

# What a start would have to compile anew each time, as it may not write there.
"$here/.venv/bin/python" -m compileall -q "$here/gransk" "$here/nodule" "$here/mammo"
install -m 0644 "$here"/deploy/systemd/gransk*.service "$here"/deploy/systemd/gransk*.timer \
    "$here/deploy/systemd/gransk.target" /etc/systemd/system/
ln -sf "$here/.venv/bin/gransk" /usr/local/bin/gransk

# Debian starts an Orthanc of its own, which is not ours.
systemctl disable --now orthanc.service 2>/dev/null || true
systemctl daemon-reload
systemctl enable gransk.target gransk-orthanc.service gransk-serve.service gransk-backup.timer
slot=0
while [ "$slot" -lt "$workers" ]; do
    systemctl enable "gransk-worker@$slot.service"
    slot=$((slot + 1))
done
echo "Read /etc/gransk/gransk.yaml, then: systemctl start gransk.target"
