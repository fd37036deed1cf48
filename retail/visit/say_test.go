package visit_test

import (
	"testing"

	"endcap/retail"
	"endcap/retail/catalog"
	"endcap/retail/visit"
)

func TestReasonsAsAShopperReadsThem(t *testing.T) {
	t.Parallel()
	today := retail.Day(1_000)
	for want, p := range map[string]visit.Proposal{
		"bought 6 times, usually every 9 days":                {Reason: visit.BoughtOften, Count: 6, Every: 9},
		"bought once":                                         {Reason: visit.BoughtOften, Count: 1},
		"bought 2 times, usually every day, due today":        {Reason: visit.DueAgain, Count: 2, Every: 1, Due: today},
		"bought 3 times, usually every 28 days, due in 1 day": {Reason: visit.DueAgain, Count: 3, Every: 28, Due: today + 1},
		"bought once, due since 4 days":                       {Reason: visit.DueAgain, Count: 1, Due: today - 4},
		"goes with: Penne":                                    {Reason: visit.GoesWith, Other: "pasta"},
		"goes with what you have chosen":                      {Reason: visit.GoesWith, Other: "nameless"},
		"instead of: Penne":                                   {Reason: visit.InsteadOf, Other: "pasta"},
		"instead of what you looked at":                       {Reason: visit.InsteadOf},
		"you looked at it":                                    {Reason: visit.LookedAt},
		"more and more people buy it":                         {Reason: visit.Rising},
		"popular at your store":                               {Reason: visit.PopularStore},
		"popular in this category":                            {Reason: visit.PopularInRange},
		"fits your search":                                    {Reason: visit.Matches},
		"we recommend it":                                     {Reason: visit.Chosen},
		"popular":                                             {Reason: visit.Popular},
	} {
		if got := p.Say(today, func(id catalog.ProductID) string { return map[catalog.ProductID]string{"pasta": "Penne"}[id] }); got != want {
			t.Errorf("%s reads %q, want %q", p.Reason, got, want)
		}
	}
}
