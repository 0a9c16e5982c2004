#!/bin/sh
# npm_package.sh NAME VERSION SHA512 [TAR OPTION]...
# Puts one npm package into node_modules as it was published, checked against its digest, and
# without its dependencies: what we take from npm is built and whole.
set -eu
name=$1 version=$2 sha512=$3
shift 3
target="node_modules/$name"
[ "$(cat "$target/.version" 2>/dev/null)" = "$sha512" ] && exit 0
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
npm pack --silent --pack-destination "$scratch" "$name@$version" >/dev/null
mv "$scratch"/*.tgz "$scratch/package.tgz"
echo "$sha512  $scratch/package.tgz" | sha512sum --check --quiet
rm -rf "$target"
mkdir -p "$target"
tar -xzf "$scratch/package.tgz" -C "$target" --strip-components=1 --no-same-owner "$@"
echo "$sha512" > "$target/.version"
