package retail

import (
	"maps"
	"slices"
)

// Currencies lists every currency that Endcap accepts, in order.
func Currencies() []Currency { return slices.Sorted(maps.Keys(minorDigits)) }
