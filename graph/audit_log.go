package graph

import (
	"context"
	"time"

	"portico/internal/account"
	"portico/internal/audit"
	"portico/internal/fault"
	"portico/internal/page"
)

// AuditEntry is audit.Entry as the schema shows it.
type AuditEntry struct{ audit.Entry }

// AuditActor is the actor of an entry.
type AuditActor struct {
	Kind  account.Kind
	ID    *string
	Label *string
}

// TokenUsage is audit.Usage as the schema shows it.
type TokenUsage struct{ audit.Usage }

func showAuditEntry(row audit.Entry, _ *siblings[AuditEntry]) *AuditEntry { return &AuditEntry{row} }

func showTokenUsage(row audit.Usage, _ *siblings[TokenUsage]) *TokenUsage { return &TokenUsage{row} }

// ID is the global id.
func (e *AuditEntry) ID() string { return gid("AuditEntry", e.Entry.ID) }

// Actor is who acted.
func (e *AuditEntry) Actor() *AuditActor {
	return &AuditActor{Kind: e.ActorKind, ID: actorID(e.ActorKind, e.ActorID), Label: e.ActorLabel}
}

// actorID is the global id of an actor, nil for nobody in particular.
func actorID(kind account.Kind, id int64) *string {
	for typename, acts := range actorTypes() {
		if acts == kind && id != 0 {
			id := gid(typename, id)
			return &id
		}
	}
	return nil
}

// Address is the client's.
func (e *AuditEntry) Address() *string {
	if e.Entry.Address == nil {
		return nil
	}
	text := e.Entry.Address.String()
	return &text
}

// actorTypes are the types by whose global ids actors are named.
func actorTypes() map[string]account.Kind {
	return map[string]account.Kind{
		"ApiKey": account.KindAPIKey, "Client": account.KindClient, "Customer": account.KindCustomer, "Member": account.KindMember,
		"Operator": account.KindOperator, "Person": account.KindPerson,
	}
}

// AuditLog is what was done for the merchant.
func (r query) AuditLog(
	ctx context.Context, actor, action, object *string, since, until *time.Time, first *int32, after *string,
) (*Connection[AuditEntry], error) {
	asked := audit.Query{Action: action, Object: object, Since: since, Until: until}
	return auditEntries(asked, actor, first, after, func(q audit.Query, behind audit.Place, limit int32) ([]audit.Entry, error) {
		return r.Audit.Entries(ctx, callerOf(ctx), q, behind, limit)
	})
}

// OperatorAuditLog is what operators did, and what was done from the shell.
func (r query) OperatorAuditLog(
	ctx context.Context, actor, action, object *string, since, until *time.Time, first *int32, after *string,
) (*Connection[AuditEntry], error) {
	asked := audit.Query{Action: action, Object: object, Since: since, Until: until}
	return auditEntries(asked, actor, first, after, func(q audit.Query, behind audit.Place, limit int32) ([]audit.Entry, error) {
		return r.Audit.OperatorEntries(ctx, q, behind, limit)
	})
}

// auditEntries is a page of a log, which read reads.
func auditEntries(
	asked audit.Query, actor *string, first *int32, after *string, read func(audit.Query, audit.Place, int32) ([]audit.Entry, error),
) (*Connection[AuditEntry], error) {
	request, err := pageOf(first, nil)
	if err != nil {
		return nil, err
	}
	behind := audit.Newest()
	if after != nil && *after != "" {
		at, id, err := page.Position(after)
		if err != nil {
			return nil, err
		}
		behind = audit.Place{At: time.UnixMicro(at), ID: id}
	}
	if asked.Actor, err = actorRef(actor); err != nil {
		return nil, err
	}
	if asked.Object != nil {
		if _, _, ok := parseGID(*asked.Object); !ok {
			return nil, fault.Invalid("object", "must be a global id such as %s", gid("Customer", exampleID))
		}
	}
	rows, err := read(asked, behind, request.Limit())
	if err != nil {
		return nil, err
	}
	rows, more := page.Trim(rows, request.Size)
	cursor := func(e *AuditEntry) string { return page.Cursor(e.At.UnixMicro(), e.Entry.ID) }
	return &Connection[AuditEntry]{Nodes: family(rows, showAuditEntry), more: more, cursor: cursor}, nil
}

func actorRef(id *string) (*audit.Actor, error) {
	if id == nil {
		return nil, nil //nolint:nilnil // anybody
	}
	typename, row, ok := parseGID(*id)
	kind, acts := actorTypes()[typename]
	if !ok || !acts {
		return nil, fault.Invalid("actor", "must be the global id of somebody who acts, such as %s", gid("Member", exampleID))
	}
	return &audit.Actor{Kind: kind, ID: row}, nil
}
