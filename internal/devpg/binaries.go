//go:build unix

package devpg

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"syscall"
)

// binaries is a folder that holds postgres and initdb.
type binaries struct {
	dir   string
	major int
}

func (b binaries) path(name string) string { return filepath.Join(b.dir, name) }

// findBinaries prefers what is on the PATH, then the newest version where systems put them, then downloads one. A cluster that
// exists has to be served by its own major version; 0 takes any.
func findBinaries(ctx context.Context, major int, runAs *account, log *slog.Logger) (binaries, error) {
	found := installed(ctx, runAs)
	if len(found) == 0 {
		if runAs != nil {
			return binaries{}, errors.New("no PostgreSQL on this machine: install it (apt-get install postgresql, dnf install " +
				"postgresql-server, brew install postgresql) or set DATABASE_URL")
		}
		dir, err := fetch(ctx, log)
		if err != nil {
			return binaries{}, fmt.Errorf("no PostgreSQL on this machine (install it, or set DATABASE_URL), and the download: %w", err)
		}
		found = probe(ctx, []string{dir}, runAs)
	}
	var majors []int
	for _, b := range found {
		if major == 0 || b.major == major {
			return b, nil
		}
		majors = append(majors, b.major)
	}
	return binaries{}, fmt.Errorf("the data was made by PostgreSQL %d, this machine has %v: install %d, or remove the data folder",
		major, majors, major)
}

func installed(ctx context.Context, runAs *account) []binaries {
	var onPath, elsewhere []string
	if postgres, err := exec.LookPath("postgres"); err == nil {
		if postgres, err = filepath.EvalSymlinks(postgres); err == nil {
			onPath = append(onPath, filepath.Dir(postgres))
		}
	}
	for _, pattern := range []string{
		"/usr/lib/postgresql/*/bin", // Debian, Ubuntu
		"/usr/pgsql-*/bin",          // Fedora, RHEL
		"/opt/homebrew/opt/postgresql*/bin",
		"/usr/local/opt/postgresql*/bin",
		"/home/linuxbrew/.linuxbrew/opt/postgresql*/bin",
		"/Applications/Postgres.app/Contents/Versions/*/bin",
	} {
		dirs, _ := filepath.Glob(pattern) // only a malformed pattern is an error
		elsewhere = append(elsewhere, dirs...)
	}
	newest := probe(ctx, elsewhere, runAs)
	slices.SortStableFunc(newest, func(a, b binaries) int { return cmp.Compare(b.major, a.major) })
	return append(probe(ctx, onPath, runAs), newest...)
}

var versionText = regexp.MustCompile(`\(PostgreSQL\) (\d+)`)

// probe asks each folder's postgres for its version, as the user that will run it, and drops the folders that cannot answer.
func probe(ctx context.Context, dirs []string, runAs *account) []binaries {
	var found []binaries
	for _, dir := range dirs {
		b := binaries{dir: dir}
		if _, err := os.Stat(b.path("initdb")); err != nil {
			continue
		}
		cmd := exec.CommandContext(ctx, b.path("postgres"), "--version")
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: runAs.credential()}
		text, err := cmd.Output()
		match := versionText.FindSubmatch(text)
		if err != nil || match == nil {
			continue
		}
		if b.major, err = strconv.Atoi(string(match[1])); err == nil {
			found = append(found, b)
		}
	}
	return found
}
