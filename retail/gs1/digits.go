package gs1

import "strings"

// CheckDigit is the check digit of a GTIN, GLN, SSCC, GSRN, GCN or any other key
// that ends with one, given the digits before it: modulo 10, weights 3 and 1
// from the right (GS1 General Specifications, section 7.9). digits must be '0' to
// '9' only; anything else is a bug of the caller.
func CheckDigit(digits string) byte {
	sum, weight := 0, 3
	for i := len(digits) - 1; i >= 0; i-- {
		if digits[i]-'0' > 9 {
			panic("gs1: bug: check digit of what is no digit")
		}
		sum += weight * int(digits[i]-'0')
		weight = 4 - weight
	}
	return '0' + byte((10-sum%10)%10)
}

// primes weigh the characters of a check pair, from the right (GS1 General
// Specifications, section 7.9.5).
var primes = [...]int{
	2, 3, 5, 7, 11, 13, 17, 19, 23, 29, 31, 37, 41, 43, 47, 53, 59, 61, 67, 71, 73, 79, 83, 89, 97,
	101, 103, 107, 109, 113, 127, 131, 137, 139, 149, 151, 157, 163, 167, 173, 179, 181, 191, 193, 197, 199,
	211, 223, 227, 229, 233, 239, 241, 251, 257, 263, 269, 271, 277, 281, 283, 293,
	307, 311, 313, 317, 331, 337, 347, 349, 353, 359, 367, 373, 379, 383, 389, 397,
	401, 409, 419, 421, 431, 433, 439, 443, 449, 457, 461, 463, 467, 479, 487, 491, 499, 503, 509,
}

// pairSymbols are what a check pair is written in.
const pairSymbols = "23456789ABCDEFGHJKLMNPQRSTUVWXYZ"

// checkPair verifies the two check characters at the end of s, which an
// alphanumeric key such as the Global Model Number has: the sum of characters'
// ranks in CSET 82, weighted by primes from the right, modulo 1021.
func checkPair(s string) *Error {
	switch {
	case len(s) > len(primes)+2:
		return fault("too_long_for_check_pair_implementation", 0, len(s))
	case len(s) < 2:
		return fault("too_short_for_check_pair", 0, len(s))
	}
	n := len(s) - 2
	sum := 0
	for i := range n {
		rank := strings.IndexByte(set82, s[i])
		if rank < 0 {
			return fault("invalid_cset82_character", i, 1)
		}
		sum += rank * primes[n-1-i]
	}
	sum %= 1021
	if s[n] != pairSymbols[sum>>5] || s[n+1] != pairSymbols[sum&31] {
		return fault("incorrect_check_pair", n, 2)
	}
	return nil
}

// onlyDigits finds the first byte that is no digit.
func onlyDigits(s string) *Error {
	for i := range len(s) {
		if s[i]-'0' > 9 {
			return fault("non_digit_character", i, 1)
		}
	}
	return nil
}

// checked verifies the check digit at the end of s.
func checked(s string) *Error {
	if s == "" {
		return fault("too_short_for_check_digit", 0, 0)
	}
	if e := onlyDigits(s); e != nil {
		return e
	}
	if n := len(s) - 1; s[n] != CheckDigit(s[:n]) {
		return fault("incorrect_check_digit", n, 1)
	}
	return nil
}
