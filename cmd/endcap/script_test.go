package main_test

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	program "endcap/cmd/endcap"
)

// TestCommandsBehaveAsWritten runs the sessions of testdata/*.txt in this
// process. A session is read line by line:
//
//	> endcap …     a command; what follows is expected of it
//	status 2       its exit status (0 where nothing is said)
//	out REGEXP     standard output matches; err is for standard error
//	soon REGEXP    as out, and the command may be tried for a minute
//	not REGEXP     neither of them matches
//	keep NAME REGEXP   the first group, from standard output, is $NAME from here on
//	start endcap serve …   runs until stop, or until the session ends
//	stop           ends it; its status must be 0
//	file NAME      writes the lines up to end into a file of the session's folder
//
// $DIR is the session's folder, $LISTEN a free address, # begins a comment.
func TestCommandsBehaveAsWritten(t *testing.T) {
	t.Parallel()
	scripts, err := filepath.Glob("testdata/*.txt")
	if err != nil || len(scripts) == 0 {
		t.Fatalf("no sessions in testdata: %v", err)
	}
	for _, name := range scripts {
		t.Run(strings.TrimSuffix(filepath.Base(name), ".txt"), func(t *testing.T) {
			t.Parallel()
			play := newSession(t)
			text, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			play.run(name, string(text))
		})
	}
}

// session is one script under way.
type session struct {
	t            *testing.T
	names        map[string]string
	at           string // file:line
	out, said    string // of the last command
	status, want int
	command      string
	serving      context.CancelFunc
	served       chan int
	log          shared
}

// shared is a buffer that a running server writes and the test reads.
type shared struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (s *shared) Write(b []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.text.Write(b)
}

func (s *shared) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.text.String()
}

func newSession(t *testing.T) *session {
	t.Helper()
	free, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = free.Close() }()
	return &session{t: t, names: map[string]string{"DIR": t.TempDir(), "LISTEN": free.Addr().String()}}
}

func (s *session) run(name, text string) {
	defer s.stop()
	lines := bufio.NewScanner(strings.NewReader(text))
	for n := 1; lines.Scan(); n++ {
		s.at = name + ":" + strconv.Itoa(n)
		verb, rest, _ := strings.Cut(lines.Text(), " ")
		switch verb {
		case "", "#":
		case "file":
			body := ""
			for ; lines.Scan() && lines.Text() != "end"; n++ {
				body += s.fill(lines.Text()) + "\n"
			}
			n++
			path := filepath.Join(s.names["DIR"], rest)
			if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o700), os.WriteFile(path, []byte(body), 0o600)); err != nil {
				s.t.Fatalf("%s: %v", s.at, err)
			}
		case ">":
			s.settle()
			s.execute(rest)
		case "start":
			s.settle()
			s.start(rest)
		case "stop":
			s.settle()
			s.stop()
		case "status":
			s.want, _ = strconv.Atoi(rest)
		default:
			s.expect(verb, rest)
		}
	}
	s.settle()
}

// fill puts names' values in.
func (s *session) fill(text string) string {
	for name, value := range s.names {
		text = strings.ReplaceAll(text, "$"+name, value)
	}
	return text
}

// words splits a command as a shell would, as far as quotes go.
func words(text string) (out []string) {
	for _, w := range regexp.MustCompile(`'[^']*'|\S+`).FindAllString(text, -1) {
		out = append(out, strings.Trim(w, "'"))
	}
	return out
}

func (s *session) execute(line string) {
	args := words(line)
	for i := range args {
		args[i] = s.fill(args[i])
	}
	var out, said bytes.Buffer
	m := program.Main{Stdin: strings.NewReader(""), Stdout: &out, Stderr: &said}
	s.command, s.want = line, 0
	s.status = m.Run(s.t.Context(), args[1:])
	s.out, s.said = out.String(), said.String()
}

// settle checks the last command's status once its expectations were read.
func (s *session) settle() {
	if s.command != "" && s.status != s.want {
		s.t.Errorf("%s: before here, %s: status %d, want %d\n%s%s", s.at, s.command, s.status, s.want, s.out, s.said)
	}
	s.command = ""
}

func (s *session) expect(verb, rest string) {
	name := ""
	if verb == "keep" {
		name, rest, _ = strings.Cut(rest, " ")
	}
	want, err := regexp.Compile("(?m)" + s.fill(rest))
	if err != nil {
		s.t.Fatalf("%s: %v", s.at, err)
	}
	if verb == "soon" {
		for try := 0; try < 600 && !want.MatchString(s.out); try++ {
			time.Sleep(100 * time.Millisecond)
			s.execute(s.command)
		}
		verb = "out"
	}
	switch verb {
	case "out", "err":
		if got := map[string]string{"out": s.out, "err": s.said}[verb]; !want.MatchString(got) {
			s.t.Errorf("%s: %s: %s does not match %s\n%s%s", s.at, s.command, verb, rest, s.out, s.said)
		}
	case "not":
		if want.MatchString(s.out + s.said) {
			s.t.Errorf("%s: %s: matches %s\n%s%s", s.at, s.command, rest, s.out, s.said)
		}
	case "keep":
		found := want.FindStringSubmatch(s.out)
		if len(found) < 2 {
			s.t.Fatalf("%s: %s: nothing to keep as %s\n%s%s", s.at, s.command, name, s.out, s.said)
		}
		s.names[name] = found[1]
	default:
		s.t.Fatalf("%s: %q is no word of a session", s.at, verb)
	}
}

// start runs a server beside the session.
func (s *session) start(line string) {
	args := words(s.fill(line))
	ctx, cancel := context.WithCancel(context.Background())
	s.serving, s.served = cancel, make(chan int, 1)
	m := program.Main{Stdin: strings.NewReader(""), Stdout: &s.log, Stderr: &s.log}
	go func() { s.served <- m.Run(ctx, args[1:]) }()
	for range 12_000 {
		if strings.Contains(s.log.String(), "serving on ") {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	s.t.Fatalf("%s: the server did not begin\n%s", s.at, s.log.String())
}

// stop ends the server, which must leave with status 0.
func (s *session) stop() {
	if s.serving == nil {
		return
	}
	s.serving()
	s.serving = nil
	if status := <-s.served; status != 0 {
		s.t.Errorf("%s: the server left with status %d\n%s", s.at, status, s.log.String())
	}
}
