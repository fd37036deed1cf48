package identity

// EvidenceOf is for tests that work out who is who from the start.
var EvidenceOf = evidenceOf

// Recent is how many merged profiles are kept in memory, and their bytes.
func (i *Identity) Recent() (n, bytes int) { return i.recent.kept() }
