package account_test

import (
	"context"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"portico/internal/account"
	"portico/internal/fault"
	"portico/internal/page"
	"portico/internal/secret"
)

// product inserts a product of the caller's merchant and gives its id.
func (w *world) product(t *testing.T, caller account.Caller, identifier string) int64 {
	t.Helper()
	return scan[int64](t, w.DB, `insert into product (merchant_id, identifier, name, launch_url, launch_secret_cipher, created_at)
		values ($1, $2, 'App', 'https://app.test', '', $3) returning id`, caller.MerchantID, identifier, leapDay)
}

func (w *world) client(t *testing.T, caller account.Caller, productID int64) (account.Client, secret.Text) {
	t.Helper()
	client, plain, err := w.ClientCreate(t.Context(), caller, account.ClientCreate{ProductID: productID, Name: "Server"})
	require.NoError(t, err)
	return client, plain
}

func (w *world) clientNow(t *testing.T, caller account.Caller, id int64) account.Client {
	t.Helper()
	found, err := w.ClientsByID(t.Context(), caller, []int64{id})
	require.NoError(t, err)
	require.Contains(t, found, id)
	return found[id]
}

func (w *world) requireNoClient(t *testing.T, clientID string, plain secret.Text) {
	t.Helper()
	_, err := w.AuthenticateClient(t.Context(), clientID, plain, "")
	require.ErrorIs(t, err, account.ErrUnauthenticated)
}

func TestAClientHasAPublicIdAndASecretThatIsShownOnce(t *testing.T) {
	t.Parallel()
	w := open(t)
	acme := w.signUp(t, "acme")
	app := w.product(t, acme, "app")
	client, plain, err := w.ClientCreate(t.Context(), acme, account.ClientCreate{ProductID: app, Name: " Server "})
	require.NoError(t, err)
	require.Regexp(t, `^ptc_ci_live_[a-z2-7]{16}$`, client.ClientID)
	require.Regexp(t, `^ptc_cs_live_[0-9A-Za-z]{38}$`, string(plain))
	require.Equal(t, account.Client{
		ID: client.ID, ProductID: app, ClientID: client.ClientID, Name: "Server", Hint: string(plain[:len("ptc_cs_live_")+4]), CreatedAt: client.CreatedAt,
	}, client)
	require.True(t, leapDay.Equal(client.CreatedAt))
	require.Equal(t, client, w.clientNow(t, acme, client.ID))
	require.Equal(t, w.Keys.Hash(plain), scan[[]byte](t, w.DB, `select secret_hash from client_secret`))
	require.NotContains(t, scan[string](t, w.DB, `select client_secret::text from client_secret`), string(plain[16:]))

	box := w.sandbox(t, acme)
	inside, plain := w.client(t, box, w.product(t, box, "app"))
	require.Contains(t, inside.ClientID, "_test_")
	require.Contains(t, string(plain), "_test_")
}

func TestAClientIsRefused(t *testing.T) {
	t.Parallel()
	w := open(t)
	acme, bobs := w.signUp(t, "acme"), w.signUp(t, "bobs")
	app, foreign := w.product(t, acme, "app"), w.product(t, bobs, "app")
	for _, c := range []struct {
		name  string
		in    account.ClientCreate
		code  fault.Code
		field string
	}{
		{"without a name", account.ClientCreate{ProductID: app, Name: " "}, fault.CodeRequired, "name"},
		{"for no product", account.ClientCreate{ProductID: 999, Name: "A"}, fault.CodeNotFound, "product"},
		{"for a product of another merchant", account.ClientCreate{ProductID: foreign, Name: "A"}, fault.CodeNotFound, "product"},
	} {
		_, plain, err := w.ClientCreate(t.Context(), acme, c.in)
		requireFault(t, err, c.code, c.field)
		require.Empty(t, string(plain), c.name)
	}
	require.Zero(t, w.rows(t, "client"))
}

