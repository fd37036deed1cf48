package gs1

import (
	"strings"
)

// The character sets of GS1 General Specifications, section 7.11.
const (
	set82 = `!"%&'()*+,-./0123456789:;<=>?ABCDEFGHIJKLMNOPQRSTUVWXYZ_abcdefghijklmnopqrstuvwxyz`
	set39 = "#-/0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"
	set64 = "-0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ_abcdefghijklmnopqrstuvwxyz"
)

// Prefixes says whether a GS1 Company Prefix, or the digits of a key that begin
// with one, are somebody's: "" if so, else UnknownPrefix or PrefixesOffline. A
// house that clears coupons for its own funders alone names them so; nil takes
// everybody's.
type Prefixes func(digits string) Fault

// rules are the syntax tests that the dictionary names, under GS1's names. Each
// gets one component of a value.
var rules = map[string]func(s string) *Error{
	"csum":           checked,
	"csumalpha":      checkPair,
	"csetnumeric":    onlyDigits,
	"cset82":         func(s string) *Error { return only(s, set82, "invalid_cset82_character") },
	"cset39":         func(s string) *Error { return only(s, set39, "invalid_cset39_character") },
	"cset64":         base64url,
	"gcppos1":        func(s string) *Error { return prefixed(s, nil) },
	"gcppos2":        func(s string) *Error { return prefixedAfter(s, nil) },
	"yymmdd":         func(s string) *Error { return date(s, 6, false) },
	"yymmd0":         func(s string) *Error { return date(s, 6, true) },
	"yyyymmdd":       func(s string) *Error { return date(s, 8, false) },
	"yyyymmd0":       func(s string) *Error { return date(s, 8, true) },
	"hh":             func(s string) *Error { return clock(s, "hour", 24) },
	"mi":             func(s string) *Error { return clock(s, "minute", 60) },
	"ss":             func(s string) *Error { return clock(s, "second", 60) },
	"hhmi":           hourMinute,
	"iso3166":        func(s string) *Error { return listed(s, countryNumbers, "not_iso3166") },
	"iso3166999":     country999,
	"iso3166alpha2":  func(s string) *Error { return listed(s, countryLetters, "not_iso3166_alpha2") },
	"iso4217":        func(s string) *Error { return listed(s, currencyNumbers, "not_iso4217") },
	"packagetype":    func(s string) *Error { return listed(s, packageTypes, "invalid_package_type") },
	"mediatype":      func(s string) *Error { return listed(s, mediaTypes, "invalid_media_type") },
	"iso5218":        func(s string) *Error { return listed(s, "0 1 2 9", "invalid_biological_sex_code") },
	"winding":        func(s string) *Error { return listed(s, "0 1 9", "invalid_winding_direction") },
	"yesno":          func(s string) *Error { return listed(s, "0 1", "not_zero_or_one") },
	"zero":           func(s string) *Error { return made(s, '0', "not_zero") },
	"hyphen":         func(s string) *Error { return made(s, '-', "not_hyphen") },
	"nonzero":        nonzero,
	"nozeroprefix":   noZeroPrefix,
	"hasnondigit":    hasNonDigit,
	"importeridx":    importerIndex,
	"latitude":       func(s string) *Error { return degrees(s, "latitude", "1800000000") },
	"longitude":      func(s string) *Error { return degrees(s, "longitude", "3600000000") },
	"pcenc":          percents,
	"pieceoftotal":   pieceOfTotal,
	"posinseqslash":  positionInSequence,
	"iban":           iban,
	"couponcode":     func(s string) *Error { _, e := readCoupon8110(s, nil); return e },
	"couponposoffer": func(s string) *Error { _, e := readCoupon8112(s); return e },
}

func only(s, set string, f Fault) *Error {
	for i := range len(s) {
		if strings.IndexByte(set, s[i]) < 0 {
			return fault(f, i, 1)
		}
	}
	return nil
}

