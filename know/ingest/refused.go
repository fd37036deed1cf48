package ingest

import "endcap/keep/vault"

// Refused is one row in quarantine, for doors that show it or read it again.
type Refused = vault.Refused
