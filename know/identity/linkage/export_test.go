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
