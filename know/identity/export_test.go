package identity

// EvidenceOf is for tests that work out who is who from the start.
var EvidenceOf = evidenceOf
