#!/bin/sh
# Makes the passwords of compose.yaml, once: nobody chose them and nobody need know them.
# Run as root, so that the containers' own users alone can read them.
set -eu
cd "$(dirname "$0")"
[ ! -e secrets ] || { echo "secrets/ is there already" >&2; exit 1; }
umask 077
password=$(od -An -tx1 -N 24 /dev/urandom | tr -d ' \n')
mkdir secrets
printf '%s' "$password" >secrets/postgresql_password
printf 'postgresql:5432:*:gransk:%s\n' "$password" >secrets/pgpass
# libpq reads a password file only where nobody else can; 10001 is gransk in the image.
chown 10001:10001 secrets/pgpass
