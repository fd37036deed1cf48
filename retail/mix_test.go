package retail_test

import (
	"testing"

	"endcap/retail"
)

// The numbers are those of the published generator from the seed 1234567, as in
// Vigna's splitmix64.c.
func TestMixIsTheFinaliserOfSplitMix64(t *testing.T) {
	t.Parallel()
	at := uint64(1234567)
	for i, want := range []uint64{6457827717110365317, 3203168211198807973, 9817491932198370423, 4593380528125082431, 16408922859458223821} {
		at += retail.GoldenGamma
		if got := retail.Mix(at); got != want {
			t.Errorf("the %d. number is %d, want %d", i+1, got, want)
		}
	}
	if got := retail.Mix(0); got != 0 {
		t.Errorf("0 goes to %d", got)
	}
}
