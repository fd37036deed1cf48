//go:build !race

package nextbasket_test

const raced = false
