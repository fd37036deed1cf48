package mapping

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"endcap/know/identity/identifier"
	"endcap/retail"
)

// Limits of a mapping file.
const (
	FileMax  = 1 << 20 // bytes
	depthMax = 8
	wordsMax = 10_000
	nameMax  = 40
)

// file is a mapping as JSON.
type file struct {
	Name     string             `json:"name"`
	About    string             `json:"about"`
	Zone     string             `json:"zone"`
	Currency retail.Currency    `json:"currency"`
	Feeds    map[Kind]*feedFile `json:"feeds"`
}

type feedFile struct {
	Delimiter string               `json:"delimiter"`
	Decimal   string               `json:"decimal"`
	Header    []string             `json:"header"`
	Sorted    *bool                `json:"sorted"`
	Columns   map[string]fieldFile `json:"columns"`
}

type fieldFile struct {
	Column   string            `json:"column"`
	Constant string            `json:"constant"`
	Optional bool              `json:"optional"`
	Sign     string            `json:"sign"`
	As       string            `json:"as"`
	Country  string            `json:"country"`
	Prefix   string            `json:"prefix"`
	Words    map[string]string `json:"words"`
	Format   string            `json:"format"`
	Zone     string            `json:"zone"`
	First    string            `json:"first"`
}

// UnmarshalJSON reads a column's name, or an object with more to say.
func (f *fieldFile) UnmarshalJSON(b []byte) error {
	if len(b) > 0 && b[0] == '"' {
		return json.Unmarshal(b, &f.Column)
	}
	type plain fieldFile
	return decodeStrict(b, (*plain)(f))
}

// Parse reads a mapping file. Every mistake is a retail.Error that names the
// place and the cure; unknown and repeated fields are mistakes.
func Parse(b []byte) (*Mapping, error) {
	if len(b) > FileMax {
		return nil, wrong("", fmt.Sprintf("a mapping has at most %d bytes, this has %d", FileMax, len(b)), "")
	}
	if err := unique(b); err != nil {
		return nil, err
	}
	var in file
	if err := decodeStrict(b, &in); err != nil {
		return nil, wrong("", "not a mapping: "+strings.TrimPrefix(err.Error(), "json: "), "see docs/data-mapping.md")
	}
	return in.mapping()
}

func decodeStrict(b []byte, into any) error {
	dec := json.NewDecoder(bytes.NewReader(b))
	dec.DisallowUnknownFields()
	if err := dec.Decode(into); err != nil {
		return err
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return errors.New("something follows the closing brace")
	}
	return nil
}

func wrong(field, say, cure string) error {
	return &retail.Error{Kind: retail.Invalid, Field: field, Say: say, Cure: cure}
}

func (in *file) mapping() (*Mapping, error) {
	m := &Mapping{Name: in.Name, About: in.About, Currency: in.Currency, feeds: map[Kind]*Feed{}}
	if in.Name == "" || len(in.Name) > nameMax || strings.Trim(in.Name, "abcdefghijklmnopqrstuvwxyz0123456789-_.") != "" {
		return nil, wrong("name", fmt.Sprintf("%.50q is not a name", in.Name), "use 1 to 40 of a-z, 0-9, '-', '_', '.'")
	}
	if err := in.Currency.Check(); err != nil {
		return nil, wrong("currency", err.Error(), "")
	}
	var err error
	if m.Zone, err = zone("zone", in.Zone); err != nil {
		return nil, err
	}
	if len(in.Feeds) == 0 {
		return nil, wrong("feeds", "there are none", "name at least one of "+join(Kinds()))
	}
	for k, ff := range in.Feeds {
		at := "feeds." + string(k)
		if required, optional := kindFields(k); required == nil && optional == nil {
			return nil, wrong(at, "no such kind of file", "use one of "+join(Kinds()))
		}
		if ff == nil {
			return nil, wrong(at, "it is null", "give it columns")
		}
		if m.feeds[k], err = ff.feed(m, k, at); err != nil {
			return nil, err
		}
	}
	return m, nil
}

