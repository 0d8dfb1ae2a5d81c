// Package jsontext owns what is to be known of a JSON text before Go's decoder has read it, which is more lenient than JavaScript's.
package jsontext

import (
	"bytes"
	"strconv"
	"unicode/utf16"
	"unicode/utf8"
)

// HalfSurrogate tells whether a valid JSON text has half of a surrogate pair, which is no character: Go's decoder would put U+FFFD in its
// place without a word.
func HalfSurrogate(text []byte) bool {
	for {
		at := bytes.IndexByte(text, '\\')
		if at < 0 {
			return false
		}
		text = text[at:]
		if text[1] != 'u' {
			text = text[2:]
			continue
		}
		if first := escaped(text); utf16.IsSurrogate(first) {
			if !bytes.HasPrefix(text[6:], []byte(`\u`)) || utf16.DecodeRune(first, escaped(text[6:])) == utf8.RuneError {
				return true
			}
			text = text[6:]
		}
		text = text[6:]
	}
}

// escaped reads the escape, such as \u00e9, that a text begins with.
func escaped(text []byte) rune {
	r, _ := strconv.ParseUint(string(text[2:6]), 16, 16)
	return rune(r)
}
