// Package covered names the code that a count was made on, so that a count of
// many runs goes on over commits that leave that code alone, and begins anew after
// one that does not.
//
// It is beside the road of a receipt, with a seal for what was measured.
package covered

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
)

// module is what is read of `go list`'s word on a package.
type module struct {
	ImportPath, Dir               string
	GoFiles, CgoFiles, EmbedFiles []string
	Module                        *struct {
		Main          bool
		Path, Version string
	}
}

// Hash is the hash, 16 hexadecimal digits, of what a run of the packages at paths
// goes through: every file of this module's own packages from which they are
// linked, and the versions of the others. The first of paths keeps the count: its
// own files change no run and are left out. It is asked within the module.
func Hash(ctx context.Context, paths ...string) (string, error) { return hash(ctx, paths[0], paths) }

// All is a Hash of which no package keeps the count: who does links them, and is
// linked with more that changes no run.
func All(ctx context.Context, paths ...string) (string, error) { return hash(ctx, "", paths) }

func hash(ctx context.Context, without string, paths []string) (string, error) {
	args := []string{"list", "-deps", "-json=ImportPath,Dir,Module,GoFiles,CgoFiles,EmbedFiles"}
	cmd := exec.CommandContext(ctx, "go", append(args, paths...)...)
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("list what is covered: %w", err)
	}
	h := sha256.New()
	for dec := json.NewDecoder(bytes.NewReader(out)); ; {
		var p module
		if err := dec.Decode(&p); errors.Is(err, io.EOF) {
			return hex.EncodeToString(h.Sum(nil))[:16], nil
		} else if err != nil {
			return "", fmt.Errorf("list what is covered: %w", err)
		}
		if p.ImportPath == without {
			continue
		}
		if err := p.write(h); err != nil {
			return "", fmt.Errorf("hash what is covered: %w", err)
		}
	}
}

// write writes what a package is, nothing for one of the standard library.
func (p *module) write(w io.Writer) error {
	switch {
	case p.Module == nil:
		return nil
	case !p.Module.Main:
		_, err := fmt.Fprintln(w, p.ImportPath, p.Module.Version)
		return err
	}
	for _, name := range slices.Concat(p.GoFiles, p.CgoFiles, p.EmbedFiles) {
		b, err := os.ReadFile(filepath.Join(p.Dir, name))
		if err == nil {
			_, err = fmt.Fprintf(w, "%s %s %d\n%s", p.ImportPath, name, len(b), b)
		}
		if err != nil {
			return err
		}
	}
	return nil
}
