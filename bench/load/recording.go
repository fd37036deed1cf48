package load

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
)

// Request is one recorded request; a file of them holds one JSON object a line.
type Request struct {
	Method string          `json:"method"`
	Path   string          `json:"path"`
	Body   json.RawMessage `json:"body,omitempty"`
}

func (r *Request) route() string { return r.Method + " " + r.Path }

// Limits of a recording.
const (
	requestsMax = 1_000_000
	lineMax     = 4 << 20
)

// ErrRecording is returned for a file that is not a recording.
var ErrRecording = errors.New("not a recording of requests")

// Read reads a recording.
func Read(r io.Reader) ([]Request, error) {
	scan := bufio.NewScanner(r)
	scan.Buffer(nil, lineMax)
	var all []Request
	for n := 1; scan.Scan(); n++ {
		if len(bytes.TrimSpace(scan.Bytes())) == 0 {
			continue
		}
		var one Request
		d := json.NewDecoder(bytes.NewReader(scan.Bytes()))
		d.DisallowUnknownFields()
		if err := d.Decode(&one); err != nil {
			return nil, fmt.Errorf("%w: line %d: %w", ErrRecording, n, err)
		}
		if one.Method == "" || one.Path == "" || one.Path[0] != '/' {
			return nil, fmt.Errorf("%w: line %d lacks a method or a path", ErrRecording, n)
		}
		if all = append(all, one); len(all) > requestsMax {
			return nil, fmt.Errorf("%w: more than %d requests", ErrRecording, requestsMax)
		}
	}
	if err := scan.Err(); err != nil {
		return nil, fmt.Errorf("read recording: %w", err)
	}
	if len(all) == 0 {
		return nil, fmt.Errorf("%w: it is empty", ErrRecording)
	}
	return all, nil
}

// Recorded makes each of a recording's requests a visit, in order, again and
// again. Requests are told by their routes, or as one where those are many.
func Recorded(requests []Request) (kinds []string, visit Visit) {
	routes := make([]string, len(requests))
	for i := range requests {
		routes[i] = requests[i].route()
		if len(kinds) <= kindsMax && !slices.Contains(kinds, routes[i]) {
			kinds = append(kinds, routes[i])
		}
	}
	kind := func(i int) string { return routes[i] }
	if len(kinds) > kindsMax {
		kinds = []string{"requests"}
		kind = func(int) string { return kinds[0] }
	}
	return kinds, func(ctx context.Context, n int64, s *Session) {
		i := int(n % int64(len(requests)))
		s.send(ctx, kind(i), func() int { return s.request(ctx, routes[i], requests[i].Body, nil, nil) })
	}
}