func zone(at, name string) (*time.Location, error) {
	if name == "" || name == "Local" {
		return nil, wrong(at, "a zone is missing", `name an IANA zone such as "Europe/Paris" or "UTC"`)
	}
	loc, err := time.LoadLocation(name)
	if err != nil {
		return nil, wrong(at, fmt.Sprintf("unknown zone %.40q", name), `name an IANA zone such as "Europe/Paris" or "UTC"`)
	}
	return loc, nil
}

func (ff *feedFile) feed(m *Mapping, k Kind, at string) (*Feed, error) {
	f := &Feed{Kind: k, Mapping: m, Delimiter: ',', Decimal: '.', Header: ff.Header, Sorted: k != Promotions && (ff.Sorted == nil || *ff.Sorted)}
	if k == Promotions && ff.Sorted != nil && *ff.Sorted {
		return nil, wrong(at+".sorted", "promotions are always put together from wherever their rows lie", "leave it out")
	}
	if ff.Delimiter != "" {
		if len(ff.Delimiter) != 1 || strings.ContainsAny(ff.Delimiter, "\"\r\n\x00") || ff.Delimiter[0] >= 0x80 {
			return nil, wrong(at+".delimiter", fmt.Sprintf("%.20q cannot separate columns", ff.Delimiter), "use one ASCII character")
		}
		f.Delimiter = ff.Delimiter[0]
	}
	switch ff.Decimal {
	case "", ".":
	case ",":
		f.Decimal = ','
	default:
		return nil, wrong(at+".decimal", fmt.Sprintf("%.20q is no decimal mark", ff.Decimal), `use "." or ","`)
	}
	required, optional := kindFields(k)
	for word, in := range ff.Columns {
		place := at + ".columns." + word
		n, ok := find(word, required, optional)
		if !ok {
			return nil, wrong(place, string(k)+" have no such field", "use "+join(wordsOf(append(required, optional...))))
		}
		field, err := in.field(m, n, place)
		if err == nil {
			err = in.clear(field, k, place)
		}
		if err != nil {
			return nil, err
		}
		f.fields[n] = field
	}
	for _, field := range f.Fields() {
		for _, other := range f.Fields() {
			if field.Clear && other != field && other.Column == field.Column {
				return nil, wrong(at+".columns."+other.Name.String(), fmt.Sprintf("column %.40q is read in clear and may fill no other field", field.Column), "name another column")
			}
		}
	}
	return f, f.complete(required, at)
}

func find(word string, lists ...[]Name) (Name, bool) {
	for _, list := range lists {
		for _, n := range list {
			if n.String() == word {
				return n, true
			}
		}
	}
	return 0, false
}

func wordsOf(list []Name) []string {
	out := make([]string, len(list))
	for i, n := range list {
		out[i] = n.String()
	}
	return out
}

// complete marks required fields and says which are missing.
func (f *Feed) complete(required []Name, at string) error {
	for _, n := range required {
		field := f.fields[n]
		if field == nil || field.Column == "" {
			return wrong(at+".columns", fmt.Sprintf("%q is missing", n), "name its column")
		}
		field.Required, field.Optional = true, false
	}
	switch f.Kind {
	case Receipts:
		if f.fields[Sales] == nil && f.fields[UnitPrice] == nil {
			return wrong(at+".columns", `"sales" and "unit_price" are both missing`, "name the column of one")
		}
		if total := f.fields[Sales]; total != nil {
			total.Required, total.Optional = true, false
		} else {
			f.fields[UnitPrice].Required, f.fields[UnitPrice].Optional = true, false
		}
		for _, n := range []Name{Quantity, TimeOfDay} {
			if field := f.fields[n]; field != nil {
				field.Required = !field.Optional
			}
		}
	case Shoppers:
		return f.named(at)
	case Consents:
		if err := f.told(at); err != nil {
			return err
		}
		return f.named(at)
	default:
	}
	return nil
}

