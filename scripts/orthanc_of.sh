#!/bin/sh
# Puts the Orthanc of another Debian release, with its plugins, into a folder, for tests:
#
#     scripts/orthanc_of.sh trixie /srv/orthanc-trixie
#     ORTHANC=/srv/orthanc-trixie/Orthanc pytest tests/system
#
# FOLDER/Orthanc starts it in that release's file system, with this machine's folders laid over
# /tmp, /home, /run and the place of this repository, in a mount namespace of its own; so it reads
# and writes the same paths as the Orthanc of this machine would. Wants root and debootstrap.
set -eu
[ $# -eq 2 ] || { echo "usage: $0 RELEASE FOLDER" >&2; exit 2; }
release=$1
folder=$(mkdir -p "$2" && cd "$2" && pwd)
here=$(cd "$(dirname "$0")/.." && pwd)
[ "$(id -u)" -eq 0 ] || { echo "$0: only root can make another release's file system" >&2; exit 1; }
command -v debootstrap >/dev/null || { echo "$0: install debootstrap" >&2; exit 1; }
mirror=$(cat /etc/apt/sources.list /etc/apt/sources.list.d/* 2>/dev/null |
    grep -oE 'https?://[^ ]+/debian/?( |$)' | head -n 1 | tr -d ' ')
[ -n "$mirror" ] || { echo "$0: apt knows no Debian mirror" >&2; exit 1; }

if [ ! -x "$folder/root/usr/sbin/Orthanc" ]; then
    rm -rf "$folder/root"
    debootstrap --variant=minbase --include=orthanc,orthanc-python,orthanc-dicomweb \
        "$release" "$folder/root" "$mirror" >"$folder/debootstrap.log" 2>&1 ||
        { tail -n 3 "$folder/debootstrap.log" >&2; exit 1; }
fi

cat >"$folder/Orthanc" <<END
#!/bin/sh
# Orthanc of Debian's $release; made by scripts/orthanc_of.sh.
exec unshare --mount --propagation private -- /bin/sh -c '
root=$folder/root
for place in /tmp /home /run /proc /dev "\${GRANSK_FOLDER:-$here}"; do
    mkdir -p "\$root\$place"
    mount --rbind "\$place" "\$root\$place"
done
exec chroot "\$root" /usr/sbin/Orthanc "\$@"' Orthanc "\$@"
END
chmod 755 "$folder/Orthanc"
"$folder/Orthanc" --version | head -n 1