func TestAClientActsForItsProductWithItsIdAndItsSecret(t *testing.T) {
	t.Parallel()
	w := open(t)
	acme := w.signUp(t, "acme")
	app, other := w.product(t, acme, "app"), w.product(t, acme, "other")
	client, plain := w.client(t, acme, app)
	neighbour, neighbours := w.client(t, acme, other)

	for _, shop := range []string{"", "acme"} {
		caller, err := w.AuthenticateClient(t.Context(), client.ClientID, plain, shop)
		require.NoError(t, err)
		require.Equal(t, account.Caller{Kind: account.KindClient, MerchantID: acme.MerchantID, ClientID: client.ID, ProductID: app}, caller)
		require.True(t, caller.Reaches(app))
		require.False(t, caller.Reaches(other))
		require.False(t, caller.Reaches(0))
	}
	require.True(t, acme.Reaches(app) && acme.Reaches(other), "others reach every product of their merchant")
	_, err := w.AuthenticateClient(t.Context(), client.ClientID, plain, "nobodys")
	requireFault(t, err, fault.CodeForbidden, "")

	_, key := w.apiKey(t, acme, nil)
	w.requireNoClient(t, neighbour.ClientID, plain)
	w.requireNoClient(t, client.ClientID, neighbours)
	w.requireNoClient(t, "", plain)
	w.requireNoClient(t, "\x00\xff", plain)
	w.requireNoClient(t, client.ClientID, secret.NewCredential(secret.KindClientSecret, true))
	w.requireNoClient(t, client.ClientID, key)
	w.requireNoClient(t, client.ClientID, "")
	_, err = w.Authenticate(t.Context(), plain, "")
	require.ErrorIs(t, err, account.ErrUnauthenticated, "the secret alone is nobody's")
}

func TestTheUseOfAClientIsRecordedOnceAMinute(t *testing.T) {
	t.Parallel()
	w := open(t)
	acme := w.signUp(t, "acme")
	client, plain := w.client(t, acme, w.product(t, acme, "app"))
	for _, c := range []struct{ at, want time.Duration }{{0, 0}, {time.Minute - time.Microsecond, 0}, {time.Minute, time.Minute}} {
		w.now = leapDay.Add(c.at)
		_, err := w.AuthenticateClient(t.Context(), client.ClientID, plain, "")
		require.NoError(t, err)
		require.True(t, leapDay.Add(c.want).Equal(*w.clientNow(t, acme, client.ID).LastUsedAt), c.at)
	}
	err := w.DB.System().Tx(t.Context(), func(tx pgx.Tx) error {
		_, err := tx.Exec(t.Context(), `lock table client in share mode`)
		require.NoError(t, err)
		short, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		_, err = w.AuthenticateClient(short, client.ClientID, plain, "")
		return err
	})
	require.NoError(t, err, "a busy client writes nothing")
}

func TestBothSecretsOfAClientAreAcceptedDuringTheOverlap(t *testing.T) {
	t.Parallel()
	w := open(t)
	acme, bobs := w.signUp(t, "acme"), w.signUp(t, "bobs")
	client, first := w.client(t, acme, w.product(t, acme, "app"))
	ends := leapDay.Add(time.Minute)
	rolled, second, err := w.ClientRoll(t.Context(), acme, client.ID, 60)
	require.NoError(t, err)
	require.Equal(t, client.ClientID, rolled.ClientID)
	require.Equal(t, secret.Hint(second), rolled.Hint)
	require.True(t, ends.Equal(*rolled.RolledUntil))
	require.Equal(t, rolled, w.clientNow(t, acme, client.ID))

	w.now = ends.Add(-time.Microsecond)
	for _, plain := range []secret.Text{first, second} {
		caller, err := w.AuthenticateClient(t.Context(), client.ClientID, plain, "")
		require.NoError(t, err)
		require.Equal(t, client.ID, caller.ClientID)
	}
	w.now = ends
	w.requireNoClient(t, client.ClientID, first)
	require.Nil(t, w.clientNow(t, acme, client.ID).RolledUntil)
	_, third, err := w.ClientRoll(t.Context(), acme, client.ID, 0)
	require.NoError(t, err)
	w.requireNoClient(t, client.ClientID, second)
	_, err = w.AuthenticateClient(t.Context(), client.ClientID, third, "")
	require.NoError(t, err)
	require.Equal(t, 2, w.rows(t, "client_secret"), "those that had ended are taken away")

	_, _, err = w.ClientRoll(t.Context(), bobs, client.ID, 0)
	requireFault(t, err, fault.CodeNotFound, "id")
	for _, seconds := range []int32{-1, 7*24*3600 + 1} {
		_, _, err = w.ClientRoll(t.Context(), acme, client.ID, seconds)
		requireFault(t, err, fault.CodeInvalid, "overlapSeconds")
	}
}

