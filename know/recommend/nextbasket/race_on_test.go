//go:build race

package nextbasket_test

// raced is set where the race detector makes pools forget.
const raced = true
