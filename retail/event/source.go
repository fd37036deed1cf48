package event

// SourceDerived is the Source of a Store fact that nobody sent: know/ingest
// derived it from a receipt that named a store which the store list lacks. It
// lets history show every store, and says that the list still lacks this one.
const SourceDerived = "derived"
