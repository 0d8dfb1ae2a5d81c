package vault

import (
	"context"
	"fmt"
	"slices"

	"github.com/jackc/pgx/v5"

	"portico/db"
)

// Count is how many values of a column one key has sealed.
type Count struct {
	Column  string // such as product.launch_secret_cipher
	Version byte   // of the key
	Rows    int64
}

// Census counts all sealed values, by column and key. It reads every row of the columns' tables.
func (v *Vault) Census(ctx context.Context) ([]Count, error) {
	var counts []Count
	for _, c := range Columns() {
		answer, err := v.DB.System().Query(ctx, c.census())
		if err != nil {
			return nil, fmt.Errorf("count what is sealed in %s: %w", c, err)
		}
		found, err := pgx.CollectRows(answer, func(row pgx.CollectableRow) (Count, error) {
			count, version := Count{Column: c.String()}, []byte(nil)
			err := row.Scan(&version, &count.Rows)
			if len(version) > 0 {
				count.Version = version[0]
			}
			return count, err
		})
		if err != nil {
			return nil, fmt.Errorf("count what is sealed in %s: %w", c, err)
		}
		counts = append(counts, found...)
	}
	return counts, nil
}

// Key is a key that this installation knows of.
type Key struct {
	Version  byte
	Given    bool // in PORTICO_KEYS
	Seals    bool // the first of them
	Required bool // a process without it does not start
}

// KeyList is every key that is given, required, or has sealed one of the counted values, the highest version first.
func (v *Vault) KeyList(ctx context.Context, counts []Count) ([]Key, error) {
	known, err := v.DB.EncryptionKeys(ctx, v.DB.Pool())
	if err != nil {
		return nil, fmt.Errorf("list the encryption keys: %w", err)
	}
	required := func(version byte) bool {
		return slices.ContainsFunc(known, func(k db.EncryptionKey) bool { return k.Version == int16(version) })
	}
	sealed := func(version byte) bool {
		return slices.ContainsFunc(counts, func(c Count) bool { return c.Version == version })
	}
	var keys []Key
	for version := 255; version >= 0; version-- {
		key := Key{Version: byte(version), Given: v.Keys.Has(byte(version)), Required: required(byte(version))}
		key.Seals = key.Given && v.Keys.First() == key.Version
		if key.Given || key.Required || sealed(key.Version) {
			keys = append(keys, key)
		}
	}
	return keys, nil
}
