package event

import "endcap/retail/catalog"

// encode writes each place's name where it first comes up; after that its number
// stands for it, counted from 0.
func (b Promotions) encode(w *writer) {
	writeText(w, b.Store)
	w.day(b.Week)
	w.uint(uint64(len(b.Products)))
	places := map[string]uint64{}
	place := func(name string) {
		n, known := places[name]
		if !known {
			n = uint64(len(places))
			places[name] = n
		}
		w.uint(n)
		if !known {
			writeText(w, name)
		}
	}
	for i := range b.Products {
		p := &b.Products[i]
		writeText(w, p.Product)
		place(p.Display)
		place(p.Mailer)
	}
}

func readPromotions(r *reader) Body {
	b := Promotions{catalog.Promotions{Store: readText[catalog.StoreID](r), Week: r.day()}}
	if n := r.count(3); n > 0 {
		b.Products = make([]catalog.Promotion, n)
	}
	var names []string
	known := map[string]bool{}
	place := func() string {
		n := r.uint()
		if n < uint64(len(names)) {
			return names[n]
		}
		name := readText[string](r)
		if n > uint64(len(names)) || known[name] {
			r.bad = true
		}
		names, known[name] = append(names, name), true
		return name
	}
	for i := range b.Products {
		if r.bad {
			break
		}
		b.Products[i] = catalog.Promotion{Product: readText[catalog.ProductID](r), Display: place(), Mailer: place()}
	}
	return b
}
