package account

import (
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"

	"portico/db"
)

func TestNoMoreKeysAreRememberedThanFit(t *testing.T) {
	t.Parallel()
	var seen seenKeys
	for i := range maxSeenKeys + 10 {
		hash := []byte(strconv.Itoa(i))
		seen.put(hash, db.APIKeyByHashRow{ID: int64(i)})
		seen.put(hash, db.APIKeyByHashRow{ID: int64(i)})
		row, found := seen.get(hash)
		require.True(t, found)
		require.EqualValues(t, i, row.ID)
	}
	require.Len(t, seen.rows, maxSeenKeys)
}
