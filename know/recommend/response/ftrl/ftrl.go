// Package ftrl is FTRL-Proximal with a learning rate of its own for each
// coordinate (McMahan et al., "Ad Click Prediction: a View from the Trenches",
// KDD 2013, algorithm 1): the online learner of a linear model whose weights stay
// few. It knows coordinates and slopes, and nothing of what they mean.
//
// On the road of a receipt, know/recommend/response learns with it from what was
// shown, clicked and bought.
package ftrl

import (
	"errors"
	"fmt"
	"math"
)

// Rates are how fast a model learns and how it is held back.
type Rates struct {
	Alpha float64 // the step; larger learns faster
	Beta  float64 // smooths the first steps of a coordinate
	L1    float64 // what a coordinate must have gathered before it weighs anything
	L2    float64 // pulls weights to zero
}

// Check says which rates are none.
func (r Rates) Check() error {
	for _, v := range []struct {
		name string
		is   float64
		ok   bool
	}{
		{"alpha", r.Alpha, r.Alpha > 0},
		{"beta", r.Beta, r.Beta >= 0},
		{"l1", r.L1, r.L1 >= 0},
		{"l2", r.L2, r.L2 >= 0},
	} {
		if !v.ok || math.IsInf(v.is, 0) {
			return fmt.Errorf("the rate %s is %v", v.name, v.is)
		}
	}
	if r.Beta+r.L2 == 0 {
		return errors.New("the rates beta and l2 are both zero")
	}
	return nil
}

// Cell is what is known of one coordinate. The zero Cell has seen nothing and
// weighs nothing.
type Cell struct {
	Z float64 // the slopes so far, less what the weight has made of them
	N float64 // the sum of their squares
}

// Weight is the coordinate's weight:
//
//	0                                                  where |z| ≤ L1
//	−(z − sign(z)·L1) / ((β + √n)/α + L2)              else
func (c *Cell) Weight(r *Rates) float64 {
	if math.Abs(c.Z) <= r.L1 {
		return 0
	}
	return -(c.Z - math.Copysign(r.L1, c.Z)) / ((r.Beta+math.Sqrt(c.N))/r.Alpha + r.L2)
}

// Step takes in the slope of the loss at this coordinate, where its weight is w:
//
//	σ = (√(n + g²) − √n) / α,  z ← z + g − σ·w,  n ← n + g²
//
// A slope of zero changes nothing.
func (c *Cell) Step(r *Rates, slope, w float64) {
	squares := c.N + slope*slope
	sigma := (math.Sqrt(squares) - math.Sqrt(c.N)) / r.Alpha
	c.Z += slope - sigma*w
	c.N = squares
}
