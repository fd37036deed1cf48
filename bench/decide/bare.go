package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"os"
	"strconv"
	"sync"
	"sync/atomic"

	"endcap/gate/api"
	"endcap/gate/api/shop"
)

// serveBare is the reference: a handler that decodes a body strictly and encodes
// a recorded answer, with the gate's codec, and does nothing else. It keeps its
// buffers, and sets the two headers that save net/http work.
func serveBare(ctx context.Context, address, answersPath string) error {
	answers, err := readAnswers(answersPath)
	if err != nil {
		return err
	}
	var c net.ListenConfig
	l, err := c.Listen(ctx, "tcp", address)
	if err != nil {
		return err
	}
	s := &http.Server{Handler: bare(answers), ReadHeaderTimeout: timeoutOfBare}
	go func() {
		<-ctx.Done()
		_ = s.Close()
	}()
	if err := s.Serve(l); ctx.Err() == nil {
		return err
	}
	return nil
}

const timeoutOfBare = 10_000_000_000 // as the server has

func readAnswers(path string) ([]*shop.Decision, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }()
	var answers []*shop.Decision
	scan := bufio.NewScanner(f)
	scan.Buffer(nil, 1<<20)
	for scan.Scan() {
		d := new(shop.Decision)
		if err := json.Unmarshal(scan.Bytes(), d); err != nil {
			return nil, fmt.Errorf("recorded answer: %w", err)
		}
		answers = append(answers, d)
	}
	return answers, scan.Err()
}

func bare(answers []*shop.Decision) http.Handler {
	var n atomic.Uint64
	buffers := sync.Pool{New: func() any { return new(bytes.Buffer) }}
	kind := []string{"application/json"}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodGet {
			return // ready
		}
		buf := buffers.Get().(*bytes.Buffer)
		defer buffers.Put(buf)
		buf.Reset()
		_, err := buf.ReadFrom(r.Body)
		if err == nil {
			err = api.Decode(buf.Bytes(), new(shop.Visit))
		}
		var b []byte
		if err == nil {
			b, err = api.Encode(answers[n.Add(1)%uint64(len(answers))])
		}
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		h := w.Header()
		h["Content-Type"], h["Content-Length"] = kind, []string{strconv.Itoa(len(b))}
		_, _ = w.Write(b)
	})
}
