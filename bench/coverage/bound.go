package main

import "gonum.org/v1/gonum/stat/distuv"

// confidence is what intervals promise.
const confidence = 0.95

// tail is how rarely intervals that keep their promise leave the bounds, on either
// side: the tail of the binomial distribution beyond 913 and 980 of 1,000, and
// beneath 82 of 100, which is what is asked of the whole and of every test run. So
// the bounds of any number are asked with it.
const tail = 5.1e-7

// bounds are how many of n independent intervals hold the truth at least and at
// most, with X distributed binomially with n and confidence:
//
//	least: the largest L with P(X < L) ≤ tail
//	most: the smallest U with P(X > U) ≤ tail
func bounds(n int) (least, most int) {
	b := distuv.Binomial{N: float64(n), P: confidence}
	for least < n && b.CDF(float64(least)) <= tail {
		least++
	}
	most = n
	for most > 0 && b.Survival(float64(most-1)) <= tail {
		most--
	}
	return least, most
}
