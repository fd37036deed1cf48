#!/usr/bin/env bash
# Fuzzes every target of the module in turn, each for the time given (1m).
# What fails is kept under the package's testdata/fuzz and belongs in a commit.
set -euo pipefail
cd "$(dirname "$0")/.."

each=${1:-1m}
failed=0
for package in $(go list -f '{{if or .TestGoFiles .XTestGoFiles}}{{.ImportPath}}{{end}}' ./...); do
	for target in $(go test -list '^Fuzz' "$package" | grep '^Fuzz' || true); do
		echo "fuzz: $package $target for $each"
		go test -run '^$' -fuzz "^$target\$" -fuzztime "$each" "$package" </dev/null || failed=1
	done
done
exit "$failed"
