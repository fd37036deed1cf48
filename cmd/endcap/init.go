package main

import (
	"fmt"
	"time"

	"endcap/gate/cli"
	"endcap/retail"
	"endcap/retail/catalog"
)

type initCmd struct {
	cli.DirFlags
	Name       string          `help:"The retailer's name." default:"Endcap"`
	Zone       string          `help:"Time zone of the business day." default:"UTC" placeholder:"Europe/Paris"`
	Currency   retail.Currency `help:"Currency of receipts that name none." default:"EUR"`
	Demo       bool            `help:"Allow a replay clock and seeded shopper ids; shown on every report."`
	Seed       string          `help:"Seed of shopper ids (demo only)."`
	ClockStart time.Time       `help:"Where the replay clock begins (demo only)." format:"2006-01-02T15:04:05Z07:00"`
	Dataset    string          `help:"What the data is; shown with every figure."`
	MinShopper int             `name:"shoppers-min" help:"Tell advertisers nothing about fewer shoppers." default:"50"`
	Never      []string        `name:"never-propose" help:"Departments whose products are never proposed, such as fuel." sep:","`
	NewToBrand int             `name:"new-to-brand-days" help:"Look-back that makes a buyer new to a brand." default:"365"`
}

// Help shows an example.
func (*initCmd) Help() string {
	return "endcap init --dir /srv/endcap --zone Europe/Paris --currency EUR"
}

// Run makes the data directory.
func (c *initCmd) Run(m *Main) error {
	s := settings{
		Layout: layout, Name: c.Name, Zone: c.Zone, Currency: c.Currency, Demo: c.Demo, Seed: c.Seed,
		Dataset: c.Dataset, ShoppersMin: c.MinShopper, NewToBrand: c.NewToBrand,
	}
	for _, d := range c.Never {
		s.NeverOffer.Departments = append(s.NeverOffer.Departments, catalog.Department(d))
	}
	if !c.ClockStart.IsZero() {
		s.ClockStart = &c.ClockStart
	}
	if err := writeSettings(c.Dir, &s); err != nil {
		return err
	}
	_, err := fmt.Fprintf(m.Stdout, "made %s\n", c.Dir)
	return err
}
