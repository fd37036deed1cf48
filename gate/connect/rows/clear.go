package rows

import (
	"bytes"
	"encoding/json"
	"errors"
	"slices"
	"strings"

	"endcap/gate/connect/mapping"
	"endcap/know/identity/identifier"
	"endcap/retail/shopper"
)

// hidden stands for what is not kept: an address that cannot be read, and a row
// whose columns cannot be told apart.
const hidden = "(hidden)"

// hashed reads an address or a telephone number in clear and gives its hash, the
// value of the key. The clear text stays nowhere. A hash is taken as it is, so
// that masked rows can be read again.
func (c *column) hashed(b []byte) (string, *complaint) {
	text := strings.TrimSpace(string(b))
	if text == "" {
		return "", nil
	}
	if key, err := shopper.ParseKey(shopper.KeyKind(c.Name.String()), text); err == nil {
		return key.Reveal(), nil
	}
	key, err := c.identify(text)
	if err != nil {
		why := strings.TrimPrefix(err.Error(), identifier.ErrIdentifier.Error()+": ")
		if !errors.Is(err, identifier.ErrIdentifier) {
			why = "it cannot be read"
		}
		return hidden, &complaint{BadText, why, "correct it in the file and load it again, or leave it empty; it was not kept"}
	}
	return key.Reveal(), nil
}

func (c *column) identify(text string) (shopper.Key, error) {
	if c.Name == mapping.EmailHash {
		e, err := identifier.ParseEmail(text)
		if err != nil {
			return shopper.Key{}, err
		}
		return e.Key(), nil
	}
	p, err := identifier.ParsePhone(text, c.Country)
	if err != nil {
		return shopper.Key{}, err
	}
	return p.Key(), nil
}

// masked implements layout. Columns that the mapping does not name are left
// empty: they may hold the address once more.
func (c *csv) masked(row []byte, b *Block, i int) []byte {
	if c.split(bytes.TrimSuffix(row, []byte{'\r'})) != nil || len(c.fields) != c.width {
		return []byte(hidden)
	}
	var out []byte
	for at, value := range c.fields {
		if at > 0 {
			out = append(out, c.delimiter)
		}
		k := slices.IndexFunc(c.cols, func(col textColumn) bool { return col.index == at })
		switch {
		case k < 0:
		case c.cols[k].Clear:
			out = appendCSV(out, b.Text[c.cols[k].Name][i], c.delimiter)
		default:
			out = appendCSV(out, string(value), c.delimiter)
		}
	}
	return out
}

// masked implements layout. Fields that the mapping does not name are left out.
func (n *ndjson) masked(row []byte, b *Block, i int) []byte {
	var object map[string]json.RawMessage
	if json.Unmarshal(row, &object) != nil {
		return []byte(hidden)
	}
	kept := make(map[string]any)
	for k := range n.cols {
		col := &n.cols[k]
		value, ok := object[col.Column]
		switch {
		case !ok:
		case col.Clear && b.Text[col.Name][i] == "" && (value[0] == '[' || value[0] == '{'):
			kept[col.Column] = hidden // no text, and so not read
		case col.Clear:
			kept[col.Column] = b.Text[col.Name][i]
		default:
			kept[col.Column] = value
		}
	}
	out, err := json.Marshal(kept)
	if err != nil {
		return []byte(hidden)
	}
	return out
}
