//go:build unix

package devpg

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/user"
	"strconv"
	"syscall"
)

// account is the user that postgres runs as in place of root, which it refuses to be. nil stands for ourselves.
type account struct {
	uid, gid uint32
}

// accountFor gives way to the owner of a folder that exists, so that root can serve what an ordinary user made and leaves it theirs.
func accountFor(dir string) (*account, error) {
	if os.Geteuid() != 0 {
		return nil, nil
	}
	info, err := os.Stat(dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	if err == nil && ownerOf(info) != 0 {
		return &account{uid: ownerOf(info), gid: info.Sys().(*syscall.Stat_t).Gid}, nil
	}
	for _, name := range []string{"postgres", "nobody"} {
		found, err := user.Lookup(name)
		if err != nil {
			continue
		}
		uid, uidErr := strconv.ParseUint(found.Uid, 10, 32)
		gid, gidErr := strconv.ParseUint(found.Gid, 10, 32)
		if err := errors.Join(uidErr, gidErr); err != nil {
			return nil, fmt.Errorf("look up the user %s: %w", name, err)
		}
		return &account{uid: uint32(uid), gid: uint32(gid)}, nil
	}
	return nil, errors.New("postgres refuses to run as root and there is no user postgres or nobody to run it as")
}

func (a *account) credential() *syscall.Credential {
	if a == nil {
		return nil
	}
	return &syscall.Credential{Uid: a.uid, Gid: a.gid}
}

// owns tells whether a file belongs to the account or to ourselves.
func (a *account) owns(info fs.FileInfo) bool {
	owner := ownerOf(info)
	return int(owner) == os.Geteuid() || a != nil && owner == a.uid
}

func ownerOf(info fs.FileInfo) uint32 { return info.Sys().(*syscall.Stat_t).Uid }
