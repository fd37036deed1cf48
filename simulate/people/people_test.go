package people_test

import (
	"math"
	"strings"
	"testing"

	"endcap/retail/consent"
	"endcap/simulate/grocer"
	"endcap/simulate/model"
	"endcap/simulate/people"
	"endcap/simulate/scenario"
)

func crowd(t *testing.T, turn func(*scenario.Scenario)) *people.Crowd {
	t.Helper()
	s := scenario.Defaults()
	s.Shoppers, s.Weeks, s.Seed, s.Products = 20_000, 1, 13, 1_000
	if turn != nil {
		turn(&s)
	}
	p := model.Fitted()
	g, err := grocer.Open(&s, p, nil)
	if err != nil {
		t.Fatal(err)
	}
	c, err := people.Gather(t.Context(), &s, p, g)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestShoppersAreSpreadAsTheModelSays(t *testing.T) {
	t.Parallel()
	c, p := crowd(t, nil), model.Fitted()
	var lines, fuel, rates float64
	segments := make(map[string]int)
	for i := range c.Shoppers {
		s := &c.Shoppers[i]
		lines += float64(s.Lines) / float64(len(c.Shoppers))
		fuel += float64(s.Fuel) / float64(len(c.Shoppers))
		rates += float64(s.Rate) / float64(len(c.Shoppers))
		segments[people.Segment(s, p)]++
	}
	if want := p.Lines.Mean(); math.Abs(lines-want) > 0.03*want {
		t.Errorf("a basket has %.2f lines, want %.2f", lines, want)
	}
	if want := p.FuelShare.Mean(); math.Abs(fuel-want) > 0.05*want {
		t.Errorf("%.4f of trips are for fuel, want %.4f", fuel, want)
	}
	if rates <= 0 || rates > 2 {
		t.Errorf("%.3f trips a day", rates)
	}
	if len(segments) != 7 {
		t.Errorf("segments %v", segments)
	}
}

func TestKeysAreSharedMissingAndMisheardAsTheScenarioSays(t *testing.T) {
	t.Parallel()
	c := crowd(t, func(s *scenario.Scenario) { s.CardShared, s.EmailWrong, s.Card, s.Account = 0.2, 0.1, 0.9, 0.5 })
	accounts, devices := make(map[int64]bool), make(map[string]int)
	users := make(map[int64]int)
	var without, misheard, two float64
	n := float64(len(c.Shoppers))
	for i := range c.Shoppers {
		if card, _, has := c.Card(i); has {
			users[card]++
		} else {
			without += 1 / n
		}
		if account, has := c.Account(i); has {
			if accounts[account] {
				t.Fatalf("account %d comes twice", account)
			}
			accounts[account] = true
		}
		if at, desk := c.Email(i); at != desk {
			misheard += 1 / n
		}
		for x := range uint64(3) {
			devices[c.Device(i, x)] = i
		}
		if c.Device(i, 0) != c.Device(i, 1) {
			two += 1 / n
		}
	}
	shared := 0.0
	for _, u := range users {
		if u > 2 {
			t.Fatalf("%d shoppers use one card", u)
		}
		if u == 2 {
			shared += 2 / n
		}
	}
	for _, m := range []struct {
		name            string
		got, from, upTo float64
	}{
		{"accounts", float64(len(accounts)) / n, 0.48, 0.52},
		{"without a card", without, 0.06, 0.11},
		{"misheard", misheard, 0.09, 0.11},
		{"two devices", two, 0.33, 0.37},
		{"of a shared card", shared, 0.2, 0.33},
		{"devices", float64(len(devices)) / n, 1.33, 1.37},
	} {
		if m.got < m.from || m.got > m.upTo {
			t.Errorf("%s: %.3f, want %.2f to %.2f", m.name, m.got, m.from, m.upTo)
		}
	}
}

func TestOnlyThoseWithAKeySayAnythingAndInPurposesThatExist(t *testing.T) {
	t.Parallel()
	c := crowd(t, func(s *scenario.Scenario) { s.Withdraw = 0.3 })
	var allowed, asked, withdrawn float64
	for i := range c.Shoppers {
		say := c.Saying(i)
		_, _, card := c.Card(i)
		_, account := c.Account(i)
		if !card && !account {
			if say.Said {
				t.Fatal("somebody without a key was asked")
			}
			continue
		}
		asked++
		if say.Allowed == "none" {
			if say.Withdraw >= 0 {
				t.Fatal("who allowed nothing withdraws")
			}
			continue
		}
		for word := range strings.SplitSeq(say.Allowed, ",") {
			if _, err := consent.ParsePurpose(word); err != nil || !say.Said {
				t.Fatalf("said %v: %v", say, err)
			}
		}
		allowed++
		if say.Withdraw >= 0 {
			withdrawn++
		}
	}
	if share := allowed / asked; share < 0.68 || share > 0.72 {
		t.Errorf("%.3f of those asked allow offers", share)
	}
	if share := withdrawn / allowed; share < 0.28 || share > 0.32 {
		t.Errorf("%.3f of those withdraw", share)
	}
}

func TestACardSaysWhoseItIs(t *testing.T) {
	t.Parallel()
	c := crowd(t, func(s *scenario.Scenario) { s.Card, s.CardShared = 1, 0.3 })
	for i := range c.Shoppers {
		number, owner, has := c.Card(i)
		if got := c.CardOf(number); has && got != owner {
			t.Fatalf("shopper %d's card is shopper %d's, and said to be %d's", i, owner, got)
		}
	}
}
