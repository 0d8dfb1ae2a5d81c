package account

import (
	"bytes"
	"encoding/json"
	"strconv"
	"unicode/utf16"
	"unicode/utf8"

	"portico/internal/fault"
)

// The bounds of userMeta.
const (
	maxUserMetaBytes = 16 << 10
	maxUserMetaDepth = 20
)

// userMeta checks a customer's metadata: it must be stored as jsonb and come back in webhooks as it went in. Nothing and null are
// an empty object.
func userMeta(check *fault.Check, field string, raw json.RawMessage) json.RawMessage {
	raw = bytes.TrimSpace(raw)
	if len(raw) == 0 || string(raw) == "null" {
		return json.RawMessage("{}")
	}
	if sentence := refuseUserMeta(raw); sentence != "" {
		check.Add(fault.Invalid(field, "%s", sentence))
	}
	return raw
}

// JSONObject checks what a caller gives as a JSON object under the rules of userMeta.
func JSONObject(field string, raw json.RawMessage) (json.RawMessage, error) {
	var check fault.Check
	raw = userMeta(&check, field, raw)
	return raw, check.Err()
}

func refuseUserMeta(raw []byte) string {
	switch {
	case len(raw) > maxUserMetaBytes:
		return "must have at most 16 KiB"
	case !utf8.Valid(raw) || !json.Valid(raw):
		return "is not valid JSON"
	case raw[0] != '{':
		return "must be a JSON object"
	}
	// Only the raw text still shows lone surrogates: Go's decoder replaces them. The text is known to be valid from here on.
	size, depth := len(raw), 0
	for i := 0; i < len(raw); {
		switch raw[i] {
		case '"':
			length, storable := scanString(raw[i:])
			if !storable {
				return "must not contain \\u0000 or half of a surrogate pair"
			}
			i += length
			continue
		case '{', '[':
			if depth++; depth > maxUserMetaDepth {
				return "must be nested at most 20 levels deep"
			}
		case '}', ']':
			depth--
		case 'e', 'E':
			// Letters outside strings are literals' or an exponent's; true and false have an e without digits behind it. jsonb writes
			// numbers out, so that nine bytes could become 131,072.
			if size += exponent(raw[i+1:]); size > maxUserMetaBytes {
				return "must have at most 16 KiB with its numbers written out"
			}
		}
		i++
	}
	return ""
}

// exponent is the magnitude of the exponent that text begins with, 0 for none, and more than any bound for one that is too large.
func exponent(text []byte) int {
	digits := bytes.TrimLeft(text, "+-")
	end := 0
	for end < len(digits) && '0' <= digits[end] && digits[end] <= '9' {
		end++
	}
	if end == 0 {
		return 0
	}
	magnitude, err := strconv.Atoi(string(digits[:end]))
	if err != nil || magnitude > maxUserMetaBytes {
		return maxUserMetaBytes + 1
	}
	return magnitude
}

// scanString gives the length of the JSON string that text begins with, and whether Postgres and JavaScript both can hold it.
func scanString(text []byte) (length int, storable bool) {
	storable = true
	i := 1
	for text[i] != '"' {
		if text[i] != '\\' {
			i++
			continue
		}
		if text[i+1] != 'u' {
			i += 2
			continue
		}
		r := hexRune(text[i+2:])
		i += 6
		switch {
		case r == 0:
			storable = false
		case utf16.IsSurrogate(r):
			paired := bytes.HasPrefix(text[i:], []byte(`\u`)) && utf16.DecodeRune(r, hexRune(text[i+2:])) != utf8.RuneError
			if paired {
				i += 6
			}
			storable = storable && paired
		}
	}
	return i + 1, storable
}

// hexRune reads the four hexadecimal digits of a \u escape, which valid JSON always has.
func hexRune(digits []byte) rune {
	r, _ := strconv.ParseUint(string(digits[:4]), 16, 16)
	return rune(r)
}
