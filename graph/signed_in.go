package graph

import (
	"context"

	"portico/internal/account"
)

// Session is account.Session as the schema shows it.
type Session struct {
	account.Session
	Current bool // whether it is the one of this request
}

// IsNode implements Node.
func (*Session) IsNode() {}

// ID is the global id.
func (s *Session) ID() string { return gid("Session", s.rowID()) }

func (s *Session) rowID() int64 { return s.Session.ID }

// Device is what the member signed in with.
func (s *Session) Device() *string { return unlessEmpty(s.Session.Device) }

// Address is where the member signed in from.
func (s *Session) Address() *string { return unlessEmpty(s.Session.Address) }

func unlessEmpty(text string) *string {
	if text == "" {
		return nil
	}
	return &text
}

func showSession(caller account.Caller) func(account.Session, *siblings[Session]) *Session {
	return func(row account.Session, _ *siblings[Session]) *Session {
		return &Session{Session: row, Current: row.ID == caller.SessionID}
	}
}

// Sessions are the caller's.
func (r query) Sessions(ctx context.Context, first *int32, after *string) (*Connection[Session], error) {
	request, err := pageOf(first, after)
	if err != nil {
		return nil, err
	}
	caller := callerOf(ctx)
	sessions, err := r.Accounts.Sessions(ctx, caller, request)
	return connect(sessions, err, request.Size, showSession(caller), (*Session).rowID)
}

// SessionRevoke ends one of the caller's sessions.
func (r mutation) SessionRevoke(ctx context.Context, in SessionRevokeInput) (*SessionRevokePayload, error) {
	id, err := rowID("id", "Session", in.ID)
	if err == nil {
		err = r.Accounts.SessionRevoke(ctx, callerOf(ctx), id)
	}
	refused, err := userErrors(err)
	return &SessionRevokePayload{UserErrors: refused}, err
}

// SessionRevokeOthers ends the caller's other sessions.
func (r mutation) SessionRevokeOthers(ctx context.Context) (*SessionRevokeOthersPayload, error) {
	ended, err := r.Accounts.SessionRevokeOthers(ctx, callerOf(ctx))
	if err != nil {
		refused, err := userErrors(err)
		return &SessionRevokeOthersPayload{UserErrors: refused}, err
	}
	count := int32(ended) //nolint:gosec // a member's sessions
	return &SessionRevokeOthersPayload{Count: &count}, nil
}

func (r *Resolver) session(ctx context.Context, caller account.Caller, id int64) (*Session, error) {
	session, err := r.Accounts.Session(ctx, caller, id)
	return alone(session, showSession(caller)), err
}
