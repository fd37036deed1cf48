package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"

	"endcap/gate/api/admin"
	"endcap/gate/cli"
	"endcap/keep/backup"
)

type keyRecoveryCmd struct {
	cli.DirFlags
	Out     string `help:"Write the key to this new file. Take it away from this machine." required:"" type:"path"`
	Replace bool   `help:"Have backups made for this key from now on, and for the old one no more."`
}

// Help shows an example.
func (*keyRecoveryCmd) Help() string {
	return "endcap key recovery --dir /srv/endcap --out /media/stick/endcap.recovery"
}

// Run draws a recovery key, writes it down and gives the house its public half.
func (c *keyRecoveryCmd) Run(ctx context.Context, m *Main) error {
	return m.session().WithOwner(ctx, c.Dir, func(o *cli.Client) error {
		key, err := backup.NewRecoveryKey()
		if err != nil {
			return err
		}
		if err := key.Write(c.Out, wall()); errors.Is(err, fs.ErrExist) {
			return cli.Misused(fmt.Errorf("%s exists already: name a new file", c.Out))
		} else if err != nil {
			return err
		}
		in := admin.RecoveryKey{Public: key.Public().Text(), Replace: c.Replace}
		if err := o.Ask(ctx, "PUT /v1/recovery-key", in, nil); err != nil {
			return errors.Join(err, os.Remove(c.Out))
		}
		_, err = fmt.Fprintf(m.Stdout, "recovery key %s is in %s: without it no backup can be read, and whoever has it can read them all; keep it away from this machine\n", key.Public().Name(), c.Out)
		return err
	})
}