// base64url allows at most two = at the end, and only where they fill a length
// that three divides, as GS1 has it.
func base64url(s string) *Error {
	body := strings.TrimRight(s, "=")
	if pads := len(s) - len(body); pads > 2 || pads > 0 && len(s)%3 != 0 {
		return fault("invalid_cset64_padding", len(body), pads)
	}
	return only(body, set64, "invalid_cset64_character")
}

// prefixed verifies that s begins with what can be a company prefix.
func prefixed(s string, known Prefixes) *Error {
	const digits = 4 // of the shortest prefix
	if len(s) < digits {
		return fault("too_short_for_gcp", 0, len(s))
	}
	if e := onlyDigits(s[:digits]); e != nil {
		return fault(UnknownPrefix, e.At, 1)
	}
	if known != nil {
		if f := known(s); f != "" {
			return fault(f, 0, len(s))
		}
	}
	return nil
}

// prefixedAfter is prefixed behind an indicator digit.
func prefixedAfter(s string, known Prefixes) *Error {
	if len(s) < 2 {
		return fault("too_short_for_gcp", 0, len(s))
	}
	return prefixed(s[1:], known).shift(1)
}

// number reads digits, of which there are few.
func number(s string) int {
	n := 0
	for i := range len(s) {
		n = n*10 + int(s[i]-'0')
	}
	return n
}

// date verifies a date of six digits (YYMMDD) or eight; day 00 stands for the
// last of the month where whole allows it. A year of two digits is a leap year if
// four divides it: of all years it may mean within fifty of now, that is wrong
// for 2100 alone.
func date(s string, digits int, whole bool) *Error {
	switch {
	case len(s) < digits:
		return fault("date_too_short", 0, len(s))
	case len(s) > digits:
		return fault("date_too_long", 0, len(s))
	}
	if e := onlyDigits(s); e != nil {
		return e
	}
	year, month, day := number(s[:digits-4]), number(s[digits-4:digits-2]), number(s[digits-2:])
	if digits == 6 {
		year += 2000
	}
	if month < 1 || month > 12 {
		return fault("illegal_month", digits-4, 2)
	}
	if day > daysIn(year, month) || day == 0 && !whole {
		return fault("illegal_day", digits-2, 2)
	}
	return nil
}

func daysIn(year, month int) int {
	switch month {
	case 4, 6, 9, 11:
		return 30
	case 2:
		if year%4 == 0 && year%100 != 0 || year%400 == 0 {
			return 29
		}
		return 28
	}
	return 31
}

func clock(s, part string, below int) *Error {
	switch {
	case len(s) < 2:
		return fault(Fault(part+"_too_short"), 0, len(s))
	case len(s) > 2:
		return fault(Fault(part+"_too_long"), 0, len(s))
	}
	if e := onlyDigits(s); e != nil {
		return e
	}
	if number(s) >= below {
		return fault(Fault("illegal_"+part), 0, 2)
	}
	return nil
}

func hourMinute(s string) *Error {
	switch {
	case len(s) < 4:
		return fault("hour_with_minute_too_short", 0, len(s))
	case len(s) > 4:
		return fault("hour_with_minute_too_long", 0, len(s))
	}
	if e := clock(s[:2], "hour", 24); e != nil {
		return e
	}
	return clock(s[2:], "minute", 60).shift(2)
}

// listed verifies that s is one word of a list.
func listed(s, list string, f Fault) *Error {
	if s != "" && !strings.Contains(s, " ") && strings.Contains(" "+list+" ", " "+s+" ") {
		return nil
	}
	return fault(f, 0, len(s))
}

func country999(s string) *Error {
	if s == "999" || listed(s, countryNumbers, "") == nil {
		return nil
	}
	return fault("not_iso3166_or_999", 0, len(s))
}

// made verifies that s is made of c alone.
func made(s string, c byte, f Fault) *Error {
	if s == "" || strings.Trim(s, string(c)) != "" {
		return fault(f, 0, len(s))
	}
	return nil
}

func nonzero(s string) *Error {
	if e := onlyDigits(s); e != nil {
		return e
	}
	if strings.Trim(s, "0") == "" {
		return fault("illegal_zero_value", 0, len(s))
	}
	return nil
}

