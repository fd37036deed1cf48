package main_test

import (
	"net/http"
	"strings"
	"testing"
)

// Tills and shoppers go on while every secret of the house is rotated, some of
// them twice: nothing is refused, and whatever was acknowledged is there once.
func TestTheHouseServesWhileItsSecretsAreRotated(t *testing.T) {
	t.Parallel()
	p := newPlague(t)
	s := serve(t, p.dir)
	s.key = p.key
	quiet := p.busy(t, s, 0)
	p.beyond(t, 20, 10)
	for _, name := range []string{"tokens", "tombstones", "certificates", "backup-list", "tokens", "certificates"} {
		must(t, "secret", "rotate", name, "--dir", p.dir)
		receipts, clicks := p.answered()
		p.beyond(t, len(receipts)+5, len(clicks)+5)
	}
	id := strings.Split(p.key, "_")[1]
	fresh := strings.TrimSpace(must(t, "key", "rotate", id, "--overlap", "1", "--dir", p.dir))
	receipts, clicks := p.answered()
	p.beyond(t, len(receipts)+5, len(clicks)+5) // on the old secret
	p.mu.Lock()
	if len(p.open) > 0 {
		t.Errorf("%d requests were refused while secrets were rotated", len(p.open))
	}
	p.mu.Unlock()
	quiet()
	s.key = fresh
	for _, o := range p.open {
		p.send(t.Context(), s, o)
	}
	s.settle(t)
	p.whole(t, s)
	if held := must(t, "quarantine", "list", "--dir", p.dir); strings.Contains(held, "forged_token") {
		t.Errorf("a token of before a rotation was taken for forged:\n%s", held)
	}
	s.stop(t)
	s = serve(t, p.dir)
	if s.key = p.key; !opens(t, s) {
		t.Error("after a restart the old secret is refused before its time")
	}
	must(t, "key", "rotate", id, "--overlap", "0", "--dir", p.dir)
	for _, key := range []string{p.key, fresh} {
		if s.key = key; opens(t, s) {
			t.Error("a secret that was ended at once opens the house")
		}
	}
	list := must(t, "secret", "list", "--dir", p.dir)
	for _, name := range []string{"tokens        3", "tokens        1", "tombstones    2", "tombstones    1", "certificates  3", "backup-list   1"} {
		if !strings.Contains(list, name) {
			t.Errorf("the list does not hold %q:\n%s", name, list)
		}
	}
	if strings.Contains(list, "certificates  2") {
		t.Errorf("a key that signs nothing more was kept:\n%s", list)
	}
	s.stop(t)
	verified(t, p.dir)
}

func opens(t *testing.T, s *server) bool {
	t.Helper()
	status, text, err := s.call(t.Context(), http.MethodGet, "/v1/keys", nil)
	if err != nil || status != http.StatusOK && status != http.StatusUnauthorized {
		t.Fatalf("status %d, %v\n%s", status, err, text)
	}
	return status == http.StatusOK
}
