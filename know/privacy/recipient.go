package privacy

import (
	"context"
	"slices"

	"endcap/retail"
	"endcap/retail/shopper"
)

// partnersOf are the partners that were told a name for a person.
func (o *Office) partnersOf(ctx context.Context, who shopper.ID) (partners []string, err error) {
	members, err := o.People.Members(ctx, who)
	if err != nil {
		return nil, err
	}
	for _, id := range members {
		told, err := o.Vault.ToldOf(ctx, id)
		if err != nil {
			return nil, err
		}
		for _, t := range told {
			partners = append(partners, t.Partner)
		}
	}
	slices.Sort(partners)
	return slices.Compact(partners), nil
}

// recipients says in words who was told anything about a person, and when.
func (o *Office) recipients(ctx context.Context, members []shopper.ID) ([]string, error) {
	out := []string{}
	for _, id := range members {
		told, err := o.Vault.ToldOf(ctx, id)
		if err != nil {
			return nil, err
		}
		for _, t := range told {
			out = append(out, "partner "+t.Partner+": that you are among the shoppers it asked about, under a name of its own for you, from "+
				retail.DayOf(t.First, t.First.Location()).String()+" to "+retail.DayOf(t.Last, t.Last.Location()).String()+"; no purchase went with it")
		}
	}
	return append(out, "nobody else by this house, but for other_recipients if there are any; advertisers are told totals of many shoppers"), nil
}