func noZeroPrefix(s string) *Error {
	if strings.HasPrefix(s, "0") {
		return fault("illegal_zero_prefix", 0, 1)
	}
	return onlyDigits(s)
}

func hasNonDigit(s string) *Error {
	if onlyDigits(s) == nil {
		return fault("requires_non_digit_character", 0, len(s))
	}
	return nil
}

func importerIndex(s string) *Error {
	if len(s) != 1 {
		return fault("importer_idx_must_be_one_character", 0, len(s))
	}
	return only(s, set64, "invalid_import_idx_character")
}

// degrees verifies ten digits, at most most.
func degrees(s, which, most string) *Error {
	if len(s) != len(most) {
		return fault(Fault(which+"_invalid_length"), 0, len(s))
	}
	if e := onlyDigits(s); e != nil {
		return e
	}
	if s > most {
		return fault(Fault("invalid_"+which), 0, len(s))
	}
	return nil
}

// percents verifies that two hex digits follow each %.
func percents(s string) *Error {
	for i := 0; i < len(s); i++ {
		if s[i] != '%' {
			continue
		}
		if i+2 >= len(s) {
			return fault(InvalidPercent, i, len(s)-i)
		}
		if hex(s[i+1]) < 0 || hex(s[i+2]) < 0 {
			return fault(InvalidPercent, i, 3)
		}
		i += 2
	}
	return nil
}

// hex is the value of a hex digit, or -1.
func hex(c byte) int {
	switch {
	case c >= '0' && c <= '9':
		return int(c - '0')
	case c >= 'a' && c <= 'f':
		return int(c-'a') + 10
	case c >= 'A' && c <= 'F':
		return int(c-'A') + 10
	}
	return -1
}

// pieceOfTotal verifies two numbers of one width, the first at most the second.
func pieceOfTotal(s string) *Error {
	if e := onlyDigits(s); e != nil {
		return e
	}
	half := len(s) / 2
	if half == 0 || len(s)%2 != 0 {
		return fault("invalid_length_for_piece_of_total", 0, len(s))
	}
	piece, total := s[:half], s[half:]
	switch {
	case strings.Trim(piece, "0") == "":
		return fault("zero_piece_number", 0, half)
	case strings.Trim(total, "0") == "":
		return fault("zero_total_pieces", half, half)
	case piece > total:
		return fault("piece_number_exceeds_total", 0, len(s))
	}
	return nil
}

// positionInSequence verifies "1/3".
func positionInSequence(s string) *Error {
	position, end, found := strings.Cut(s, "/")
	if !found || position == "" || end == "" || onlyDigits(position) != nil || onlyDigits(end) != nil {
		return fault("position_in_sequence_malformed", 0, len(s))
	}
	switch {
	case position[0] == '0':
		return fault("illegal_zero_prefix", 0, len(position))
	case end[0] == '0':
		return fault("illegal_zero_prefix", len(position)+1, len(end))
	case len(position) > len(end) || len(position) == len(end) && position > end:
		return fault("position_exceeds_end", 0, len(s))
	}
	return nil
}

// iban verifies an International Bank Account Number (ISO 13616) by its
// country, its length and its check digits modulo 97.
func iban(s string) *Error {
	switch {
	case len(s) < 4:
		return fault("iban_too_short", 0, len(s))
	case listed(s[:2], countryLetters, "") != nil:
		return fault("illegal_iban_country_code", 0, 2)
	case len(s) > 34:
		return fault("iban_too_long", 0, len(s))
	case len(s) <= 10:
		return fault("iban_too_short", 0, len(s))
	}
	sum := 0
	for i := range len(s) {
		at := (i + 4) % len(s)
		switch c := s[at]; {
		case c >= '0' && c <= '9':
			sum = (sum*10 + int(c-'0')) % 97
		case c >= 'A' && c <= 'Z':
			sum = (sum*100 + int(c-'A') + 10) % 97
		default:
			return fault("invalid_iban_character", at, 1)
		}
	}
	if sum != 1 {
		return fault("incorrect_iban_checksum", 2, 2)
	}
	return nil
}
