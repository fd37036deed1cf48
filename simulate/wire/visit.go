package wire

import (
	"strconv"

	"endcap/retail"
	"endcap/simulate/life"
)

// Visit is one question for a decision: a search on the site, or a trip that
// comes by a screen.
type Visit struct {
	ID       string // the same in every run
	Shopper  int
	At       int64 // microseconds since 1970
	Keys     map[string]string
	Online   bool
	Store    string
	Query    string
	Category int
}

// Trip is what a trip with a card is shown in the aisle at an instant.
func Trip(w *life.World, r *life.Receipt, at int64) *Visit {
	return &Visit{
		ID: "trip-" + strconv.FormatInt(r.ID, 10), Shopper: int(r.Shopper), At: at, Keys: Keys(&r.Card, nil),
		Store: w.Grocer.Stores[r.Store].ID, Category: w.Aisle(r),
	}
}

// Screened reports whether a receipt's trip came by a screen that knew her: she
// showed a card, and shopped for more than fuel.
func Screened(w *life.World, r *life.Receipt, lines []life.Line) bool {
	return !r.Online && !r.Return && r.Card != 0 && !w.IsFuel(lines[0].Product)
}

// Browsing is the visit of a session's nth search, from 1.
func Browsing(w *life.World, s *life.Session, step *life.Step, n int) *Visit {
	return &Visit{
		ID: "site-" + strconv.FormatInt(s.ID, 10) + "-" + strconv.Itoa(n), Shopper: s.Shopper, At: step.At, Keys: SignedIn(w, s), Online: true,
		Store: w.Grocer.Stores[w.Grocer.OnlineShop()].ID, Query: step.Query, Category: int(step.Category),
	}
}

// SignedIn is by which key the site knows who has a session: her account where
// she is signed in, else the device.
func SignedIn(w *life.World, s *life.Session) map[string]string {
	if number, has := w.Crowd.Account(s.Shopper); has && s.Known {
		return Keys(nil, &number)
	}
	return map[string]string{"device": w.Crowd.Device(s.Shopper, s.Device)}
}

// Question is the body that asks for a visit's decision, with every placement of
// its channel that shows reports to be there.
func (v *Visit) Question(w *life.World, shows func(placement int) bool) map[string]any {
	asked := []map[string]any{}
	for i := range Placements {
		if (i != Screen) == v.Online && shows(i) {
			asked = append(asked, map[string]any{"placement": Placements[i].ID, "slots": Placements[i].Slots})
		}
	}
	return map[string]any{
		"shopper": v.Keys, "channel": Channel(v.Online), "store": v.Store, "placements": asked,
		"page": map[string]string{"query": v.Query, "category": w.Grocer.Categories[v.Category].Name},
	}
}

// Answer is what is read of a decision.
type Answer struct {
	Decision  string `json:"decision"`
	Sponsored []struct {
		Placement string `json:"placement"`
		Items     []Item `json:"items"`
	} `json:"sponsored"`
}

// Item is one sponsored product of an answer.
type Item struct {
	Slot    int    `json:"slot"`
	Product string `json:"product"`
	Token   string `json:"token"`
}

// Each calls do with every sponsored product and the index of its placement.
func (a *Answer) Each(do func(placement int, item *Item)) {
	for _, at := range a.Sponsored {
		for i := range Placements {
			if Placements[i].ID == at.Placement {
				for j := range at.Items {
					do(i, &at.Items[j])
				}
			}
		}
	}
}

// forLook is what looks and clicks are drawn for; it differs from the numbers of
// the simulator's other rooms.
const forLook = 402

// Glance is whether a shopper looks at an advert at a place of a visit, and
// clicks on it. In the aisle nobody clicks.
func Glance(w *life.World, v *Visit, placement, slot int, product int32) (looks, clicks bool) {
	id := uint64(0)
	for _, b := range []byte(v.ID) {
		id = retail.Mix(id*31 + uint64(b))
	}
	s := w.Crowd.Key().For(forLook).For(id).For(uint64(placement)<<8 | uint64(slot)).Stream()
	looks = s.Chance(life.Examine(slot + 1))
	clicks = s.Chance(w.Clicks(v.Shopper, product)) && looks && v.Online
	return looks, clicks
}
