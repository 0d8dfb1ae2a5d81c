package page_test

import (
	"encoding/base64"
	"math"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"portico/internal/fault"
	"portico/internal/page"
)

func TestAPageHasOneToAHundredRowsAndTwentyUnlessAsked(t *testing.T) {
	t.Parallel()
	size, err := page.Size(nil)
	require.NoError(t, err)
	require.Equal(t, 20, size)
	for _, first := range []int{1, 20, 100} {
		size, err := page.Size(&first)
		require.NoError(t, err)
		require.Equal(t, first, size)
	}
	for _, first := range []int{0, -1, 101, math.MaxInt} {
		_, err := page.Parse(&first, nil)
		require.True(t, fault.Is(err, fault.CodeInvalid))
		require.Equal(t, []string{"first"}, fault.List(err)[0].Field)
	}
}

func TestTheFirstPageHasNoUpperBound(t *testing.T) {
	t.Parallel()
	empty := ""
	for _, after := range []*string{nil, &empty} {
		request, err := page.Parse(nil, after)
		require.NoError(t, err)
		require.Equal(t, int64(math.MaxInt64), request.Before())
		require.Equal(t, int32(21), request.Limit())
	}
}

func TestACursorLeadsBackToItsRow(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		first, second := rapid.Int64Range(1, math.MaxInt64).Draw(t, "first"), rapid.Int64Range(0, math.MaxInt64).Draw(t, "second")

		cursor := page.Cursor(first)
		request, err := page.Parse(nil, &cursor)
		require.NoError(t, err)
		require.Equal(t, first, request.Before())

		cursor = page.Cursor(first, second)
		gotFirst, gotSecond, err := page.Position(&cursor)
		require.NoError(t, err)
		require.Equal(t, []int64{first, second}, []int64{gotFirst, gotSecond})
	})
}

func TestAForeignCursorIsInvalid(t *testing.T) {
	t.Parallel()
	raw := func(text string) string { return base64.RawURLEncoding.EncodeToString([]byte(text)) }
	for name, cursor := range map[string]string{
		"not base64":         "!",
		"no number":          raw("?"),
		"a part too many":    page.Cursor(1, 2, 3),
		"a negative number":  raw("-1"),
		"a number too large": raw("zzzzzzzzzzzzzz"),
		"an empty part":      raw("1."),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := page.Parse(nil, &cursor)
			require.True(t, fault.Is(err, fault.CodeInvalid))
			require.Equal(t, []string{"after"}, fault.List(err)[0].Field)
			_, _, err = page.Position(&cursor)
			require.True(t, fault.Is(err, fault.CodeInvalid))
		})
	}
	one, two := page.Cursor(1), page.Cursor(1, 2)
	_, err := page.Parse(nil, &two)
	require.True(t, fault.Is(err, fault.CodeInvalid), "the cursor of an ordered list is none of a plain one")
	_, _, err = page.Position(&one)
	require.True(t, fault.Is(err, fault.CodeInvalid), "nor the other way round")
}

func TestPositionStartsAtTheBeginning(t *testing.T) {
	t.Parallel()
	empty := ""
	for _, after := range []*string{nil, &empty} {
		first, second, err := page.Position(after)
		require.NoError(t, err)
		require.Zero(t, first)
		require.Zero(t, second)
	}
}

func TestTrimCutsTheRowThatOnlyTellsOfAnotherPage(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		rows, want []int
		hasNext    bool
	}{
		{nil, nil, false},
		{[]int{1}, []int{1}, false},
		{[]int{1, 2}, []int{1, 2}, false},
		{[]int{1, 2, 3}, []int{1, 2}, true},
	} {
		got, hasNext := page.Trim(c.rows, 2)
		require.Equal(t, c.want, got)
		require.Equal(t, c.hasNext, hasNext)
	}
}

// Every row once and in order, whatever the page size: what a client that follows the cursors sees.
func TestFollowingTheCursorsVisitsEveryRowOnce(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		count, size := rapid.IntRange(0, 50).Draw(t, "rows"), rapid.IntRange(1, 20).Draw(t, "size")
		var seen []int64
		var after *string
		for hasNext := true; hasNext; {
			request, err := page.Parse(&size, after)
			require.NoError(t, err)
			var rows []int64
			for id := int64(count); id > 0 && len(rows) < int(request.Limit()); id-- {
				if id < request.Before() {
					rows = append(rows, id)
				}
			}
			rows, hasNext = page.Trim(rows, request.Size)
			seen = append(seen, rows...)
			if len(rows) > 0 {
				cursor := page.Cursor(rows[len(rows)-1])
				after = &cursor
			}
		}
		require.Len(t, seen, count)
		for i, id := range seen {
			require.Equal(t, int64(count-i), id)
		}
	})
}
