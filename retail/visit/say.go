package visit

import (
	"strconv"

	"endcap/retail"
	"endcap/retail/catalog"
)

// Say tells a proposal's reason as a shopper understands it, in English, on a day.
// name says what a product is called; empty where it has no name.
func (p *Proposal) Say(today retail.Day, name func(catalog.ProductID) string) string {
	switch p.Reason {
	case BoughtOften:
		return p.times()
	case DueAgain:
		return p.times() + due(p.Due-today)
	case GoesWith:
		return "goes with" + named(name(p.Other), " what you have chosen")
	case InsteadOf:
		return "instead of" + named(name(p.Other), " what you looked at")
	case LookedAt:
		return "you looked at it"
	case Rising:
		return "more and more people buy it"
	case PopularStore:
		return "popular at your store"
	case PopularInRange:
		return "popular in this category"
	case Matches:
		return "fits your search"
	case Chosen:
		return "we recommend it"
	default:
		return "popular"
	}
}

func named(name, otherwise string) string {
	if name == "" {
		return otherwise
	}
	return ": " + name
}

// times is how often she bought it.
func (p *Proposal) times() string {
	text := "bought " + number(p.Count, "time")
	if p.Count == 1 {
		text = "bought once"
	}
	if p.Every > 0 {
		text += ", usually every " + days(p.Every)
	}
	return text
}

func due(in retail.Day) string {
	switch {
	case in < 0:
		return ", due since " + number(int(-in), "day")
	case in == 0:
		return ", due today"
	default:
		return ", due in " + number(int(in), "day")
	}
}

// days is a number of days between two, where one needs no number.
func days(n int) string {
	if n == 1 {
		return "day"
	}
	return number(n, "day")
}

func number(n int, of string) string {
	if n == 1 {
		return "1 " + of
	}
	return strconv.Itoa(n) + " " + of + "s"
}
