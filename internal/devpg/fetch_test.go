//go:build unix

package devpg

import (
	"archive/zip"
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	embeddedpostgres "github.com/fergusstrange/embedded-postgres"
	"github.com/stretchr/testify/require"
)

// emptyPostgres is a .tar.xz of bin/initdb and bin/postgres, two shell scripts that do nothing.
const emptyPostgres = "/Td6WFoAAAFpIt42AgAhARwAAAAQz1jM4Cf/AIBdADEaShsO1TDyWxuE7yh9tnRTrysNXAd5THA/YLUyc8aY4W5aZ8tsf7ny19BFTm1zGxNpxj" +
	"KlNg49ucjaucUz1xbdgW94aUNblksjJgjsSFP6ARhAhkTwbr4YNBCmWODH1VwPTMaQrdZR0TtlvCPivcY2LFanImKcO43zLtWwNeAAAFq4+V0A" +
	"AZgBgFAAAMjx5Y4+MA2LAgAAAAABWVo="

func TestADownloadIsUnpackedOnceAndStartsNoServer(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir()) // where the library leaves a log, which is why this test cannot be parallel
	requests := 0
	repository := httptest.NewServer(archive(t, &requests))
	t.Cleanup(repository.Close)
	config := embeddedpostgres.DefaultConfig().BinaryRepositoryURL(repository.URL)
	cache := filepath.Join(t.TempDir(), "cache")

	for range 2 {
		bin, err := fetchInto(t.Context(), cache, config, slog.New(slog.DiscardHandler))
		require.NoError(t, err)
		for _, name := range []string{"postgres", "initdb"} {
			info, err := os.Stat(filepath.Join(bin, name))
			require.NoError(t, err)
			require.Equal(t, os.FileMode(0o755), info.Mode().Perm())
		}
	}

	require.Equal(t, 2, requests, "the archive and its checksum, once")
}

func TestADownloadThatFailsLeavesNothingThatLooksWhole(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir())
	repository := httptest.NewServer(http.NotFoundHandler())
	t.Cleanup(repository.Close)
	config := embeddedpostgres.DefaultConfig().BinaryRepositoryURL(repository.URL)
	cache := filepath.Join(t.TempDir(), "cache")

	_, err := fetchInto(t.Context(), cache, config, slog.New(slog.DiscardHandler))

	require.ErrorContains(t, err, "download PostgreSQL")
	require.NoDirExists(t, filepath.Join(cache, "postgres-"+string(fetchVersion)))
}

func archive(t *testing.T, requests *int) http.HandlerFunc {
	t.Helper()
	tarball, err := base64.StdEncoding.DecodeString(emptyPostgres)
	require.NoError(t, err)
	var jar bytes.Buffer
	writer := zip.NewWriter(&jar)
	file, err := writer.Create("postgres.txz")
	require.NoError(t, err)
	_, err = file.Write(tarball)
	require.NoError(t, err)
	require.NoError(t, writer.Close())
	sum := sha256.Sum256(jar.Bytes())
	return func(w http.ResponseWriter, r *http.Request) {
		*requests++
		if strings.HasSuffix(r.URL.Path, ".sha256") {
			_, _ = w.Write([]byte(hex.EncodeToString(sum[:])))
			return
		}
		_, _ = w.Write(jar.Bytes())
	}
}
