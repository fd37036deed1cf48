#!/usr/bin/env bash
# The demonstration: loads weeks 1–49 of The Complete Journey, serves, replays
# weeks 50–53 through the public API, prints the report of one brand and the
# control sums, and keeps serving until stopped. Called by `make demo`, which
# has built the programs and fetched the data.
#
#   DATASET  complete-journey (the only one yet)
#   DATA     the data directory, made anew (default data/demo)
#   KEEP     0: stop at the end instead of serving on
#   LISTEN   address to serve on (default 127.0.0.1:8080)
set -euo pipefail
cd "$(dirname "$0")/.."

dataset=${DATASET:-complete-journey}
dir=${DATA:-data/demo}
keep=${KEEP:-1}
listen=${LISTEN:-127.0.0.1:8080}
source_dir=data/complete-journey
mapping=mappings/complete-journey.json
label="The Complete Journey 2.0, published by 84.51°: shopping of US households, 2017"

if [ "$dataset" != complete-journey ]; then
	echo "demo: there is no dataset '$dataset'; DATASET=complete-journey is the only one" >&2
	exit 2
fi
if [ -e "$dir" ] && [ ! -e "$dir/endcap.json" ] && [ -n "$(ls -A "$dir")" ]; then
	echo "demo: $dir exists and is no data directory; name another with DATA=dir" >&2
	exit 2
fi
if [ -e "$dir/endcap.json" ] && ! grep -q '"demo": true' "$dir/endcap.json"; then
	echo "demo: $dir is not marked as a demo and will not be touched; name another with DATA=dir" >&2
	exit 2
fi
rm -rf "$dir"

started=$SECONDS
step() { printf '\n== %s (%d s)\n' "$1" $((SECONDS - started)); }

step "A data directory for the demo: $dir"
bin/endcap init --dir "$dir" --name "Demo grocer" --zone America/New_York --currency USD --demo --seed endcap-demo \
	--clock-start 2017-12-04T00:00:00-05:00 --shoppers-min 10 --new-to-brand-days 182 --never-propose FUEL,COUPON,MISCELLANEOUS --dataset "$label"

step "Weeks 1–49 from the files"
bin/endcap ingest --dir "$dir" --kind products --mapping "$mapping" "$source_dir/products.parquet"
bin/endcap ingest --dir "$dir" --kind receipts --mapping "$mapping" --until 2017-12-04 "$source_dir/transactions.parquet"

step "Serving on http://$listen"
bin/endcap serve --dir "$dir" --clock replay --listen "$listen" 2>"$dir/serve.log" &
server=$!
trap 'kill "$server" 2>/dev/null; wait "$server" 2>/dev/null || true' EXIT
until [ -S "$dir/endcap.sock" ]; do
	kill -0 "$server" 2>/dev/null || { cat "$dir/serve.log" >&2; exit 1; }
	sleep 0.1
done
bin/endcap key create demo --dir "$dir" --scopes decide,receipts,feeds,trade,reports,analyse,admin >"$dir/demo.key"

step "Weeks 50–53 through the API: visit, decision, events, receipt"
ENDCAP_KEY=$(cat "$dir/demo.key") bin/endcap-demo --target "http://$listen" --data "$source_dir" --record "$dir/decisions.ndjson"

step "What brand 544 sees of its campaign for bag snacks"
bin/endcap report bag-snacks-544 --dir "$dir"
bin/endcap report bag-snacks-544 --dir "$dir" --format html --out "$dir/report.html"

seconds=$((SECONDS - started))
step "Done"
echo "figure demo.seconds $seconds s goal <=90 $([ "$seconds" -le 90 ] && echo ok || echo short)"
cat <<TEXT
Look at
  $dir/report.html                       the same report as a page
  bin/endcap query --dir $dir 'select department, sum(sales) as sales from lines l join products p on p.product = l.product group by department order by sales desc limit 5'
  bin/endcap report soup-1251 --dir $dir
  bin/endcap quarantine list --dir $dir
TEXT
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
