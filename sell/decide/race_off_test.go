//go:build !race

package decide_test

const raced = false