// named says whether a column names the shopper.
func (f *Feed) named(at string) error {
	for _, n := range Keys() {
		if f.fields[n] != nil {
			return nil
		}
	}
	return wrong(at+".columns", "no column names the shopper", "name the column of one of "+join(wordsOf(Keys())))
}

// told says whether columns tell what each shopper said. Where a consent string
// may tell it instead, a row need not list purposes.
func (f *Feed) told(at string) error {
	for _, n := range []Name{Allowed, Refused, TCF} {
		if field := f.fields[n]; field != nil && field.Column == "" {
			return wrong(at+".columns."+n.String()+".constant", "nobody says the same as everybody", "name a column")
		}
	}
	switch allowed := f.fields[Allowed]; {
	case f.fields[TCF] != nil:
	case allowed == nil:
		return wrong(at+".columns", `"allowed" and "tcf" are both missing`, "name the column of one")
	default:
		allowed.Required, allowed.Optional = true, false
	}
	return nil
}

func (in *fieldFile) field(m *Mapping, n Name, at string) (*Field, error) {
	f := &Field{
		Name: n, Column: in.Column, Constant: in.Constant, Optional: in.Optional,
		Prefix: in.Prefix, Words: in.Words, Zone: m.Zone,
	}
	if (in.Column == "") == (in.Constant == "") {
		return nil, wrong(at, "it needs either a column or a constant", "")
	}
	if in.Constant != "" && n.Form() != Text {
		return nil, wrong(at+".constant", "only texts can be constants", "name a column")
	}
	if len(in.Words) > wordsMax {
		return nil, wrong(at+".words", fmt.Sprintf("there are more than %d", wordsMax), "")
	}
	if n.Form() != Text && (in.Prefix != "" || in.Words != nil || in.As != "") {
		return nil, wrong(at, "prefix, words and as are for texts", "")
	}
	switch in.As {
	case "":
	case "whole_number":
		f.Plain = true
	case "clear":
		f.Clear = true
	default:
		return nil, wrong(at+".as", fmt.Sprintf("unknown %.20q", in.As), `use "whole_number" or "clear", or leave it out`)
	}
	switch {
	case in.Sign == "" || in.Sign == "positive":
	case in.Sign == "negative" && n.Form() == Money:
		f.Negative = true
	default:
		return nil, wrong(at+".sign", fmt.Sprintf("%.20q is not possible here", in.Sign), `use "positive" or "negative", for amounts`)
	}
	return f, in.instant(f, at)
}

// clear checks what only addresses and telephone numbers in clear have.
func (in *fieldFile) clear(f *Field, k Kind, at string) error {
	f.Country = in.Country
	switch {
	case f.Clear && f.Name != EmailHash && f.Name != PhoneHash:
		return wrong(at+".as", "only email_sha256 and phone_sha256 are read in clear", "leave it out")
	case f.Clear && k != Shoppers && k != Consents:
		return wrong(at+".as", string(k)+" are not read with addresses in clear: a typing error would refuse the purchase", "name the shopper by another key, and tie the two in a file of shoppers")
	case f.Clear && (in.Column == "" || in.Prefix != "" || in.Words != nil):
		return wrong(at, "what is read in clear has a column, and neither prefix nor words", "")
	case in.Country != "" && (!f.Clear || f.Name != PhoneHash):
		return wrong(at+".country", "a country is for telephone numbers in clear", "leave it out")
	case in.Country != "" && !identifier.Dialled(in.Country):
		return wrong(at+".country", fmt.Sprintf("no numbers are dialled in %.10q", in.Country), `use two capital letters, such as "FR"`)
	}
	return nil
}

