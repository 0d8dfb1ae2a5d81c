//go:build unix

package devpg

import (
	"errors"
	"os"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"
)

func TestFoldersAreNeverTakenForAbandonedWhileTheyAreMadeOrRemoved(t *testing.T) {
	temp := t.TempDir()
	t.Setenv("TMPDIR", temp)
	runAs, err := accountFor("")
	require.NoError(t, err)

	var together errgroup.Group
	for range 8 {
		together.Go(func() error {
			for range 100 {
				f, err := tempFolder(t.Context(), runAs)
				if err != nil {
					return err
				}
				if !f.stillThere() {
					return errors.New("somebody removed " + f.path)
				}
				if err := f.remove(); err != nil {
					return err
				}
			}
			return nil
		})
	}

	require.NoError(t, together.Wait())
	left, err := os.ReadDir(temp)
	require.NoError(t, err)
	require.Empty(t, left)
}

func TestAFolderIsAbandonedOnceNeitherItsProcessNorItsPostgresHoldsIt(t *testing.T) {
	t.Parallel()
	for name, held := range map[string]struct {
		files     []string
		locked    string
		abandoned bool
	}{
		"being made":          {nil, "", false},
		"served":              {[]string{lockName, logName}, lockName, false},
		"postgres is dying":   {[]string{lockName, logName}, logName, false},
		"killed":              {[]string{lockName, logName}, "", true},
		"killed when half up": {[]string{lockName}, "", true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			root, err := os.OpenRoot(t.TempDir())
			require.NoError(t, err)
			for _, file := range held.files {
				require.NoError(t, root.WriteFile(file, nil, 0o600))
			}
			if held.locked != "" {
				file, err := root.Open(held.locked)
				require.NoError(t, err)
				t.Cleanup(func() { _ = file.Close() })
				require.NoError(t, tryLock(file))
			}
			f := &folder{path: root.Name(), root: root}
			t.Cleanup(f.close)

			require.Equal(t, held.abandoned, f.abandoned())
		})
	}
}
