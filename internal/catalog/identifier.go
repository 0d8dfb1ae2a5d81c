package catalog

import (
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"

	"golang.org/x/text/unicode/norm"
)

var identifier = regexp.MustCompile(`^[a-z][a-z0-9]{2,31}$`)

// suggestion makes an identifier from the short codes of the shop and of the product's name, and from the year and month in UTC:
// smart-portal's "Work Planner App" of November 2023 is spwpa2311.
func suggestion(shop, name string, now time.Time) string {
	return shortCode(shop) + shortCode(name) + now.UTC().Format("0601")
}

// shortCode is the initials of the first four words, or the first three letters of a single one. Other alphabets have no place in
// an identifier and are left out, as are digits at the beginning and the marks on letters.
func shortCode(text string) string {
	unmarked := strings.Map(func(r rune) rune {
		if unicode.IsMark(r) {
			return -1
		}
		return unicode.ToLower(r)
	}, norm.NFKD.String(text))
	words := strings.FieldsFunc(unmarked, func(r rune) bool { return (r < 'a' || r > 'z') && (r < '0' || r > '9') })
	code, size := strings.Join(words, ""), 3
	if len(words) > 1 {
		initials := make([]byte, len(words))
		for i, word := range words {
			initials[i] = word[0]
		}
		code, size = string(initials), 4
	}
	code = strings.TrimLeft(code, "0123456789")
	return code[:min(size, len(code))]
}

// firstFree is base, or base with the smallest number from 2 on that is not taken, set off by an x.
func firstFree(base string, taken []string) string {
	candidate := base
	for n := 2; slices.Contains(taken, candidate); n++ {
		candidate = base + "x" + strconv.Itoa(n)
	}
	return candidate
}
