//go:build unix

package devpg

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"

	embeddedpostgres "github.com/fergusstrange/embedded-postgres"
)

const fetchVersion = embeddedpostgres.V18

// fetch downloads PostgreSQL into the user's cache, once, and returns the folder of its binaries.
func fetch(ctx context.Context, log *slog.Logger) (string, error) {
	cache, err := os.UserCacheDir()
	if err != nil {
		return "", err
	}
	return fetchInto(ctx, filepath.Join(cache, "portico"), embeddedpostgres.DefaultConfig(), log)
}

func fetchInto(ctx context.Context, cache string, config embeddedpostgres.Config, log *slog.Logger) (string, error) {
	home := filepath.Join(cache, "postgres-"+string(fetchVersion))
	bin := filepath.Join(home, "bin")
	if _, err := os.Stat(filepath.Join(bin, "initdb")); err == nil {
		return bin, nil
	}
	log.Info("downloading PostgreSQL, as this machine has none", "version", string(fetchVersion), "into", home)
	if err := os.MkdirAll(cache, 0o755); err != nil {
		return "", err
	}
	scratch, err := os.MkdirTemp(cache, "fetch-")
	if err != nil {
		return "", err
	}
	fetched := make(chan error, 1)
	go func() {
		err := fetchBinaries(config, scratch, home)
		_ = os.RemoveAll(scratch)
		fetched <- err
	}()
	select {
	case err := <-fetched:
		return bin, err
	case <-ctx.Done(): // the library cannot be interrupted; a scratch folder may stay behind
		return "", ctx.Err()
	}
}

// fetchBinaries uses the library for its download only, as a server that it starts outlives us when we are killed. It would start
// one, so its folder is placed below a file: the library finds that out right after unpacking.
func fetchBinaries(config embeddedpostgres.Config, scratch, home string) error {
	unpacked := filepath.Join(scratch, "unpacked")
	err := embeddedpostgres.NewDatabase(config.
		Version(fetchVersion).
		Port(0).
		CachePath(scratch).
		BinariesPath(unpacked).
		RuntimePath(filepath.Join(unpacked, "bin", "postgres", "below")).
		Logger(io.Discard)).Start()
	if err == nil || !strings.Contains(err.Error(), "unable to create runtime directory") {
		return fmt.Errorf("download PostgreSQL %s: %w", fetchVersion, err)
	}
	if err := os.Rename(unpacked, home); err != nil {
		// Another process may have been faster.
		if _, statErr := os.Stat(filepath.Join(home, "bin", "initdb")); statErr != nil {
			return err
		}
	}
	return nil
}
