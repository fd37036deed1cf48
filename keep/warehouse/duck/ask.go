package duck

import (
	"context"
	"fmt"
	"slices"

	"endcap/keep/warehouse"
)

// Query answers a question of the product over the views of its purpose.
func (w *Warehouse) Query(ctx context.Context, q warehouse.Query) (*warehouse.Result, error) {
	if err := knownPurpose(q.Purpose); err != nil {
		return nil, err
	}
	if w.opts.Check != nil {
		if err := w.opts.Check(q.SQL); err != nil {
			return nil, fmt.Errorf("query %s: %w: %w", q.Name, warehouse.ErrQuery, err)
		}
	}
	var out *warehouse.Result
	err := w.with(ctx, schemaOf(q.Purpose), func(c *conn) error {
		var err error
		out, err = c.ask(ctx, q.SQL, q.Args...)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("query %s: %w", q.Name, err)
	}
	return out, nil
}

func knownPurpose(p warehouse.Purpose) error {
	if !slices.Contains(purposes(), string(p)) {
		return fmt.Errorf("%w: there is no purpose %.40q", warehouse.ErrQuery, string(p))
	}
	return nil
}
