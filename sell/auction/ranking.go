package auction

// Ranking gives candidates best first without sorting those that nobody asks
// for: a heap by score, ties to the lower line item. The zero Ranking is empty.
// It keeps its memory and is not safe for concurrent use.
type Ranking struct {
	heap   []ranked
	heaped bool
}

type ranked struct {
	score int64
	line  int32
	at    int32
}

func (a ranked) before(b ranked) bool {
	if a.score != b.score {
		return a.score > b.score
	}
	return a.line < b.line
}

// Reset empties r.
func (r *Ranking) Reset() { r.heap, r.heaped = r.heap[:0], false }

// Push adds a candidate; at is how the caller finds it again. Before the first
// Pop this is one append.
func (r *Ranking) Push(score int64, line, at int32) {
	r.heap = append(r.heap, ranked{score, line, at})
	if r.heaped {
		r.up(len(r.heap) - 1)
	}
}

// Pop removes the best candidate and gives its at; ok is false when none is left.
func (r *Ranking) Pop() (at int32, ok bool) {
	n := len(r.heap)
	if n == 0 {
		return 0, false
	}
	if !r.heaped {
		for i := n/2 - 1; i >= 0; i-- {
			r.down(i)
		}
		r.heaped = true
	}
	top := r.heap[0]
	r.heap[0] = r.heap[n-1]
	r.heap = r.heap[:n-1]
	r.down(0)
	return top.at, true
}

// Rest calls f for each candidate left, in no order.
func (r *Ranking) Rest(f func(at int32)) {
	for i := range r.heap {
		f(r.heap[i].at)
	}
}

func (r *Ranking) up(i int) {
	for i > 0 {
		parent := (i - 1) / 2
		if !r.heap[i].before(r.heap[parent]) {
			return
		}
		r.heap[i], r.heap[parent] = r.heap[parent], r.heap[i]
		i = parent
	}
}

func (r *Ranking) down(i int) {
	for {
		best := i
		for child := 2*i + 1; child <= 2*i+2 && child < len(r.heap); child++ {
			if r.heap[child].before(r.heap[best]) {
				best = child
			}
		}
		if best == i {
			return
		}
		r.heap[i], r.heap[best] = r.heap[best], r.heap[i]
		i = best
	}
}