// instant reads what only times, times of day and weeks have.
func (in *fieldFile) instant(f *Field, at string) error {
	form := f.Name.Form()
	if form != Instant && (in.Zone != "" || form != Date && (in.Format != "" || in.First != "")) {
		return wrong(at, "zone, format and first are for times, weeks have format and first", "")
	}
	var err error
	if in.Zone != "" {
		if f.Zone, err = zone(at+".zone", in.Zone); err != nil {
			return err
		}
	}
	switch in.Format {
	case "", "iso8601":
	case "unix_seconds":
		f.Unix = time.Second
	case "unix_millis":
		f.Unix = time.Millisecond
	case "unix_micros":
		f.Unix = time.Microsecond
	case "day_number":
		f.Step = 1
	case "week_number":
		f.Step = 7
	default:
		f.Layout, err = layout(at+".format", in.Format)
	}
	if err == nil && form == Date && f.Unix != 0 {
		err = wrong(at+".format", "a week is no count of seconds", "use week_number, or a date such as %d/%m/%Y")
	}
	if err == nil {
		err = in.first(f, at+".first")
	}
	return err
}

// first reads the day from which a number of days or weeks counts.
func (in *fieldFile) first(f *Field, at string) error {
	if (in.First != "") != (f.Step != 0) {
		return wrong(at, "first goes with day_number and week_number, and they with it", `name the day of number 1, such as "2017-01-02"`)
	}
	if f.Step == 0 {
		return nil
	}
	var err error
	if f.First, err = retail.ParseDay(in.First); err != nil {
		return wrong(at, err.Error(), "")
	}
	return nil
}

// layout turns strftime's letters into Go's reference time.
func layout(at, format string) (string, error) {
	letters := map[byte]string{
		'Y': "2006", 'y': "06", 'm': "01", 'd': "02", 'e': "_2", 'H': "15", 'I': "03", 'M': "04", 'S': "05",
		'p': "PM", 'b': "Jan", 'B': "January", 'z': "-0700", 'f': "000000", 'T': "15:04:05", 'F': "2006-01-02", '%': "%",
	}
	var b strings.Builder
	for i := 0; i < len(format); i++ {
		c := format[i]
		if c != '%' {
			if c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' && c != 'T' && c != 'Z' {
				return "", wrong(at, fmt.Sprintf("%.40q has %q by itself", format, string(c)), "write it like %d/%m/%Y %H:%M")
			}
			b.WriteByte(c)
			continue
		}
		if i++; i == len(format) || letters[format[i]] == "" {
			return "", wrong(at, fmt.Sprintf("%.40q has an unknown letter after a per cent sign", format), "use %Y %m %d %H %M %S %y %I %p %b %z %f")
		}
		b.WriteString(letters[format[i]])
	}
	return b.String(), nil
}

// unique refuses JSON objects that name a field twice, which encoding/json
// would let pass.
func unique(b []byte) error {
	dec := json.NewDecoder(bytes.NewReader(b))
	type level struct {
		seen  map[string]bool // nil in an array
		value bool            // a key was read, its value comes
	}
	var open []level
	for {
		tok, err := dec.Token()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return wrong("", "not JSON: "+err.Error(), "see docs/data-mapping.md")
		}
		if top := len(open) - 1; top >= 0 && open[top].seen != nil && !open[top].value {
			if key, ok := tok.(string); ok {
				if open[top].seen[key] {
					return wrong(key, "it is written twice", "keep one")
				}
				open[top].seen[key], open[top].value = true, true
				continue
			}
		}
		switch tok {
		case json.Delim('{'), json.Delim('['):
			if len(open) == depthMax {
				return wrong("", "it is nested too deeply", "see docs/data-mapping.md")
			}
			l := level{}
			if tok == json.Delim('{') {
				l.seen = map[string]bool{}
			}
			open = append(open, l)
			continue
		case json.Delim('}'), json.Delim(']'):
			open = open[:len(open)-1]
		}
		if top := len(open) - 1; top >= 0 {
			open[top].value = false
		}
	}
}
