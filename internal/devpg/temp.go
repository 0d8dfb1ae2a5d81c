//go:build unix

package devpg

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

const tempPrefix = "portico-pg-"

// tempFolder makes and takes a temporary folder, and removes those of processes that ended without doing so.
func tempFolder(ctx context.Context, runAs *account) (*folder, error) {
	base := os.TempDir()
	if !fitsSocket(base + "/" + tempPrefix + "1234567890") {
		base = "/tmp"
	}
	removeAbandoned(base, runAs)
	for {
		path, err := os.MkdirTemp(base, tempPrefix)
		if err != nil {
			return nil, err
		}
		f, err := openFolder(ctx, path, runAs)
		if err == nil && f.stillThere() {
			return f, nil
		}
		if err == nil {
			f.close()
		}
		if err := os.RemoveAll(path); err != nil {
			return nil, err
		}
		// Between the making of its lock and its locking a folder looks abandoned, and another process may just have removed it.
		if err != nil && !errors.Is(err, ErrInUse) && !errors.Is(err, fs.ErrNotExist) {
			return nil, err
		}
	}
}

// removeAbandoned removes what the same user's processes left, as far as it can.
func removeAbandoned(base string, runAs *account) {
	entries, err := os.ReadDir(base)
	if err != nil {
		return
	}
	for _, entry := range entries {
		info, err := entry.Info()
		if err != nil || !entry.IsDir() || !strings.HasPrefix(entry.Name(), tempPrefix) || !runAs.owns(info) {
			continue
		}
		root, err := os.OpenRoot(filepath.Join(base, entry.Name()))
		if err != nil {
			continue
		}
		f := &folder{path: root.Name(), runAs: runAs, root: root}
		if f.abandoned() {
			_ = f.remove()
		} else {
			f.close()
		}
	}
}

// abandoned takes the locks of a folder whose process and postgres have ended. One without a lock is just being made or removed.
func (f *folder) abandoned() bool {
	var err error
	if f.lock, err = f.openOwned(lockName, os.O_RDWR); err != nil {
		return false
	}
	if tryLock(f.lock) != nil || !f.stillThere() {
		return false
	}
	f.log, err = f.openOwned(logName, os.O_RDWR|os.O_CREATE)
	return err == nil && tryLock(f.log) == nil
}

// remove deletes the folder, its lock last: for as long as there is something to delete, it is ours or can be found abandoned.
func (f *folder) remove() error {
	defer f.close()
	entries, err := fs.ReadDir(f.root.FS(), ".")
	if err != nil {
		return err
	}
	for _, entry := range entries {
		if entry.Name() == lockName {
			continue
		}
		if err := f.root.RemoveAll(entry.Name()); err != nil {
			return err
		}
	}
	return os.RemoveAll(f.path)
}

// stillThere tells whether the lock that we hold is the one that others will find.
func (f *folder) stillThere() bool {
	held, err := f.lock.Stat()
	if err != nil {
		return false
	}
	named, err := os.Lstat(filepath.Join(f.path, lockName))
	return err == nil && os.SameFile(held, named)
}
