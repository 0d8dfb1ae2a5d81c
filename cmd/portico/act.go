package main

import (
	"context"
	"fmt"
	"os"
	"os/user"
	"strconv"

	"portico/internal/account"
	"portico/internal/audit"
)

// act does something to the installation of DATABASE_URL, with its entry in the audit log. What do answers is the global id of what it
// was done to, empty for none.
func act(ctx context.Context, action string, fields []string, do func(*app) (object string, err error)) error {
	return withApp(ctx, func(a *app) error {
		return a.audit.Record(ctx, shellCaller(), audit.Act{Action: action, Fields: fields}, func() (audit.Result, error) {
			object, err := do(a)
			return audit.Result{Object: object}, err
		})
	})
}

// withApp does something with the installation of DATABASE_URL.
func withApp(ctx context.Context, do func(*app) error) error {
	c, log, err := settings()
	if err != nil {
		return err
	}
	a, err := wire(ctx, c, log)
	if err != nil {
		return err
	}
	defer a.close()
	return do(a)
}

// shellCaller is whoever runs this command.
func shellCaller() account.Caller {
	name := "uid " + strconv.Itoa(os.Getuid()) // what a container may have no name for
	if known, err := user.Current(); err == nil && known.Username != "" {
		name = known.Username
	}
	return account.Caller{Kind: account.KindShell, ShellUser: name}
}

func operatorObject(operator account.Operator) string {
	if operator.ID == 0 {
		return ""
	}
	return fmt.Sprintf("gid://portico/Operator/%d", operator.ID)
}
