package sqlite

import (
	"fmt"
	"math"
	"time"
	"unicode/utf8"
)

// micros is how a file keeps an instant: microseconds since 1970, the zero time
// as 0.
func micros(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMicro()
}

// instant reads what micros wrote.
func instant(us int64) time.Time {
	if us == 0 {
		return time.Time{}
	}
	return time.UnixMicro(us).UTC()
}

func bit(b bool) int64 {
	if b {
		return 1
	}
	return 0
}

// after is the first text that does not start with prefix and lies behind all
// that do; ok is false where there is none, because prefix is empty or all 0xff.
func after(prefix string) (next string, ok bool) {
	b := []byte(prefix)
	for len(b) > 0 {
		if last := len(b) - 1; b[last] < 0xff {
			b[last]++
			return string(b), true
		}
		b = b[:len(b)-1]
	}
	return "", false
}

// cut is text, or as many whole characters of it as fit into most bytes.
func cut(text string, most int) string {
	if len(text) <= most {
		return text
	}
	for most > 0 && !utf8.RuneStart(text[most]) {
		most--
	}
	return text[:most]
}

// page is how many rows a page holds that was asked to hold limit.
func page(limit, most int) int64 { return int64(max(0, min(limit, most))) }

// position is a sequence number as a file compares it; numbers that no file can
// reach lie at its end.
func position(seq uint64) int64 { return int64(min(seq, math.MaxInt64)) }

// number is a sequence number, or a version, as it was stored: never negative.
func number(seq int64) uint64 { return uint64(max(0, seq)) }

// named says of an error what was being done; of none it says nothing.
func named(what string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s: %w", what, err)
}
