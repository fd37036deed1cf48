package mapping

import (
	"fmt"
	"slices"
	"time"

	"endcap/retail"
)

// Members is how a file is read whose rows are a shopper each, with keys of hers
// and whatever else is known of her: keys says which column holds which key, by
// the field's word, or email and phone for those in clear, and traits lists the other columns, whose texts become Trait,
// Trait+1 and so on. Every column must be in the file; any of its values may be
// empty.
func Members(keys map[string]string, traits []string) (*Feed, error) {
	if len(keys) == 0 || len(traits) > TraitsMax {
		return nil, invalidMembers("a key and up to %d other columns are read, these are %d and %d", TraitsMax, len(keys), len(traits))
	}
	f := &Feed{Kind: "members", Mapping: &Mapping{Name: "members", Zone: time.UTC}, Delimiter: ',', Decimal: '.'}
	seen := make(map[string]bool)
	add := func(n Name, column string) error {
		if column == "" || seen[column] {
			return invalidMembers("column %.40q is named twice, or has no name", column)
		}
		seen[column] = true
		f.fields[n] = &Field{Name: n, Column: column, Zone: time.UTC}
		return nil
	}
	for word, column := range keys {
		of := map[string]Name{"email": EmailHash, "phone": PhoneHash}
		n, clear := of[word]
		if at := slices.IndexFunc(Keys(), func(n Name) bool { return n.String() == word }); at >= 0 {
			n = Keys()[at]
		} else if !clear {
			return nil, invalidMembers("%.40q is no kind of key: %s, or in clear email, phone", word, join(words(Keys())))
		}
		if f.fields[n] != nil {
			return nil, invalidMembers("%.40q is read in clear and hashed at once", n.String())
		}
		if err := add(n, column); err != nil {
			return nil, err
		}
		f.fields[n].Clear = clear
	}
	for n, column := range traits {
		if err := add(Trait+Name(n), column); err != nil {
			return nil, err
		}
	}
	return f, nil
}

func words(names []Name) []string {
	out := make([]string, len(names))
	for i, n := range names {
		out[i] = n.String()
	}
	return out
}

func invalidMembers(say string, args ...any) error {
	return &retail.Error{Kind: retail.Invalid, Field: "key", Say: fmt.Sprintf(say, args...), Cure: "name each column once"}
}
