//go:build unix

package devpg

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"time"
)

const (
	lockName   = "lock"
	logName    = "postgres.log"
	socketPort = "5432" // part of the socket's name; nothing listens on TCP
	socketName = ".s.PGSQL." + socketPort

	maxLog = 8 << 20 // bytes

	// The shortest limit of a socket's path among the systems that we know is 104 bytes, with the closing zero.
	maxSocketPath = 103
	// A postgres whose parent was killed kills its own children after 5 s.
	maxLastBreath = 10 * time.Second
)

// folder is a data folder that we hold. Two locks say who else does: the lock file is held by the process that serves the folder,
// the log by postgres and every child of it as well, since they inherit it as their stderr. Whoever holds both knows that nothing
// from before is still running, whatever postmaster.pid says.
type folder struct {
	path  string
	runAs *account
	root  *os.Root
	dir   *os.File // for handOver
	lock  *os.File
	log   *os.File

	spawnedAt int64 // the log's size at the last spawn
}

// openFolder makes the folder if need be and takes it.
func openFolder(ctx context.Context, path string, runAs *account) (*folder, error) {
	path, err := filepath.Abs(path)
	if err != nil {
		return nil, err
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return nil, err
	}
	if err := os.Mkdir(path, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
		return nil, err
	}
	root, err := os.OpenRoot(path)
	if err != nil {
		return nil, err
	}
	f := &folder{path: path, runAs: runAs, root: root}
	if err := f.take(ctx); err != nil {
		f.close()
		return nil, err
	}
	return f, nil
}

func (f *folder) take(ctx context.Context) error {
	if err := f.refuseForeign(); err != nil {
		return err
	}
	if f.runAs != nil {
		if err := f.root.Chown(".", int(f.runAs.uid), int(f.runAs.gid)); err != nil {
			return err
		}
	}
	// Postgres trusts whoever reaches its socket, so nobody else may.
	if err := f.root.Chmod(".", 0o700); err != nil {
		return err
	}
	var err error
	if f.dir, err = f.root.Open("."); err != nil {
		return err
	}
	if f.lock, err = f.openOwned(lockName, os.O_RDWR|os.O_CREATE); err != nil {
		return err
	}
	if err := tryLock(f.lock); err != nil {
		return f.inUse(err)
	}
	if err := f.lock.Truncate(0); err != nil {
		return err
	}
	if _, err := fmt.Fprintf(f.lock, "%d\n", os.Getpid()); err != nil {
		return err
	}
	if f.log, err = f.openOwned(logName, os.O_RDWR|os.O_CREATE|os.O_APPEND); err != nil {
		return err
	}
	if err := f.waitForLastBreath(ctx); err != nil {
		return err
	}
	if info, err := f.log.Stat(); err == nil && info.Size() > maxLog {
		return f.log.Truncate(0)
	}
	return nil
}

// refuseForeign keeps a slip in a setting from giving somebody's home folder to postgres.
func (f *folder) refuseForeign() error {
	entries, err := fs.ReadDir(f.root.FS(), ".")
	if err != nil || len(entries) == 0 {
		return err
	}
	if _, err := f.root.Stat(lockName); err != nil {
		return fmt.Errorf("%s is neither empty nor a data folder of Portico", f.path)
	}
	return nil
}

func (f *folder) openOwned(name string, flag int) (*os.File, error) {
	file, err := f.root.OpenFile(name, flag, 0o600)
	if err == nil && f.runAs != nil {
		err = file.Chown(int(f.runAs.uid), int(f.runAs.gid))
	}
	return file, err
}

func (f *folder) inUse(err error) error {
	if !errors.Is(err, syscall.EWOULDBLOCK) {
		return fmt.Errorf("lock %s: %w", f.path, err)
	}
	pid, err := io.ReadAll(io.NewSectionReader(f.lock, 0, 32))
	if err != nil {
		return err
	}
	return fmt.Errorf("%w: %s is served by process %s", ErrInUse, f.path, strings.TrimSpace(string(pid)))
}

// waitForLastBreath waits for a postgres that has lost its parent and is still shutting down.
func (f *folder) waitForLastBreath(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, maxLastBreath)
	defer cancel()
	for {
		err := tryLock(f.log)
		if !errors.Is(err, syscall.EWOULDBLOCK) {
			return err
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("a postgres of an earlier process is still running in %s: %w", f.path, ctx.Err())
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// fitsSocket tells whether clients understand the address of a socket in dir. They take a comma for the end of a host.
func fitsSocket(dir string) bool {
	return len(dir+"/"+socketName) <= maxSocketPath && !strings.Contains(dir, ",")
}

// removeLeftovers clears what a killed postgres leaves behind, which may name a process id that has a new owner by now.
func (f *folder) removeLeftovers() error {
	for _, name := range []string{clusterName + "/postmaster.pid", socketName, socketName + ".lock"} {
		if err := f.root.Remove(name); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return nil
}

// handOver returns the path under which cmd will find the folder. The user that root drops to may not pass through the folders
// above it, such as /root, so cmd inherits this one open.
func (f *folder) handOver(cmd *exec.Cmd) string {
	if f.runAs == nil || runtime.GOOS != "linux" {
		return f.path
	}
	cmd.ExtraFiles = append(cmd.ExtraFiles, f.dir)
	return fmt.Sprintf("/proc/self/fd/%d", 2+len(cmd.ExtraFiles))
}

// spawn starts a command of PostgreSQL that writes to the log and does not outlive us.
func (f *folder) spawn(cmd *exec.Cmd) (*process, error) {
	info, err := f.log.Stat()
	if err != nil {
		return nil, err
	}
	f.spawnedAt = info.Size()
	cmd.Stdout, cmd.Stderr = f.log, f.log
	return spawn(cmd, f.runAs)
}

// said returns what the last command wrote to the log; of much, the beginning, where the cause is.
func (f *folder) said() string {
	text, err := io.ReadAll(io.NewSectionReader(f.log, f.spawnedAt, 2<<10))
	if err != nil {
		return err.Error()
	}
	return strings.TrimSpace(string(text))
}

func (f *folder) close() {
	for _, file := range []*os.File{f.dir, f.log, f.lock} {
		if file != nil {
			_ = file.Close()
		}
	}
	_ = f.root.Close()
}

func tryLock(file *os.File) error {
	return syscall.Flock(int(file.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
}
