#!/usr/bin/env bash
# Fetches the list of communes (the npm package @etalab/decoupage-administratif
# 6.0.0, MIT, from open data of INSEE, IGN and La Poste, Licence Ouverte) into
# data/france, checks its sha256 and unpacks it there with its licence. Running
# it again does nothing. Without npm it says so and leaves the list out: the
# simulator then makes stores without places, and says so.
set -euo pipefail
cd "$(dirname "$0")/.."

package=@etalab/decoupage-administratif
version=6.0.0
sha256=c189ffd5b33fe40c2f19e1a923ce557f190622f39228745d3195d746dfe00c4a
dir=data/france
done_mark="$dir/.sha256"

if [ -f "$done_mark" ] && [ "$(cat "$done_mark")" = "$sha256" ]; then
	exit 0
fi
if ! command -v npm >/dev/null; then
	echo "data: npm is not installed: no list of communes, endcap simulate makes stores without places" >&2
	exit 0
fi

mkdir -p "$dir"
fresh=$(mktemp -d "$dir/.fetch.XXXXXX")
trap 'rm -rf "$fresh"' EXIT
echo "data: fetching $package $version from npm"
npm pack --silent --pack-destination "$fresh" "$package@$version" >/dev/null </dev/null 2>&1 || {
	echo "data: npm could not fetch $package@$version: no list of communes, endcap simulate makes stores without places" >&2
	exit 0
}
got=$(sha256sum "$fresh"/*.tgz | cut -d' ' -f1)
if [ "$got" != "$sha256" ]; then
	echo "data: the package's sha256 is $got, want $sha256" >&2
	echo "data: cure: use a registry that serves the original file" >&2
	exit 1
fi
tar -xzf "$fresh"/*.tgz -C "$fresh" package/data/communes.json package/LICENSE
mv "$fresh/package/LICENSE" "$dir/LICENSE"
mv "$fresh/package/data/communes.json" "$dir/communes.json"
printf '%s' "$sha256" >"$done_mark"
echo "data: the communes of France are in $dir (sha256 as expected)"
