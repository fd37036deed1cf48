package linkage

// LevelOf compares two values as Link does, for tests.
func LevelOf(kind Kind, a, b string) string {
	a, b = normal(kind, a), normal(kind, b)
	if a == b {
		return levelsOf(kind)[0]
	}
	return levelsOf(kind)[new(scratch).level(kind, a, b)-1]
}

// JaroWinkler is the similarity that Link uses, for tests.
func JaroWinkler(a, b string) float64 { return new(scratch).jaroWinkler(a, b) }

// Within is the bounded distance that Link uses, for tests.
func Within(a, b string, most int) bool { return new(scratch).within(a, b, most) }

// InCommon counts letters as the similarity does, in words of bits and, as it is
// written down, in tables.
func InCommon(a, b string) (fast, slow [2]int) {
	s := new(scratch)
	fast[0], fast[1] = s.inCommon(a, b)
	slow[0], slow[1] = s.inCommonLong(a, b, max(max(len(a), len(b))/2-1, 0))
	return fast, slow
}
