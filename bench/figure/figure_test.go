package figure_test

import (
	"math"
	"strings"
	"testing"

	"endcap/bench/figure"
	"endcap/retail"
)

func TestFigures(t *testing.T) {
	t.Parallel()
	var b strings.Builder
	figure.Print(&b, "ingest.rate", 812000, "lines/s")
	figure.Print(&b, "ledger.charges", 41234.56, "1/s")
	figure.Print(&b, "ledger.fsyncs_per_charge", 0.0151234, "1")
	figure.Goal(&b, "decide.ratio", 0.41, "ratio", ">=0.30")
	figure.Goal(&b, "decide.ratio", 0.29999, "ratio", ">=0.30")
	figure.Goal(&b, "decide.p99", 7.9, "ms", "<=10")
	figure.Goal(&b, "control.sales", 459603958*retail.Cent, "USD", "=4596039.58")
	figure.Goal(&b, "control.lines", 1469306, "lines", "=1469307")
	figure.Goal(&b, "broken.ratio", math.NaN(), "ratio", ">=0")
	want := `figure ingest.rate 812000 lines/s
figure ledger.charges 41235 1/s
figure ledger.fsyncs_per_charge 0.01512 1
figure decide.ratio 0.41 ratio goal >=0.30 ok
figure decide.ratio 0.3 ratio goal >=0.30 short
figure decide.p99 7.9 ms goal <=10 ok
figure control.sales 4596039.58 USD goal =4596039.58 ok
figure control.lines 1469306 lines goal =1469307 short
figure broken.ratio NaN ratio goal >=0 short
`
	if got := b.String(); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}
