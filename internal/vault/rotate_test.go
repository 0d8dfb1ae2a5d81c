package vault

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"portico/db/dbtest"
	"portico/internal/account"
	"portico/internal/secret"
)

// sealedElsewhere are the columns of ciphertexts that no rotation touches, and why.
var sealedElsewhere = map[string]string{
	"encryption_key.canary_cipher": "goes with its key",
}

func TestEverySealedColumnIsRotated(t *testing.T) {
	t.Parallel()
	d := dbtest.New(t)
	rows, err := d.Pool().Query(t.Context(), `
		select c.relname || '.' || a.attname
		from pg_class c
		join pg_attribute a on a.attrelid = c.oid and not a.attisdropped
		where c.relnamespace = 'public'::regnamespace and c.relkind in ('r', 'p') and a.attname like '%\_cipher'
		order by 1`)
	require.NoError(t, err)
	stored, err := pgx.CollectRows(rows, pgx.RowTo[string])
	require.NoError(t, err)
	var known []string
	for column := range sealedElsewhere {
		known = append(known, column)
	}
	for _, c := range Columns() {
		known = append(known, c.String())
	}
	require.ElementsMatch(t, stored, known, "add it to Columns")
}

func TestAfterARotationTheOldKeyCanBeRemoved(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	before := w.process(1)
	require.NoError(t, before.Admit(t.Context()))
	caller := before.stock()
	plain := before.sealed()
	require.Len(t, plain, len(Columns())+1, "something of everything, and a signing key for each algorithm")
	tokenKey, err := before.accounts.TokenKey(t.Context(), caller)
	require.NoError(t, err)

	during := w.process(2, 1)
	require.NoError(t, during.Admit(t.Context()))
	require.Error(t, w.process(2).Admit(t.Context()), "not yet")
	require.NoError(t, during.RotationStart(t.Context()))
	rotating, err := during.Rotating(t.Context())
	require.NoError(t, err)
	require.True(t, rotating)
	require.Equal(t, 1, during.work())
	rotating, err = during.Rotating(t.Context())
	require.NoError(t, err)
	require.False(t, rotating)
	counts, err := during.Census(t.Context())
	require.NoError(t, err)
	for _, count := range counts {
		require.Equal(t, byte(2), count.Version, count)
	}

	after := w.process(2)
	require.NoError(t, after.Admit(t.Context()))
	require.Equal(t, plain, after.sealed())
	found, err := after.accounts.TokenKey(t.Context(), caller)
	require.NoError(t, err)
	require.Equal(t, tokenKey, found)
	authenticated, err := after.accounts.Authenticate(t.Context(), tokenKey.Key, "")
	require.NoError(t, err)
	require.Equal(t, account.KindTokenKey, authenticated.Kind)
	for _, text := range plain {
		require.NotContains(t, w.log.String(), text)
	}
}

// tokenKeys adds rolled token keys, sealed by the process.
func (p *process) tokenKeys(n int, merchantID int64) {
	p.t.Helper()
	var ids []int64
	var hashes, ciphers [][]byte
	for i := range n {
		id := int64(1_000_000 + i)
		ids = append(ids, id)
		hashes = append(hashes, p.Keys.Hash(secret.Text(fmt.Sprint(id))))
		ciphers = append(ciphers, p.Keys.Seal(account.TokenKeyIdentity(id), secret.Text(fmt.Sprint(id))))
	}
	_, err := p.DB.System().Exec(p.t.Context(), `insert into token_key (merchant_id, id, key_hash, key_cipher, created_at, expires_at)
		select $1, id, hash, cipher, $5, $5 from unnest($2::bigint[], $3::bytea[], $4::bytea[]) t (id, hash, cipher)`,
		merchantID, ids, hashes, ciphers, newYear)
	require.NoError(p.t, err)
}

func TestALongRotationGoesOnInSlices(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	before := w.process(1)
	caller := before.stock()
	const rows = 2*sliceBatches*batchRows + 1
	before.tokenKeys(rows, caller.MerchantID)
	plain := before.sealed()

	during := w.process(2, 1)
	require.NoError(t, during.Rotate(t.Context(), RotateArgs{To: 2}), "a slice")
	left := func() (n int64) {
		counts, err := during.Census(t.Context())
		require.NoError(t, err)
		for _, count := range counts {
			if count.Version == 1 {
				n += count.Rows
			}
		}
		return n
	}
	require.Greater(t, left(), int64(rows/3))
	require.Less(t, left(), int64(rows))
	require.NoError(t, during.Rotate(t.Context(), RotateArgs{To: 2}), "its worker was killed, and it is done again")
	require.Equal(t, 2, during.work(), "both go on, and neither harms the other")
	require.Zero(t, left())
	require.Equal(t, plain, w.process(2).sealed())
}

