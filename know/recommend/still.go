package recommend

import "endcap/retail/visit"

// Still is a Recommender as it stood at one instant, for lists of many shoppers that
// are to be made alike: newer models, rules and rows of the catalogue do not count,
// what is in stock does.
type Still struct {
	of *Recommender
	ix *index
	Versions
}

// Versions say what lists are made by: of the popularity, of the related products and
// of the rules; 0 before the first.
type Versions struct{ Model, Related, Rules uint64 }

// Still gives the Recommender as it stands.
func (r *Recommender) Still() *Still {
	r.refresh.Lock()
	defer r.refresh.Unlock()
	return &Still{r, r.now.Load(), Versions{r.trained, r.stood, r.ruled}}
}

// Propose is the Recommender's Propose.
func (s *Still) Propose(section []byte, v *visit.Visit, n int) visit.Proposed {
	return s.of.propose(s.ix, section, v, n)
}
