package endcap_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// The law of the house: who may import whom. It mirrors the table in the
// README; a change here is a change of the design and says why in
// docs/decisions.

const module = "endcap"

// groundForbidden is I/O and chance, which the ground does without. A name
// that ends in / means everything beneath it too.
var groundForbidden = []string{"os", "os/", "net", "net/", "syscall", "syscall/", "database/sql", "database/sql/", "log", "crypto/rand"}

// ports are the packages of keep that anybody above may name.
var ports = []string{"registry", "ledger", "vault", "stream", "warehouse", "profile", "files", "backup"}

// shared are the adapters that implement several ports in one store.
var shared = map[string][]string{"sql": {"registry", "ledger", "vault"}}

// sideways lists every import between neighbours of one floor.
var sideways = map[string][]string{
	"keep/ledger":   {"keep/registry"},
	"know/ingest":   {"know/identity"},
	"sell/decide":   {"sell/auction", "sell/campaign", "sell/offer"},
	"sell/billing":  {"sell/offer"},
	"prove/insight": {"prove/measure", "prove/cleanroom"},
	"prove/overlap": {"prove/cleanroom"},
	"gate/access":   {"keep/registry", "keep/ledger"},
}

// loadRoom is the one room of bench that the program carries: endcap load.
const loadRoom = "bench/load"

// pkg is one package with what its non-test files import.
type pkg struct {
	ImportPath   string
	Dir          string
	Name         string
	GoFiles      []string
	CgoFiles     []string
	TestGoFiles  []string
	XTestGoFiles []string
	Imports      []string
	TestImports  []string
	XTestImports []string
	Module       *struct{ Path string }
	Standard     bool
}

// place is where a package stands in the house.
type place struct {
	floor   string // retail, keep, adapter, know, sell, prove, gate, cmd, simulate, bench, or "" where the plan has no such room
	room    string // the first two elements of its path, e.g. "know/ingest"
	subtree string // for an adapter: its own folder
	suite   bool   // a conformance suite, …test
}

// placeOf reads the place off a path inside the module.
func placeOf(path string) place {
	parts := strings.Split(path, "/")
	at := place{floor: parts[0], room: strings.Join(parts[:min(2, len(parts))], "/")}
	at.suite = strings.HasSuffix(parts[len(parts)-1], "test") && len(parts) > 1
	switch at.floor {
	case "retail", "bench":
	case "know", "sell", "prove", "gate", "cmd", "simulate":
		if len(parts) < 2 {
			at.floor = ""
		}
	case "keep":
		switch {
		case len(parts) == 2 && slices.Contains(ports, parts[1]):
		case len(parts) > 2 && (slices.Contains(ports, parts[1]) || shared[parts[1]] != nil):
			if !at.suite {
				at.floor = "adapter"
			}
			at.subtree = strings.Join(parts[:3], "/")
			if shared[parts[1]] != nil {
				at.subtree = at.room // what its engines have in common lies beside them
			}
		default:
			at.floor = ""
		}
	default:
		at.floor = ""
	}
	return at
}

// floorBreaches checks what each package of the module imports.
func floorBreaches(all []pkg) []string {
	var found []string
	for _, p := range all {
		path, ours := strings.CutPrefix(p.ImportPath, module+"/")
		if !ours || len(p.GoFiles)+len(p.CgoFiles) == 0 {
			continue
		}
		from := placeOf(path)
		if from.floor == "" {
			found = append(found, path+": the plan of the house has no such room")
			continue
		}
		for _, imp := range p.Imports {
			if why := breach(from, path, imp); why != "" {
				found = append(found, fmt.Sprintf("%s imports %s: %s", path, imp, why))
			}
		}
	}
	return found
}

