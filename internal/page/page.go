// Package page owns keyset paging: what is asked of a list, and the opaque cursors between its pages.
package page

import (
	"encoding/base64"
	"strconv"
	"strings"

	"portico/internal/fault"
)

// The page sizes of every list.
const (
	DefaultSize = 20
	MaxSize     = 100
)

// Request asks for at most Size rows behind the row After (0: from the start). Lists are ordered by id, newest first, unless
// they say otherwise.
type Request struct {
	Size  int
	After int64
}

// Parse reads the arguments of a connection field. A nil first means DefaultSize.
func Parse(first *int, after *string) (Request, error) {
	size, err := Size(first)
	if err != nil {
		return Request{}, err
	}
	r := Request{Size: size}
	if after == nil || *after == "" {
		return r, nil
	}
	parts, err := decode(*after, 1)
	if err != nil {
		return Request{}, err
	}
	r.After = parts[0]
	return r, nil
}

// Size reads the argument first of a connection field.
func Size(first *int) (int, error) {
	switch {
	case first == nil:
		return DefaultSize, nil
	case *first < 1 || *first > MaxSize:
		return 0, fault.Invalid("first", "must be between 1 and %d", MaxSize)
	}
	return *first, nil
}

// Before is the upper bound on ids that a newest-first query uses: rows with smaller ids come behind the cursor.
func (r Request) Before() int64 {
	if r.After == 0 {
		return 1<<63 - 1
	}
	return r.After
}

// Limit is the number of rows to fetch: one more than the page, which tells whether another page follows.
func (r Request) Limit() int32 { return int32(r.Size) + 1 } //nolint:gosec // Size is at most MaxSize

// Cursor writes the position of a row as opaque text.
func Cursor(position ...int64) string {
	parts := make([]string, len(position))
	for i, p := range position {
		parts[i] = strconv.FormatInt(p, 36)
	}
	return base64.RawURLEncoding.EncodeToString([]byte(strings.Join(parts, ".")))
}

// Position reads a cursor of two parts, as ordered lists with a tie-breaker have them.
func Position(after *string) (first, second int64, err error) {
	if after == nil || *after == "" {
		return 0, 0, nil
	}
	parts, err := decode(*after, 2)
	if err != nil {
		return 0, 0, err
	}
	return parts[0], parts[1], nil
}

func decode(cursor string, want int) ([]int64, error) {
	invalid := fault.Invalid("after", "is not a cursor of this list")
	raw, err := base64.RawURLEncoding.DecodeString(cursor)
	if err != nil {
		return nil, invalid
	}
	texts := strings.Split(string(raw), ".")
	if len(texts) != want {
		return nil, invalid
	}
	position := make([]int64, want)
	for i, text := range texts {
		if position[i], err = strconv.ParseInt(text, 36, 64); err != nil || position[i] < 0 {
			return nil, invalid
		}
	}
	return position, nil
}

// Trim cuts the extra row that Limit asked for and tells whether it was there.
func Trim[T any](rows []T, size int) (trimmed []T, hasNext bool) {
	if len(rows) > size {
		return rows[:size], true
	}
	return rows, false
}
