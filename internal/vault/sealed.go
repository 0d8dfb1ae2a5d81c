package vault

import (
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"

	"portico/internal/access"
	"portico/internal/account"
	"portico/internal/billing"
	"portico/internal/catalog"
	"portico/internal/mail"
	"portico/internal/portal"
	"portico/internal/secret"
	"portico/internal/webhook"
)

// Column is a column whose values the keyring has sealed.
type Column struct {
	Table, Name string
	Key         []string                 // the columns of the primary key, which are numbers
	Identity    func(key []int64) string // of the value in the row with this key
}

// Columns are all of them, in the order in which they are rotated: a value that waits comes before the one whose place it takes. The
// canaries are none: each goes with its key.
func Columns() []Column {
	return []Column{
		tenantColumn("product", "next_launch_secret_cipher", catalog.LaunchSecretIdentity),
		tenantColumn("product", "launch_secret_cipher", catalog.LaunchSecretIdentity),
		tenantColumn("product_review", "test_credentials_cipher", catalog.TestCredentialsIdentity),
		tenantColumn("token_key", "key_cipher", account.TokenKeyIdentity),
		{"portal_key", "key_cipher", []string{"merchant_id"}, func(key []int64) string { return portal.KeyIdentity(key[0]) }},
		tenantColumn("webhook_endpoint", "next_secret_cipher", webhook.SecretIdentity),
		{"signing_key", "private_key_cipher", []string{"id"}, func(key []int64) string { return access.SigningKeyIdentity(key[0]) }},
		tenantColumn("webhook_endpoint", "secret_cipher", webhook.SecretIdentity),
		tenantColumn("webhook_endpoint", "next_signing_key_cipher", webhook.SigningKeyIdentity),
		tenantColumn("webhook_endpoint", "signing_key_cipher", webhook.SigningKeyIdentity),
		tenantColumn("webhook_endpoint", "headers_cipher", webhook.HeadersIdentity),
		{"connection", "access_token_cipher", []string{"merchant_id", "subscription_id"}, func(key []int64) string { return billing.AccessTokenIdentity(key[1]) }},
		{"totp", "secret_cipher", []string{"holder"}, func(key []int64) string { return account.TOTPIdentity(key[0]) }},
		{"mail", "content_cipher", []string{"id"}, func(key []int64) string { return mail.ContentIdentity(key[0]) }},
	}
}

// tenantColumn is one whose rows are named by merchant_id and id, and whose identity needs the id only.
func tenantColumn(table, name string, identity func(id int64) string) Column {
	return Column{table, name, []string{"merchant_id", "id"}, func(key []int64) string { return identity(key[1]) }}
}

// String names the column as the log and the list of keys do.
func (c Column) String() string { return c.Table + "." + c.Name }

// The names below are constants of this file; what comes from elsewhere travels as an argument.

func (c Column) table() string { return pgx.Identifier{c.Table}.Sanitize() }
func (c Column) name() string  { return pgx.Identifier{c.Name}.Sanitize() }

// census counts the values by the version of the key that sealed them.
func (c Column) census() string {
	return fmt.Sprintf(`select substr(%[1]s, 1, 1), count(*) from %[2]s where %[1]s is not null group by 1 order by 1`, c.name(), c.table())
}

// outdated reads rows behind the key $3… that another version than $1 has sealed, at most $2.
func (c Column) outdated() string {
	places := make([]string, len(c.Key))
	for i := range c.Key {
		places[i] = fmt.Sprintf("$%d::bigint", i+3)
	}
	key := strings.Join(c.Key, ", ")
	return fmt.Sprintf(`select array[%[1]s], %[2]s from %[3]s where (%[1]s) > (%[4]s) and substr(%[2]s, 1, 1) <> $1::bytea order by %[1]s limit $2`,
		key, c.name(), c.table(), strings.Join(places, ", "))
}

// replace puts $2 in the place of $1 in the row with the key $3…, unless it has changed.
func (c Column) replace() string {
	pairs := make([]string, len(c.Key))
	for i, column := range c.Key {
		pairs[i] = fmt.Sprintf("%s = $%d", column, i+3)
	}
	return fmt.Sprintf(`update %[1]s set %[2]s = $2 where %[3]s and %[2]s = $1`, c.table(), c.name(), strings.Join(pairs, " and "))
}

// reseal seals a value with the first key.
func reseal(keys *secret.Keyring, identity string, sealed []byte) ([]byte, error) {
	plain, err := keys.Open(identity, sealed)
	if err != nil {
		return nil, err
	}
	return keys.Seal(identity, plain), nil
}