// breach says what is wrong with one import, or nothing.
func breach(from place, path, imp string) string {
	target, ours := strings.CutPrefix(imp, module+"/")
	if !ours {
		return outsideBreach(from, imp)
	}
	to := placeOf(target)
	switch {
	case from.floor == "bench" || from.floor == "cmd" && path == "cmd/endcap":
		if to.floor == "cmd" || to.floor == "bench" && from.floor == "cmd" && to.room != loadRoom {
			return "nobody imports a program"
		}
		if to.suite && from.floor == "cmd" {
			return "a suite is for tests"
		}
		return ""
	case from.floor == "cmd" && !from.suite:
		if strings.HasPrefix(path, "cmd/endcap/") || strings.HasPrefix(target, path+"/") {
			return "the roof is one package"
		}
		return "cmd/endcap is the only program"
	case to.suite && !from.suite:
		return "a suite is for tests"
	case from.suite && (to.floor == "adapter" || to.floor == "keep"):
		return "" // suites may stand on embedded stores, and write through another port
	case to.floor == "adapter" && (from.floor != "adapter" || from.subtree != to.subtree):
		return "only cmd/endcap imports an adapter"
	case to.floor == "cmd" || to.floor == "bench":
		return "nobody imports a program"
	}
	if to.floor == "retail" || to.room == from.room || slices.Contains(sideways[from.room], to.room) {
		return ""
	}
	switch from.floor {
	case "adapter":
		mine := append([]string{strings.TrimPrefix(from.room, "keep/")}, shared[strings.TrimPrefix(from.room, "keep/")]...)
		if to.floor == "keep" && slices.Contains(mine, strings.TrimPrefix(to.room, "keep/")) {
			return ""
		}
		return "an adapter imports retail and the ports it implements"
	case "know", "sell", "prove":
		if to.floor == "keep" {
			return ""
		}
		if to.floor == from.floor {
			return "no such edge inside the wing"
		}
		return "a wing stands on retail and the ports of keep"
	case "gate":
		if slices.Contains([]string{"know", "sell", "prove", "gate"}, to.floor) {
			return ""
		}
		return "a door imports retail, know, sell and prove"
	case "simulate":
		if to.floor == from.floor {
			return ""
		}
		return "the simulator stands on retail alone, and does not know the product"
	}
	return "below may not import above"
}

// outsideBreach checks imports from outside the module.
func outsideBreach(from place, imp string) string {
	std := !strings.Contains(strings.Split(imp, "/")[0], ".")
	switch {
	case from.floor == "retail" && !std && !from.suite:
		return "the ground is standard library only"
	case from.floor == "retail" && !from.suite:
		for _, bad := range groundForbidden {
			if imp == bad || strings.HasSuffix(bad, "/") && strings.HasPrefix(imp, bad) {
				return "no I/O and no chance on the ground"
			}
		}
	case from.floor == "keep" && !from.suite && !std:
		return "a port is standard library and retail; engines belong to adapters"
	}
	return ""
}

// roofLinesMax is the longest function of cmd/endcap: it wires, and decides
// nothing.
const roofLinesMax = 40

// roofBreaches checks one file of cmd/endcap: methods only on Main and on flag
// structs, no function over roofLinesMax lines.
func roofBreaches(fset *token.FileSet, f *ast.File) []string {
	var found []string
	for _, d := range f.Decls {
		fn, ok := d.(*ast.FuncDecl)
		if !ok {
			continue
		}
		at := fset.Position(fn.Pos())
		if lines := fset.Position(fn.End()).Line - at.Line + 1; lines > roofLinesMax {
			found = append(found, fmt.Sprintf("%s: func %s has %d lines, at most %d", at, fn.Name.Name, lines, roofLinesMax))
		}
		if fn.Recv == nil {
			continue
		}
		if on := receiver(fn.Recv.List[0].Type); on != "Main" && !strings.HasSuffix(on, "Cmd") && !strings.HasSuffix(on, "Flags") {
			found = append(found, fmt.Sprintf("%s: method %s on %s: cmd declares methods on Main, …Cmd and …Flags only", at, fn.Name.Name, on))
		}
	}
	return found
}

func receiver(t ast.Expr) string {
	switch t := t.(type) {
	case *ast.StarExpr:
		return receiver(t.X)
	case *ast.IndexExpr:
		return receiver(t.X)
	case *ast.Ident:
		return t.Name
	}
	return "?"
}

// goList runs go list for Linux with cgo, so that every machine sees the same
// house.
func goList(t *testing.T, args ...string) []pkg {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "go", append([]string{"list", "-json"}, args...)...)
	cmd.Env = append(cmd.Environ(), "GOOS=linux", "GOARCH=amd64", "CGO_ENABLED=1")
	var said bytes.Buffer
	cmd.Stderr = &said
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("go list %v: %v\n%s", args, err, said.Bytes())
	}
	var all []pkg
	for dec := json.NewDecoder(bytes.NewReader(out)); ; {
		var p pkg
		switch err := dec.Decode(&p); {
		case errors.Is(err, io.EOF):
			return all
		case err != nil:
			t.Fatalf("go list %v: %v", args, err)
		}
		all = append(all, p)
	}
}

func TestFloors(t *testing.T) {
	t.Parallel()
	all := goList(t, "./...")
	if len(all) < 10 {
		t.Fatalf("go list found only %d packages", len(all))
	}
	for _, why := range floorBreaches(all) {
		t.Error(why)
	}
	for _, p := range all {
		if p.ImportPath != module+"/cmd/endcap" {
			continue
		}
		for _, name := range slices.Concat(p.GoFiles, p.CgoFiles) {
			fset := token.NewFileSet()
			f, err := parser.ParseFile(fset, filepath.Join(p.Dir, name), nil, parser.SkipObjectResolution)
			if err != nil {
				t.Fatal(err)
			}
			for _, why := range roofBreaches(fset, f) {
				t.Error(why)
			}
		}
	}
}

