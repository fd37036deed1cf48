package folder

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"slices"
	"strconv"

	"endcap/simulate/life"
	"endcap/simulate/people"
	"endcap/simulate/rows"
)

type truthShopper struct {
	Shopper int32   `parquet:"shopper"`
	Segment string  `parquet:"segment,dict"`
	Rate    float32 `parquet:"rate"`  // daily intensity of trips
	Lines   float32 `parquet:"lines"` // mean of a basket
	Worth   float32 `parquet:"worth"`
	Fuel    float32 `parquet:"fuel"`
	Deals   float32 `parquet:"deals"` // how much she follows promotions, 0 to 1
	Store   string  `parquet:"store,dict"`
	Allowed string  `parquet:"allowed,dict"` // what she consented to before the first day
	Said    bool    `parquet:"said"`
}

// truthShoppers writes what kind of shopper each is.
func truthShoppers(ctx context.Context, w *writer, name string) (int64, error) {
	return stream(ctx, w, name, func(yield func(truthShopper) error) error {
		for i := range w.world.Crowd.Shoppers {
			s := &w.world.Crowd.Shoppers[i]
			say := w.world.Crowd.Saying(i)
			err := yield(truthShopper{
				Shopper: int32(i), Segment: people.Segment(s, w.Model), Rate: s.Rate, Lines: s.Lines, Worth: s.Worth, Fuel: s.Fuel,
				Deals: float32(s.Deals) / 255, Store: w.world.Grocer.Stores[s.Store].ID, Allowed: say.Allowed, Said: say.Said,
			})
			if err != nil {
				return err
			}
		}
		return nil
	})
}

type truthLink struct {
	Shopper int32  `parquet:"shopper"`
	Kind    string `parquet:"kind,dict"`
	Key     string `parquet:"key"`
	Wrong   bool   `parquet:"wrong"` // it is hers by mistake: a partner's card, a misheard address
}

// truthLinks writes which keys are whose, mistakes named as such: cards, and what
// the retailer's systems know. Nobody can find a key that no file carries: it has
// no link.
func truthLinks(ctx context.Context, w *writer, name string) (int64, error) {
	return stream(ctx, w, name, func(yield func(truthLink) error) error {
		for i := range w.world.Crowd.Shoppers {
			for _, l := range w.links(i) {
				if err := yield(l); err != nil {
					return err
				}
			}
		}
		return nil
	})
}

// links are those of shopper i.
func (w *writer) links(i int) []truthLink {
	who := int32(i)
	var links []truthLink
	if card, owner, has := w.world.Crowd.Card(i); has {
		links = append(links, truthLink{who, "card", strconv.FormatInt(card, 10), owner != i})
	}
	account, _ := w.world.Crowd.Email(i)
	hers := hex.EncodeToString(account[:])
	for _, row := range rows.Known(w.world, i) {
		if row.Account != nil {
			links = append(links, truthLink{who, "account", strconv.FormatInt(*row.Account, 10), false})
		}
		if row.Device != nil {
			links = append(links, truthLink{who, "device", *row.Device, false})
		}
		if row.Email == nil {
			continue
		}
		if l := (truthLink{who, "email_sha256", *row.Email, *row.Email != hers}); !slices.Contains(links, l) {
			links = append(links, l)
		}
	}
	return links
}

// seenLinks writes whose the devices are that visits of a week show and the
// online shop has not on record.
func (w *writer) seenLinks(ctx context.Context, week int, who []int32) error {
	slices.Sort(who)
	who = slices.Compact(who)
	_, err := stream(ctx, w, weekFile("truth/links", week+1), func(yield func(truthLink) error) error {
		for _, i := range who {
			if err := yield(truthLink{i, "device", w.world.Crowd.Device(int(i), 0), false}); err != nil {
				return err
			}
		}
		return nil
	})
	return err
}

// truthClicks writes by which probabilities shoppers click.
func truthClicks(_ context.Context, w *writer, name string) (int64, error) {
	type clicks struct {
		Declared string    `json:"declared"`
		About    string    `json:"about"`
		Examine  []float64 `json:"examine"` // by position from 1
		Known    float64   `json:"known"`
		Unknown  float64   `json:"unknown"`
	}
	c := clicks{
		Declared: Declared, About: "A result is clicked with probability examine[position] × known or unknown, by whether it is in the shopper's repertoire of the category.",
		Known: life.ClickKnown, Unknown: life.ClickUnknown,
	}
	for position := range life.Results {
		c.Examine = append(c.Examine, life.Examine(position+1))
	}
	text, err := json.MarshalIndent(&c, "", "  ")
	if err != nil {
		return 0, err
	}
	return 1, w.put(name, append(text, '\n'))
}

// truthCoupons writes the planted effect of coupons.
func truthCoupons(_ context.Context, w *writer, name string) (int64, error) {
	text, err := json.MarshalIndent(map[string]any{"declared": Declared, "about": rows.AboutMoved, "terms": life.Planted()}, "", "  ")
	if err != nil {
		return 0, err
	}
	return 1, w.put(name, append(text, '\n'))
}