func TestABatchReadsNoMoreThanItsRows(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for _, c := range Columns() {
		arguments := []any{[]byte{2}, batchRows}
		for range c.Key {
			arguments = append(arguments, 0)
		}
		require.NoError(t, w.db.System().Tx(t.Context(), func(tx pgx.Tx) error {
			_, err := tx.Exec(t.Context(), byPrimaryKey)
			require.NoError(t, err)
			explain := func(sql string, args ...any) string {
				rows, err := tx.Query(t.Context(), "explain "+sql, args...)
				require.NoError(t, err)
				lines, err := pgx.CollectRows(rows, pgx.RowTo[string])
				require.NoError(t, err)
				return strings.Join(lines, "\n")
			}
			read := explain(c.outdated(), arguments...)
			require.Contains(t, read, "Index Scan using "+c.Table+"_pkey")
			require.NotContains(t, read, "Sort", "the key's order is the index's")
			write := explain(c.replace(), append([]any{[]byte("before"), []byte("after")}, arguments[2:]...)...)
			require.Contains(t, write, "Index Scan")
			return nil
		}))
	}
}

func TestARowThatHasChangedMeanwhileIsNotOverwritten(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	before := w.process(1)
	caller := before.stock()
	keys := Columns()[slices.IndexFunc(Columns(), func(c Column) bool { return c.Table == "token_key" })]
	var row outdated
	err := w.db.System().QueryRow(t.Context(), `select array[merchant_id, id], key_cipher from token_key`).Scan(&row.key, &row.sealed)
	require.NoError(t, err)
	changed := before.Keys.Seal(account.TokenKeyIdentity(row.key[1]), "ptc_tk_changed")
	w.exec(`update token_key set key_cipher = $1 where merchant_id = $2`, changed, caller.MerchantID)

	during := w.process(2, 1)
	require.NoError(t, w.db.System().Tx(t.Context(), func(tx pgx.Tx) error {
		return during.resealRows(t.Context(), tx, keys, []outdated{row})
	}))
	found, err := during.accounts.TokenKey(t.Context(), caller)
	require.NoError(t, err)
	require.Equal(t, "ptc_tk_changed", string(found.Key))
	require.NoError(t, during.RotationStart(t.Context()))
	during.work()
	found, err = w.process(2).accounts.TokenKey(t.Context(), caller)
	require.NoError(t, err)
	require.Equal(t, "ptc_tk_changed", string(found.Key))
}

func TestARowThatNoKeyOpensIsReportedAndHoldsNothingUp(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	before := w.process(1)
	require.NoError(t, before.Admit(t.Context()))
	caller := before.stock()
	before.tokenKeys(2, caller.MerchantID)
	w.exec(`update token_key set key_cipher = set_byte(key_cipher, 20, 255 - get_byte(key_cipher, 20)) where id = 1000000`)
	w.exec(`update product set launch_secret_cipher = ''`)

	during := w.process(2, 1)
	require.NoError(t, during.Admit(t.Context()))
	require.NoError(t, during.RotationStart(t.Context()))
	during.work()
	counts, err := during.Census(t.Context())
	require.NoError(t, err)
	require.ElementsMatch(t, []Count{
		{"product.next_launch_secret_cipher", 2, 1}, {"product.launch_secret_cipher", 0, 1}, {"product_review.test_credentials_cipher", 2, 1},
		{"token_key.key_cipher", 1, 1}, {"token_key.key_cipher", 2, 2}, {"portal_key.key_cipher", 2, 1}, {"webhook_endpoint.next_secret_cipher", 2, 1},
		{"webhook_endpoint.secret_cipher", 2, 1}, {"webhook_endpoint.next_signing_key_cipher", 2, 1}, {"webhook_endpoint.signing_key_cipher", 2, 1},
		{"webhook_endpoint.headers_cipher", 2, 1}, {"connection.access_token_cipher", 2, 1}, {"totp.secret_cipher", 2, 1},
		{"signing_key.private_key_cipher", 2, 2}, {"mail.content_cipher", 2, 1},
	}, counts)
	require.Contains(t, w.log.String(), fmt.Sprintf(`column=token_key.key_cipher row="[%d 1000000]"`, caller.MerchantID))
	require.ErrorContains(t, w.process(2).Admit(t.Context()), "lacks the key of version 1", "as something is sealed with it")
	keys, err := during.KeyList(t.Context(), counts)
	require.NoError(t, err)
	require.Equal(t, []Key{
		{Version: 2, Given: true, Seals: true, Required: true}, {Version: 1, Given: true, Required: true}, {Version: 0},
	}, keys)
}

func TestAWorkerWithAnotherFirstKeyLeavesTheRotationToOthers(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.process(1).stock()
	for _, p := range []*process{w.process(1), w.process(1, 2), w.process(3, 2, 1)} {
		require.ErrorIs(t, p.Rotate(t.Context(), RotateArgs{To: 2}), ErrOtherKey)
	}
	w.process(1).sealed()
}

func TestARotationThatWaitsIsNotDoubledAndOneThatIsDoneIsDoneAgain(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.process(1).stock()
	during := w.process(2, 1)
	for range 2 {
		require.NoError(t, during.RotationStart(t.Context()))
	}
	require.Equal(t, 1, during.work())
	w.exec(`update river_job set state = 'completed', finalized_at = now()`)
	require.NoError(t, during.RotationStart(t.Context()))
	require.Equal(t, 1, during.work())
}
