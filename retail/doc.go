// Package retail is the ground of the house: money, days, windows and the one
// error type that strangers may read. The packages beneath it hold the nouns of
// the trade. The ground does no I/O and imports only the standard library, so
// every wing can stand on it and any past computation can be replayed.
//
// Everything on the road of a receipt speaks in these types.
package retail
