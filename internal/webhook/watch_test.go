package webhook

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestNothingIsAskedWhileNobodyFollows(t *testing.T) {
	t.Parallel()
	all := &watchers{}
	var mu sync.Mutex
	asked, position := [][]int64{}, int64(0)
	ask := func(_ context.Context, merchantIDs []int64, since int64) ([]head, error) {
		mu.Lock()
		defer mu.Unlock()
		require.Equal(t, position, since)
		asked = append(asked, merchantIDs)
		if len(asked) == 1 {
			return nil, errors.New("the database is away")
		}
		position++
		found := make([]head, len(merchantIDs))
		for i, id := range merchantIDs {
			found[i] = head{id, position, position}
		}
		return found, nil
	}
	const patience = 20 * time.Second
	wakes := func(one *watch) {
		t.Helper()
		select {
		case <-one.news:
		case <-time.After(patience):
			require.Fail(t, "nobody wakes it")
		}
	}
	first, endFirst := all.watch(t.Context(), []int64{1, 2}, ask, slog.New(slog.DiscardHandler))
	second, endSecond := all.watch(t.Context(), []int64{2}, ask, slog.New(slog.DiscardHandler))
	wakes(first)
	wakes(second)
	endFirst()
	wakes(second)
	wakes(second)
	endSecond()
	looking := func() bool {
		all.mu.Lock()
		defer all.mu.Unlock()
		return all.looking
	}
	require.Eventually(t, func() bool { return !looking() }, patience, 10*time.Millisecond)
	mu.Lock()
	require.Equal(t, []int64{1, 2}, asked[0])
	require.Equal(t, []int64{2}, asked[len(asked)-1], "not of what nobody follows any more")
	mu.Unlock()

	third, endThird := all.watch(t.Context(), []int64{3}, ask, slog.New(slog.DiscardHandler))
	defer endThird()
	wakes(third)
}
