package warehouse

import (
	"strconv"
	"strings"

	"endcap/retail/catalog"
)

// Within writes a product Set as a condition on two joined tables: line, the
// alias of a table with a product column, and product, the alias of the
// catalogue, left-joined to it. It appends the set's values to args and returns
// the condition with the numbered places that stand for them. It agrees with
// catalog.Matcher: a product without a catalogue row belongs only to sets that
// list its id, or to everything.
func Within(set catalog.Set, line, product string, args []any) (string, []any) {
	if set.Everything {
		return "1 = 1", args
	}
	if set.Empty() {
		return "1 = 0", args
	}
	var conds []string
	conds, args = among(conds, args, line+".product", set.Products)
	conds, args = among(conds, args, product+".brand", set.Brands)
	conds, args = among(conds, args, product+".department", set.Departments)
	conds, args = among(conds, args, product+".category", set.Categories)
	conds, args = among(conds, args, product+".type", set.Types)
	return "(" + strings.Join(conds, " and ") + ")", args
}

// among adds "column in (…)" for a dimension that lists something.
func among[T ~string](conds []string, args []any, column string, words []T) ([]string, []any) {
	if len(words) == 0 {
		return conds, args
	}
	places := make([]string, len(words))
	for i, w := range words {
		args = append(args, string(w))
		places[i] = "$" + strconv.Itoa(len(args))
	}
	return append(conds, column+" in ("+strings.Join(places, ", ")+")"), args
}