func TestARevokedClientEndsAtOnceWithAllItsSecrets(t *testing.T) {
	t.Parallel()
	w := open(t)
	acme, bobs := w.signUp(t, "acme"), w.signUp(t, "bobs")
	client, first := w.client(t, acme, w.product(t, acme, "app"))
	_, second, err := w.ClientRoll(t.Context(), acme, client.ID, 3600)
	require.NoError(t, err)
	_, err = w.ClientRevoke(t.Context(), bobs, client.ID)
	requireFault(t, err, fault.CodeNotFound, "id")
	revoked, err := w.ClientRevoke(t.Context(), acme, client.ID)
	require.NoError(t, err)
	require.True(t, leapDay.Equal(*revoked.RevokedAt))
	w.requireNoClient(t, client.ClientID, first)
	w.requireNoClient(t, client.ClientID, second)

	w.now = w.now.Add(time.Minute)
	again, err := w.ClientRevoke(t.Context(), acme, client.ID)
	require.NoError(t, err)
	require.Equal(t, revoked, again)
	_, _, err = w.ClientRoll(t.Context(), acme, client.ID, 0)
	requireFault(t, err, fault.CodeConflict, "id")
}

func TestAClientOfASuspendedMerchantIsRefused(t *testing.T) {
	t.Parallel()
	w := open(t)
	acme := w.signUp(t, "acme")
	client, plain := w.client(t, acme, w.product(t, acme, "app"))
	_, err := w.MerchantSuspend(t.Context(), operator, acme.MerchantID, "Fraud")
	require.NoError(t, err)
	_, err = w.AuthenticateClient(t.Context(), client.ClientID, plain, "")
	requireFault(t, err, fault.CodeForbidden, "")
	require.EqualError(t, err, "the merchant is suspended: Fraud")
	require.Nil(t, w.clientNow(t, acme, client.ID).LastUsedAt, "which is no use")
	_, err = w.MerchantReinstate(t.Context(), operator, acme.MerchantID)
	require.NoError(t, err)
	_, err = w.AuthenticateClient(t.Context(), client.ClientID, plain, "")
	require.NoError(t, err)
}

func TestClientsAreListedNewestFirstForTheirProduct(t *testing.T) {
	t.Parallel()
	w := open(t)
	acme, bobs := w.signUp(t, "acme"), w.signUp(t, "bobs")
	app, other := w.product(t, acme, "app"), w.product(t, acme, "other")
	foreign, _ := w.client(t, bobs, w.product(t, bobs, "app"))
	one, _ := w.client(t, acme, app)
	two, _ := w.client(t, acme, other)
	three, _ := w.client(t, acme, app)
	list := func(product *int64, request page.Request) []account.Client {
		clients, err := w.Clients(t.Context(), acme, product, request)
		require.NoError(t, err)
		return clients
	}
	require.Equal(t, []account.Client{three, two, one}, list(nil, firstPage))
	require.Equal(t, []account.Client{three, one}, list(&app, firstPage))
	require.Equal(t, []account.Client{three, two}, list(nil, page.Request{Size: 1}), "a row more than the page tells that there is another")
	require.Equal(t, []account.Client{one}, list(nil, page.Request{Size: 1, After: two.ID}))
	found, err := w.ClientsByID(t.Context(), acme, []int64{one.ID, foreign.ID})
	require.NoError(t, err)
	require.Equal(t, map[int64]account.Client{one.ID: one}, found)
}

func TestAClientOfALiveMerchantIsForMembersWithAProvenAddress(t *testing.T) {
	t.Parallel()
	w := open(t)
	caller := w.caller(t, w.join(t, "Acme", "ada@example.com", passphrase).Session.Token, "")
	_, _, err := w.ClientCreate(t.Context(), caller, account.ClientCreate{ProductID: 1, Name: "Server"})
	requireFault(t, err, fault.CodeEmailUnverified, "")
	_, _, err = w.ClientCreate(t.Context(), w.sandbox(t, caller), account.ClientCreate{ProductID: 1, Name: "Server"})
	requireFault(t, err, fault.CodeNotFound, "product")
}
