// Package linkagetest makes up people whose records a linkage must find: who
// each record speaks of is known, because it was made so. Names are drawn by
// Zipf's law; people live in households that share a surname, an address and
// often a telephone; some have twins. Records lose values, hold slips, move
// house and marry. It is a suite's tool and no part of the program.
//
// It is beside the road of a receipt, where truth is simulated.
package linkagetest

import (
	"fmt"
	"math/rand/v2"
	"strings"

	"endcap/know/identity/linkage"
)

// Fields are the columns of the records.
func Fields() []linkage.Field {
	return []linkage.Field{
		{Name: "given_name", Kind: linkage.Name},
		{Name: "surname", Kind: linkage.Name, Shared: true},
		{Name: "birth_date", Kind: linkage.Date},
		{Name: "street", Kind: linkage.Place, Shared: true},
		{Name: "postcode", Kind: linkage.Code, Shared: true},
		{Name: "town", Kind: linkage.Place, Shared: true},
		{Name: "email", Kind: linkage.Email},
		{Name: "phone", Kind: linkage.Code, Shared: true},
	}
}

// The columns, by their places in Fields.
const (
	given = iota
	surname
	birth
	street
	postcode
	town
	email
	phone
	width
)

// world is where names and places come from.
type world struct {
	rng                              *rand.Rand
	givens, surnames, streets, towns []string
	zipf                             map[int]*rand.Zipf // by length of the list
}

// People calls yield with records until there are n, or yield returns false:
// the values in the order of Fields, which hold only during the call, and the
// number of the person of whom they speak. Records of one person are apart by
// chance from her household's only. The same seed gives the same people.
func People(seed uint64, n int, yield func(values []string, person int) bool) {
	w := newWorld(seed, n)
	person := 0
	for made := 0; made < n; {
		home := w.address()
		name, line := w.pick(w.surnames), w.number()
		for member := range 1 + w.rng.IntN(4) {
			var p [width]string
			p[given], p[surname], p[birth] = w.pick(w.givens), name, w.birth(member)
			copy(p[street:town+1], home[:])
			p[email] = w.mail(p[given], p[surname])
			p[phone] = line
			if w.rng.Float64() < 0.5 {
				p[phone] = w.number()
			}
			for range 1 + min(w.rng.IntN(10)/7+w.rng.IntN(20)/19, 3) {
				values := p
				w.spoil(&values)
				if made == n || !yield(values[:], person) {
					return
				}
				made++
			}
			person++
		}
	}
}

func newWorld(seed uint64, n int) *world {
	w := &world{rng: rand.New(rand.NewPCG(seed, 0x9e09)), zipf: make(map[int]*rand.Zipf)}
	w.givens = w.words(400, 2)
	w.surnames = w.words(max(1_000, n/20), 3)
	w.streets = w.words(2_000, 3)
	w.towns = w.words(max(100, n/400), 3)
	return w
}

// words makes up n different words.
func (w *world) words(n, syllables int) []string {
	heads := strings.Fields("b br c ch d dr f fl g gr j l m n p pl pr qu r s st t tr v")
	tails := strings.Fields("a an ar e el en er i in is o on ot ou u ul un")
	seen := make(map[string]bool, n)
	out := make([]string, 0, n)
	for len(out) < n {
		var word strings.Builder
		for range syllables + w.rng.IntN(2) {
			word.WriteString(heads[w.rng.IntN(len(heads))] + tails[w.rng.IntN(len(tails))])
		}
		if !seen[word.String()] {
			seen[word.String()] = true
			out = append(out, word.String())
		}
	}
	return out
}

// pick draws by Zipf's law: early words often.
func (w *world) pick(list []string) string {
	z := w.zipf[len(list)]
	if z == nil {
		z = rand.NewZipf(w.rng, 1.1, 20, uint64(len(list)-1))
		w.zipf[len(list)] = z
	}
	return list[z.Uint64()]
}

func (w *world) address() [3]string {
	at := w.rng.IntN(len(w.towns))
	return [3]string{
		fmt.Sprint(1+w.rng.IntN(90), " rue ", w.streets[w.rng.IntN(len(w.streets))]),
		fmt.Sprintf("%05d", 1_000+at*13%95_000), w.towns[at],
	}
}

func (w *world) number() string { return fmt.Sprintf("06%08d", w.rng.IntN(100_000_000)) }

func (w *world) birth(member int) string {
	year := 1940 + w.rng.IntN(45)
	if member > 1 {
		year = 1985 + w.rng.IntN(25)
	}
	return fmt.Sprintf("%d-%02d-%02d", year, 1+w.rng.IntN(12), 1+w.rng.IntN(28))
}

// mail is an e-mail address; one in five people gives none.
func (w *world) mail(given, surname string) string {
	if w.rng.IntN(5) == 0 {
		return ""
	}
	return fmt.Sprintf("%s.%s%d@%s", given, surname, w.rng.IntN(100), []string{"poste.example", "mail.example", "box.example"}[w.rng.IntN(3)])
}

// spoil does to a record what time and typing do.
func (w *world) spoil(v *[width]string) {
	chance := func(p float64) bool { return w.rng.Float64() < p }
	if chance(0.08) { // moved
		home := w.address()
		copy(v[street:town+1], home[:])
	}
	if chance(0.03) { // married
		v[surname] = w.pick(w.surnames)
	}
	if chance(0.15) {
		v[email] = w.mail(v[given], v[surname])
	}
	if chance(0.15) {
		v[phone] = w.number()
	}
	if chance(0.02) {
		v[given], v[surname] = v[surname], v[given]
	}
	for f, p := range [width]float64{given: 0.01, surname: 0.01, birth: 0.2, street: 0.15, postcode: 0.05, town: 0.05, email: 0.2, phone: 0.25} {
		switch {
		case chance(p):
			v[f] = ""
		case v[f] != "" && chance(0.06):
			v[f] = w.slip(v[f])
		}
	}
}

// slip changes, drops, doubles or exchanges a letter.
func (w *world) slip(text string) string {
	b := []byte(text)
	at := w.rng.IntN(len(b))
	letter := byte('a' + w.rng.IntN(26))
	if b[at] >= '0' && b[at] <= '9' {
		letter = byte('0' + w.rng.IntN(10))
	}
	switch w.rng.IntN(4) {
	case 0:
		b[at] = letter
	case 1:
		return string(append(b[:at:at], b[at+1:]...))
	case 2:
		return string(b[:at]) + string(letter) + string(b[at:])
	default:
		if at > 0 {
			b[at], b[at-1] = b[at-1], b[at]
		}
	}
	return string(b)
}
