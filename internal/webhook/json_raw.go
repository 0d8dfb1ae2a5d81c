package webhook

import (
	"bytes"
	"encoding/json"
	"errors"
	"strconv"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// raw appends text anew in stable form.
func (w *jsonWriter) raw(text json.RawMessage, depth int) error {
	if text == nil {
		w.text("null")
		return nil
	}
	if !json.Valid(text) {
		return errors.New("the raw JSON is not valid")
	}
	r := jsonReader{w: w, rest: text}
	return r.value(depth)
}

// jsonReader copies valid JSON to a writer. encoding/json would lose lone surrogates, the order and the digits of numbers.
type jsonReader struct {
	w    *jsonWriter
	rest []byte
}

func (r *jsonReader) value(depth int) error {
	r.space()
	switch c := r.rest[0]; {
	case c == '{' || c == '[':
		if depth >= maxDepth {
			return errTooDeep
		}
		if c == '{' {
			return r.object(depth)
		}
		return r.array(depth)
	case c == '"':
		r.string()
		return nil
	case c == '-' || isDigit(c):
		return r.w.numberText(r.word("+-.eE0123456789"))
	default:
		r.w.text(r.word("aeflnrstu"))
		return nil
	}
}

func (r *jsonReader) object(depth int) error {
	members := r.w.openObject()
	for r.rest = r.rest[1:]; !r.skip('}'); r.skip(',') {
		r.space()
		members.key(r.string)
		r.skip(':')
		if err := r.value(depth + 1); err != nil {
			return err
		}
		members.end()
	}
	members.close()
	return nil
}

func (r *jsonReader) array(depth int) error {
	r.w.text("[")
	for r.rest = r.rest[1:]; !r.skip(']'); {
		if err := r.value(depth + 1); err != nil {
			return err
		}
		if r.skip(',') {
			r.w.text(",")
		}
	}
	r.w.text("]")
	return nil
}

func (r *jsonReader) string() {
	r.w.text(`"`)
	for r.rest = r.rest[1:]; r.rest[0] != '"'; {
		if r.rest[0] == '\\' {
			r.w.rune(r.escape())
			continue
		}
		c, size := utf8.DecodeRune(r.rest)
		r.w.rune(c)
		r.rest = r.rest[size:]
	}
	r.rest = r.rest[1:]
	r.w.text(`"`)
}

// escape reads one character that is written with a backslash. Two escapes that are halves of one character are read together.
func (r *jsonReader) escape() rune {
	letter := r.rest[1]
	r.rest = r.rest[2:]
	if letter != 'u' {
		if i := strings.IndexByte("bfnrt", letter); i >= 0 {
			return rune("\b\f\n\r\t"[i])
		}
		return rune(letter)
	}
	c := hexRune(r.rest)
	r.rest = r.rest[4:]
	if bytes.HasPrefix(r.rest, []byte(`\u`)) {
		if pair := utf16.DecodeRune(c, hexRune(r.rest[2:])); pair != utf8.RuneError {
			r.rest = r.rest[6:]
			return pair
		}
	}
	return c
}

func hexRune(digits []byte) rune {
	// Valid JSON has four hexadecimal digits here.
	c, _ := strconv.ParseUint(string(digits[:4]), 16, 16)
	return rune(c)
}

// word takes the run of letters off the rest.
func (r *jsonReader) word(letters string) string {
	word := r.rest[:len(r.rest)-len(bytes.TrimLeft(r.rest, letters))]
	r.rest = r.rest[len(word):]
	return string(word)
}

func (r *jsonReader) space() { r.rest = bytes.TrimLeft(r.rest, " \t\r\n") }

func (r *jsonReader) skip(c byte) bool {
	r.space()
	if r.rest[0] != c {
		return false
	}
	r.rest = r.rest[1:]
	return true
}
