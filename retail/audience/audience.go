// Package audience holds the sentence that says who belongs to an audience: a
// tree of purchase rules joined by and, or and not. It is data; know/audience
// evaluates it over one shopper's purchases and over the warehouse, and both
// must agree.
//
// On the road of a receipt, a line item names an audience and the shopper's
// profile says whether she is in it.
package audience

import (
	"errors"
	"fmt"

	"endcap/retail"
	"endcap/retail/catalog"
)

// ID names an audience.
type ID string

// Op is what a Node does with its children.
type Op uint8

// The operations. Their numbers are stored.
const (
	Bought Op = iota // a leaf: Rule holds
	And              // every child holds
	Or               // some child holds
	Not              // the only child does not hold
)

// Node is a sentence, or a part of one.
type Node struct {
	Op   Op
	Rule Rule   // of a Bought
	Of   []Node // of And, Or (two or more) and Not (exactly one)
}

// Rule holds for a shopper who, within the last Days business days (today
// included; 0 means ever), on Channel, bought products of Set on at least Times
// receipts (at least 1) for at least Spend in all. A receipt counts once however
// many of its lines match; returned lines (quantity below zero) subtract their
// amount from the spend and make no time.
type Rule struct {
	Set     catalog.Set
	Days    int
	Times   int
	Spend   retail.Micros
	Channel catalog.Channel
}

// Limits of a sentence.
const (
	NodesMax = 64     // nodes in one sentence
	DepthMax = 8      // nesting
	DaysMax  = 1_098  // the longest look-back, three years
	TimesMax = 10_000 // the most times a rule can ask for
	TextMax  = 8_192  // bytes of a written sentence
)

// ErrSentence is the cause of every error of this package.
var ErrSentence = errors.New("not an audience sentence")

// refuse makes the error a stranger may read.
func refuse(cure, format string, args ...any) error {
	return &retail.Error{Kind: retail.Invalid, Say: fmt.Sprintf(format, args...), Cure: cure, Err: ErrSentence}
}

// Check returns an error that wraps ErrSentence unless n is a whole sentence
// within the limits. A sentence that passes can be written and read again.
func (n Node) Check() error {
	nodes := 0
	if err := n.check(&nodes, 1); err != nil {
		return err
	}
	if size := len(n.String()); size > TextMax {
		return refuse("list a brand or a category instead of its products", "the sentence has %d bytes, at most %d", size, TextMax)
	}
	return nil
}

func (n Node) check(nodes *int, depth int) error {
	if *nodes++; *nodes > NodesMax {
		return refuse("make two audiences of it", "the sentence has more than %d parts", NodesMax)
	}
	if depth > DepthMax {
		return refuse("remove parentheses that change nothing", "the sentence is nested more than %d deep", DepthMax)
	}
	if n.Op != Bought && !n.Rule.zero() {
		return refuse("give a rule to bought alone", "a part that joins others has a rule of its own")
	}
	switch n.Op {
	case Bought:
		if len(n.Of) > 0 {
			return refuse("join rules with and, or", "a rule has parts of its own")
		}
		return n.Rule.Check()
	case And, Or:
		if len(n.Of) < 2 {
			return refuse("join two parts or more", "%s joins %d part(s)", n.Op, len(n.Of))
		}
	case Not:
		if len(n.Of) != 1 {
			return refuse("negate one part", "not has %d parts", len(n.Of))
		}
	default:
		return refuse("use bought, and, or, not", "operation %d is unknown", n.Op)
	}
	for i := range n.Of {
		if err := n.Of[i].check(nodes, depth+1); err != nil {
			return err
		}
	}
	return nil
}

// String gives "bought", "and", "or" or "not".
func (o Op) String() string {
	switch o {
	case Bought:
		return "bought"
	case And:
		return "and"
	case Or:
		return "or"
	case Not:
		return "not"
	default:
		return fmt.Sprintf("op(%d)", uint8(o))
	}
}

// zero reports whether r says nothing at all.
func (r *Rule) zero() bool {
	return r.Set.Empty() && r.Days == 0 && r.Times == 0 && r.Spend == 0 && r.Channel == catalog.AnyChannel
}

// Check returns an error that wraps ErrSentence unless r is within the limits.
func (r *Rule) Check() error {
	if err := r.Set.Check(); err != nil {
		return refuse("list fewer products, or none that is empty", "%v", err)
	}
	switch {
	case r.Set.Empty():
		return refuse("name a product, brand, category, department or type, or say anything", "a rule names no products")
	case r.Days < 0 || r.Days > DaysMax:
		return refuse("look back less far", "a rule looks back %d days, at most %d", r.Days, DaysMax)
	case r.Times < 1 || r.Times > TimesMax:
		return refuse("ask for a likely number", "a rule asks for %d times, 1 to %d", r.Times, TimesMax)
	case r.Spend < 0 || r.Spend > retail.MicrosMax:
		return refuse("ask for a likely amount", "a rule asks for a spend of %v, 0 to %v", r.Spend, retail.MicrosMax)
	case r.Channel > catalog.Online:
		return refuse("say in store, online, or nothing for both", "channel %d is unknown", r.Channel)
	}
	return nil
}

// Rules lists the rules of n in the order in which its sentence says them.
func (n Node) Rules() []Rule {
	if n.Op == Bought {
		return []Rule{n.Rule}
	}
	var all []Rule
	for i := range n.Of {
		all = append(all, n.Of[i].Rules()...)
	}
	return all
}

// Holds evaluates n, which must pass Check. leaf tells whether rule i of Rules holds; it is asked only
// as far as the answer needs, and never twice for one rule.
func (n Node) Holds(leaf func(i int) bool) bool {
	held, _ := n.holds(0, leaf)
	return held
}

// holds evaluates n, whose first rule has the number first; next is the number
// of the first rule after it.
func (n *Node) holds(first int, leaf func(i int) bool) (held bool, next int) {
	switch n.Op {
	case Bought:
		return leaf(first), first + 1
	case Not:
		held, next = n.Of[0].holds(first, leaf)
		return !held, next
	case And, Or:
	}
	settles := n.Op == Or // the child's answer that settles n's
	held, next = !settles, first
	for i := range n.Of {
		if held == settles {
			next += n.Of[i].leaves()
			continue
		}
		held, next = n.Of[i].holds(next, leaf)
	}
	return held, next
}

// leaves counts the rules of n.
func (n *Node) leaves() int {
	if n.Op == Bought {
		return 1
	}
	count := 0
	for i := range n.Of {
		count += n.Of[i].leaves()
	}
	return count
}
