package connect

import (
	"fmt"
	"slices"

	"endcap/gate/connect/mapping"
	"endcap/gate/connect/rows"
	"endcap/know/ingest"
)

// loose is a row, or a run of them, that belongs to nothing the desk could take.
type loose struct {
	line  int64
	raw   []byte
	fault *ingest.Fault
}

// looseOf is row i, which does not say what it belongs to.
func looseOf(feed *mapping.Feed, b *rows.Block, i int, bad *rows.Fault) loose {
	out := loose{line: b.Line[i], raw: b.Raw(slices.Clone(b.Header()), i)}
	switch {
	case bad != nil:
		out.fault = faultOf(bad)
	case feed.Kind == mapping.Promotions:
		out.fault = &ingest.Fault{Reason: ingest.NoID, Field: feed.Field(mapping.Store).Column, Say: "it names no store or no week", Cure: "give every row both"}
	default:
		out.fault = &ingest.Fault{Reason: ingest.NoID, Field: feed.Field(mapping.Receipt).Column, Say: "it has no receipt id", Cure: "give every row one"}
	}
	return out
}

// faultOf is a row's fault in the desk's words.
func faultOf(f *rows.Fault) *ingest.Fault {
	return &ingest.Fault{Reason: ingest.Reason(f.Reason), Field: f.Field, Say: f.Say, Cure: f.Cure}
}

// rawOf appends the rows of parts as they came, under their header.
func rawOf(dst []byte, parts []part) []byte {
	dst = append(dst, parts[0].block.Header()...)
	for i, p := range parts {
		if i > 0 {
			dst = append(dst, '\n')
		}
		dst = p.block.RawRange(dst, p.from, p.to)
	}
	return dst
}

// inParts is the reason of quarantine rows that continue the one before.
const inParts ingest.Reason = "in_parts"

// piecesOf keeps the whole of something refused whose rows are longer than one
// quarantine row may be: the rest follows in rows of their own.
func piecesOf(raw []byte, line int64, what string) []loose {
	var out []loose
	rest := raw[min(len(raw), rows.RawMax):]
	for n := 2; len(rest) > 0; n++ {
		size := min(len(rest), rows.RawMax)
		out = append(out, loose{line, rest[:size:size], &ingest.Fault{
			Reason: inParts, Say: fmt.Sprintf("part %d of the rows of %s, which is refused", n, what), Cure: "load the file again once it is right",
		}})
		rest = rest[size:]
	}
	return out
}
