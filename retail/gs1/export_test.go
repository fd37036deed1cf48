package gs1

// Rule runs one of GS1's syntax tests by its name, with those that ask for
// company prefixes asking known; ok is false where there is no such test.
func Rule(name, s string, known Prefixes) (err error, ok bool) {
	switch name {
	case "gcppos1":
		return prefixed(s, known).orNil(), true
	case "gcppos2":
		return prefixedAfter(s, known).orNil(), true
	case "couponcode":
		_, err := readCoupon8110(s, known)
		return err.orNil(), true
	}
	run, ok := rules[name]
	if !ok {
		return nil, false
	}
	return run(s).orNil(), true
}

// Dictionary is the text that the program reads.
func Dictionary() string { return dictionaryText }
