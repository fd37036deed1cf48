package recommend

import (
	"endcap/retail/shopper"
	"endcap/retail/visit"
)

// Still is a Recommender as it stood at one instant, for lists of many shoppers that
// are to be made alike: newer models, rules and rows of the catalogue do not count,
// what is in stock does, and so does that somebody left the next-basket model.
type Still struct {
	of   *Recommender
	from lore
	Versions
}

// Versions say what lists are made by: of the popularity, of the related products, of
// the next-basket model and of the rules; 0 for none.
type Versions struct {
	Model   uint64 `json:"model"`
	Related uint64 `json:"related"`
	Next    uint64 `json:"next_basket"`
	Rules   uint64 `json:"rules"`
}

// Still gives the Recommender as it stands.
func (r *Recommender) Still() *Still {
	r.refresh.Lock()
	defer r.refresh.Unlock()
	s := &Still{of: r, from: r.lore(), Versions: Versions{Model: r.trained, Related: r.stood, Rules: r.ruled}}
	if s.from.served != nil {
		s.Next = s.from.served.Number
	}
	return s
}

// Propose is the Recommender's Propose.
func (s *Still) Propose(who shopper.ID, section []byte, v *visit.Visit, n int) visit.Proposed {
	from := s.from
	if now := s.of.lore().served; now != nil && now.Number == s.Next {
		from.served = now // the same version, without who left it meanwhile
	}
	return s.of.propose(from, who, section, v, n)
}
