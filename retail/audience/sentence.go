package audience

import (
	"fmt"
	"strconv"
	"strings"

	"endcap/retail/catalog"
)

// String writes n as the sentence that Parse reads, in its canonical form:
// parentheses only where they matter, weeks where days make whole ones.
func (n Node) String() string {
	var b strings.Builder
	n.write(&b)
	return b.String()
}

func (n *Node) write(b *strings.Builder) {
	switch n.Op {
	case Bought:
		n.Rule.write(b)
	case Not:
		b.WriteString("not ")
		for i := range n.Of {
			n.Of[i].writeInside(b, n.Of[i].Op != Bought)
		}
	case And, Or:
		for i := range n.Of {
			if i > 0 {
				b.WriteString(" " + n.Op.String() + " ")
			}
			child := n.Of[i].Op
			n.Of[i].writeInside(b, child == Or || child == And && n.Op == And)
		}
	default:
		b.WriteString(n.Op.String())
	}
}

func (n *Node) writeInside(b *strings.Builder, parentheses bool) {
	if !parentheses {
		n.write(b)
		return
	}
	b.WriteByte('(')
	n.write(b)
	b.WriteByte(')')
}

// String writes r as a sentence of its own.
func (r Rule) String() string {
	var b strings.Builder
	r.write(&b)
	return b.String()
}

func (r *Rule) write(b *strings.Builder) {
	b.WriteString("bought")
	if r.Set.Everything {
		b.WriteString(" anything")
	}
	said := false
	writeNames(b, &said, "product", "products", r.Set.Products)
	writeNames(b, &said, "brand", "brands", r.Set.Brands)
	writeNames(b, &said, "type", "types", r.Set.Types)
	writeNames(b, &said, "category", "categories", r.Set.Categories)
	writeNames(b, &said, "department", "departments", r.Set.Departments)
	if r.Times > 1 {
		fmt.Fprintf(b, " at least %d times", r.Times)
	}
	if r.Spend > 0 {
		fmt.Fprintf(b, " for at least %v", r.Spend)
	}
	switch {
	case r.Days == 0:
	case r.Days%7 == 0:
		fmt.Fprintf(b, " within %s", count(r.Days/7, "week"))
	default:
		fmt.Fprintf(b, " within %s", count(r.Days, "day"))
	}
	switch r.Channel {
	case catalog.InStore:
		b.WriteString(" in store")
	case catalog.Online:
		b.WriteString(" online")
	case catalog.AnyChannel:
	}
}

func count(n int, unit string) string {
	if n == 1 {
		return "1 " + unit
	}
	return strconv.Itoa(n) + " " + unit + "s"
}

// writeNames writes one dimension of a Set, joined by in to the one before.
func writeNames[T ~string](b *strings.Builder, said *bool, one, many string, names []T) {
	if len(names) == 0 {
		return
	}
	if *said {
		b.WriteString(" in")
	}
	*said = true
	word := one
	if len(names) > 1 {
		word = many
	}
	b.WriteString(" " + word)
	for i, name := range names {
		if i > 0 {
			b.WriteByte(',')
		}
		b.WriteString(" " + strconv.Quote(string(name)))
	}
}

// MarshalText writes the sentence; a Node that Check refuses cannot be written.
func (n Node) MarshalText() ([]byte, error) {
	if err := n.Check(); err != nil {
		return nil, err
	}
	return []byte(n.String()), nil
}

// UnmarshalText reads the sentence.
func (n *Node) UnmarshalText(b []byte) error {
	got, err := Parse(string(b))
	if err != nil {
		return err
	}
	*n = got
	return nil
}