// Each kind of breach is planted, and must be found; each right that a
// neighbouring rule might take away is exercised, and must not be.
func TestFloorsFindPlantedBreaches(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		from, imp string
		want      string // part of the finding; empty where the import is right
	}{
		"the ground opens a file":                 {"retail/event", "os", "no I/O"},
		"the ground runs a program":               {"retail", "os/exec", "no I/O"},
		"the ground calls out":                    {"retail/media", "net/http", "no I/O"},
		"the ground writes a log":                 {"retail", "log", "no I/O"},
		"the ground draws lots":                   {"retail/trial", "crypto/rand", "no chance"},
		"the ground asks a database":              {"retail", "database/sql", "no I/O"},
		"the ground stands on a library":          {"retail", "github.com/google/go-cmp/cmp", "standard library only"},
		"the ground stands on a store":            {"retail/event", "endcap/keep/stream", "below may not import above"},
		"an id tells the structured log to hide":  {"retail/shopper", "log/slog", ""},
		"a noun stands on a noun":                 {"retail/event", "endcap/retail/basket", ""},
		"a port leaks its engine":                 {"keep/stream", "github.com/cockroachdb/pebble/v2", "engines belong to adapters"},
		"a port knows its neighbour":              {"keep/stream", "endcap/keep/profile", "below may not import above"},
		"a port knows its adapter":                {"keep/stream", "endcap/keep/stream/pebble", "only cmd/endcap"},
		"the ledger names registry rows":          {"keep/ledger", "endcap/keep/registry", ""},
		"the registry names the ledger":           {"keep/registry", "endcap/keep/ledger", "below may not import above"},
		"an adapter knows another port":           {"keep/stream/pebble", "endcap/keep/profile", "ports it implements"},
		"an adapter knows another adapter":        {"keep/stream/pebble", "endcap/keep/profile/pebble", "only cmd/endcap"},
		"an adapter knows a wing":                 {"keep/warehouse/duckdb", "endcap/know/history", "ports it implements"},
		"an adapter fills its port":               {"keep/stream/pebble", "endcap/keep/stream", ""},
		"an adapter has an inner room":            {"keep/stream/pebble", "endcap/keep/stream/pebble/internal/lsm", ""},
		"an adapter uses an engine":               {"keep/stream/pebble", "github.com/cockroachdb/pebble/v2", ""},
		"one book holds registry and ledger":      {"keep/sql/sqlite", "endcap/keep/ledger", ""},
		"the book knows the stream":               {"keep/sql/sqlite", "endcap/keep/stream", "ports it implements"},
		"a wing opens a store itself":             {"know/history", "endcap/keep/warehouse/duckdb", "only cmd/endcap"},
		"a wing asks a port":                      {"know/history", "endcap/keep/warehouse", ""},
		"the judge knows the seller":              {"prove/measure", "endcap/sell/campaign", "a wing stands on"},
		"the seller knows what is known":          {"sell/decide", "endcap/know/recommend", "a wing stands on"},
		"what is known knows the judge":           {"know/audience", "endcap/prove/cleanroom", "a wing stands on"},
		"a wing knows its door":                   {"sell/decide", "endcap/gate/api", "a wing stands on"},
		"a wing wires itself":                     {"sell/decide", "endcap/cmd/endcap", "nobody imports a program"},
		"an edge inside a wing that is not drawn": {"sell/auction", "endcap/sell/campaign", "no such edge"},
		"an edge against its direction":           {"know/identity", "endcap/know/ingest", "no such edge"},
		"ingest asks who she is":                  {"know/ingest", "endcap/know/identity", ""},
		"decide runs the auction":                 {"sell/decide", "endcap/sell/auction", ""},
		"insight reports what was cleared":        {"prove/insight", "endcap/prove/cleanroom", ""},
		"a room has an inner room":                {"know/ingest", "endcap/know/ingest/mapping", ""},
		"a door reads a store":                    {"gate/api", "endcap/keep/ledger", "a door imports"},
		"a door opens a store":                    {"gate/api", "endcap/keep/sql/sqlite", "only cmd/endcap"},
		"a door calls a wing":                     {"gate/api", "endcap/sell/decide", ""},
		"access keeps users":                      {"gate/access", "endcap/keep/registry", ""},
		"access reads the stream":                 {"gate/access", "endcap/keep/stream", "a door imports"},
		"the roof wires a store":                  {"cmd/endcap", "endcap/keep/sql/sqlite", ""},
		"the roof carries the load generator":     {"cmd/endcap", "endcap/bench/load", ""},
		"the roof carries a benchmark":            {"cmd/endcap", "endcap/bench/ledger", "nobody imports a program"},
		"two SQL engines share their schema":      {"keep/sql/sqlite", "endcap/keep/sql/schema", ""},
		"a suite writes through another port":     {"keep/registry/registrytest", "endcap/keep/ledger", ""},
		"a suite knows a wing":                    {"keep/registry/registrytest", "endcap/know/history", "below may not import above"},
		"the roof ships a suite":                  {"cmd/endcap", "endcap/keep/stream/streamtest", "a suite is for tests"},
		"the roof grows rooms":                    {"cmd/endcap/wiring", "endcap/keep/stream", "the roof is one package"},
		"a second program":                        {"cmd/other", "endcap/keep/stream", "only program"},
		"a store ships its suite":                 {"keep/stream/pebble", "endcap/keep/stream/streamtest", "a suite is for tests"},
		"a suite stands on an embedded store":     {"keep/stream/streamtest", "endcap/keep/stream/pebble", ""},
		"a suite exercises its port":              {"keep/stream/streamtest", "endcap/keep/stream", ""},
		"a benchmark measures a store":            {"bench/ledger", "endcap/keep/sql/sqlite", ""},
		"the roof carries the simulator":          {"cmd/endcap", "endcap/simulate/folder", ""},
		"a benchmark simulates":                   {"bench/simulate", "endcap/simulate/life", ""},
		"the simulator has rooms":                 {"simulate/life", "endcap/simulate/draw", ""},
		"the simulator speaks the nouns":          {"simulate/scenario", "endcap/retail", ""},
		"the simulator uses a library":            {"simulate/folder", "github.com/parquet-go/parquet-go", ""},
		"the simulator knows a wing":              {"simulate/life", "endcap/sell/auction", "does not know the product"},
		"the simulator reads a store":             {"simulate/life", "endcap/keep/profile", "does not know the product"},
		"the simulator opens a store":             {"simulate/folder", "endcap/keep/files/dirfiles", "only cmd/endcap"},
		"a wing knows the truth":                  {"prove/measure", "endcap/simulate/life", "a wing stands on"},
		"a door knows the truth":                  {"gate/cli", "endcap/simulate/folder", "a door imports"},
		"a store knows the truth":                 {"keep/profile", "endcap/simulate/draw", "below may not import above"},
		"the product runs a benchmark":            {"sell/billing", "endcap/bench/ledger", "nobody imports a program"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := strings.Join(floorBreaches([]pkg{{ImportPath: module + "/" + tt.from, GoFiles: []string{"x.go"}, Imports: []string{tt.imp}}}), "\n")
			if tt.want == "" && got != "" || !strings.Contains(got, tt.want) {
				t.Errorf("%s imports %s: found %q, want %q", tt.from, tt.imp, got, tt.want)
			}
		})
	}
	for _, path := range []string{"manager", "keep/cache", "know", "gate", "simulate", "internal/util"} {
		if got := floorBreaches([]pkg{{ImportPath: module + "/" + path, GoFiles: []string{"x.go"}}}); len(got) != 1 {
			t.Errorf("a room named %s that the plan does not have: found %q", path, got)
		}
	}
}

func TestRoofFindsPlantedBreaches(t *testing.T) {
	t.Parallel()
	long := "func wire() {\n" + strings.Repeat("\tstep()\n", roofLinesMax) + "}\n"
	tests := map[string]struct{ source, want string }{
		"a method on Main":            {"func (m *Main) Run() {}\n", ""},
		"a method on a command":       {"func (c *serveCmd) Run() {}\n", ""},
		"a method on flags":           {"func (f storeFlags) Check() error { return nil }\n", ""},
		"an adapter written in cmd":   {"func (s *shelf) Audiences() {}\n", "method Audiences on shelf"},
		"a generic adapter in cmd":    {"func (s *shelf[T]) Audiences() {}\n", "method Audiences on shelf"},
		"a function that is too long": {long, "func wire has 42 lines"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			fset := token.NewFileSet()
			f, err := parser.ParseFile(fset, "main.go", "package main\n\n"+tt.source, parser.SkipObjectResolution)
			if err != nil {
				t.Fatal(err)
			}
			got := strings.Join(roofBreaches(fset, f), "\n")
			if tt.want == "" && got != "" || !strings.Contains(got, tt.want) {
				t.Errorf("found %q, want %q", got, tt.want)
			}
		})
	}
}
