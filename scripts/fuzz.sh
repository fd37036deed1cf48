#!/usr/bin/env bash
# Fuzzes every target of the module in turn, each for the time given (1m).
# What fails is kept under the package's testdata/fuzz and belongs in a commit.
set -euo pipefail
cd "$(dirname "$0")/.."

each=${1:-1m}
failed=0
while IFS=: read -r file target; do
	package=./$(dirname "$file")
	target=${target#func }
	echo "fuzz: $package $target for $each"
	go test -run '^$' -fuzz "^$target\$" -fuzztime "$each" "$package" </dev/null || failed=1
done < <(git ls-files '*_test.go' | xargs grep -oE '^func Fuzz[A-Za-z0-9_]+' | sort)
exit "$failed"
