package training

// Worse opens worse to tests.
func Worse(o *Outcome, served, held bool) string { return o.worse(served, held) }
