package response_test

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"endcap/know/recommend/response"
	"endcap/retail/catalog"
)

func longID() catalog.ProductID { return catalog.ProductID(strings.Repeat("x", 300)) }

func kept(t testing.TB, l *response.Learner) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := l.Save(&b); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// A model that was kept goes on as if nothing had happened.
func TestAKeptModelGoesOnWhereItWas(t *testing.T) {
	t.Parallel()
	s := newSite(15)
	first, second := s.live(40_000), s.live(40_000)
	l := learner(t, small(), first)
	again, err := response.Load(bytes.NewReader(kept(t, l)))
	if err != nil {
		t.Fatal(err)
	}
	for _, o := range second[:500] {
		if a, b := answer(t, l, o.Showing), answer(t, again, o.Showing); a != b {
			t.Fatalf("%+v became %+v", a, b)
		}
	}
	for _, m := range []*response.Learner{l, again} {
		if err := m.Learn(second); err != nil {
			t.Fatal(err)
		}
	}
	if !bytes.Equal(kept(t, l), kept(t, again)) {
		t.Error("the kept model learned otherwise")
	}
	if n, clicks := again.Publish().Seen(); n != 80_000 || clicks == 0 {
		t.Errorf("%d showings, %d clicks", n, clicks)
	}
}

func TestAModelThatIsNotWholeIsRefused(t *testing.T) {
	t.Parallel()
	c := small()
	c.Bits = 8
	whole := kept(t, learner(t, c, newSite(16).live(300)))
	for n := range whole {
		if n > 400 && n%97 != 0 && n < len(whole)-200 {
			continue
		}
		if _, err := response.Load(bytes.NewReader(whole[:n])); !errors.Is(err, response.ErrModel) {
			t.Fatalf("the first %d of %d bytes: %v", n, len(whole), err)
		}
		broken := bytes.Clone(whole)
		broken[n] ^= 1 << (n % 8)
		if _, err := response.Load(bytes.NewReader(broken)); !errors.Is(err, response.ErrModel) {
			t.Fatalf("another byte %d: %v", n, err)
		}
	}
	if _, err := response.Load(bytes.NewReader(append(bytes.Clone(whole), 0))); !errors.Is(err, response.ErrModel) {
		t.Errorf("a byte more: %v", err)
	}
	body := bytes.Clone(whole[:len(whole)-8])
	body[len("endcap-response\n")]++
	if _, err := response.Load(bytes.NewReader(response.Sealed(body))); !errors.Is(err, response.ErrModel) || !strings.Contains(err.Error(), "layout 4") {
		t.Errorf("a layout of tomorrow: %v", err)
	}
	if _, err := response.Load(failing{}); err == nil || errors.Is(err, response.ErrModel) {
		t.Errorf("a disk that fails: %v", err)
	}
	if _, err := response.Load(bytes.NewReader(whole)); err != nil {
		t.Error(err)
	}
}

type failing struct{}

func (failing) Read([]byte) (int, error) { return 0, errors.New("no disk") }

// Whatever bytes a disk gives back, with a checksum that is right, they are refused
// or are a model that answers and is kept as the same.
func FuzzLoad(f *testing.F) {
	c := small()
	c.Bits = 8
	s := newSite(17)
	for _, n := range []int{0, 3, 200} {
		whole := kept(f, learner(f, c, s.live(n)))
		f.Add(whole[:len(whole)-8])
	}
	f.Add([]byte("endcap-response\n"))
	shown := s.show()
	const sizeAt = len("endcap-response\n") + 1
	f.Fuzz(func(t *testing.T, body []byte) {
		if len(body) > sizeAt && body[sizeAt] > 12 {
			body[sizeAt] = 8 // large models take memory, and nothing else
		}
		l, err := response.Load(bytes.NewReader(response.Sealed(bytes.Clone(body))))
		if err != nil {
			if !errors.Is(err, response.ErrModel) {
				t.Fatal(err)
			}
			return
		}
		answer(t, l, shown)
		first := kept(t, l)
		again, err := response.Load(bytes.NewReader(first))
		if err != nil {
			t.Fatalf("a model that was read is refused once kept: %v", err)
		}
		if !bytes.Equal(first, kept(t, again)) {
			t.Fatal("kept twice, it is another")
		}
	})
}
