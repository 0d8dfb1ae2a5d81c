package audit

import (
	"context"
	"fmt"
	"net/netip"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/jackc/pgx/v5"

	"portico/db"
	"portico/internal/account"
	"portico/internal/fault"
)

// Entry is an act that was recorded.
type Entry struct {
	ID         int64
	At         time.Time // when it began
	ActorKind  account.Kind
	ActorID    int64   // 0 for nobody in particular
	ActorLabel *string // what the actor is called today: an address, the name of a key or a client; of a shell its user
	Action     string
	Fields     []string
	Object     *string
	Outcome    Outcome
	Code       *string // with Refused
	RequestID  string
	Address    *netip.Addr
	UserAgent  string // see Summary
}

// Query narrows the record by what is given.
type Query struct {
	Actor  *Actor
	Action *string
	Object *string    // a global id
	Since  *time.Time // included
	Until  *time.Time // not included
}

// Actor is somebody who acted.
type Actor struct {
	Kind account.Kind
	ID   int64
}

// Entries are at most limit of the caller's merchant, newest first, from behind the place on.
func (l *Log) Entries(ctx context.Context, caller account.Caller, q Query, behind Place, limit int32) ([]Entry, error) {
	if possible, err := q.check(); err != nil || !possible {
		return nil, err
	}
	params := db.AuditEntriesParams{
		MerchantID: caller.MerchantID, Action: q.Action, Object: q.Object, Since: q.Since, Until: q.Until,
		BeforeAt: behind.At, BeforeID: behind.ID, RowLimit: limit,
	}
	if q.Actor != nil {
		kind := string(q.Actor.Kind)
		params.ActorKind, params.ActorID = &kind, &q.Actor.ID
	}
	var entries []Entry
	err := l.DB.Tenant(caller.MerchantID).Tx(ctx, func(tx pgx.Tx) error {
		if err := l.DB.PlanForValues(ctx, tx); err != nil {
			return err
		}
		rows, err := l.DB.AuditEntries(ctx, tx, params)
		for _, row := range rows {
			entries = append(entries, stored(row.AuditEntry, row.KeyName, row.ClientName))
		}
		return err
	})
	if err == nil {
		err = l.nameMembers(ctx, caller.MerchantID, entries)
	}
	if err != nil {
		return nil, fmt.Errorf("read the audit log: %w", err)
	}
	return entries, nil
}

// OperatorEntries are at most limit of what operators did and what was done from the shell, newest first, from behind the place on.
func (l *Log) OperatorEntries(ctx context.Context, q Query, behind Place, limit int32) ([]Entry, error) {
	if possible, err := q.check(); err != nil || !possible {
		return nil, err
	}
	params := db.OperatorAuditEntriesParams{
		Action: q.Action, Object: q.Object, Since: q.Since, Until: q.Until, BeforeAt: behind.At, BeforeID: behind.ID, RowLimit: limit,
	}
	if q.Actor != nil {
		kind := string(q.Actor.Kind)
		params.ActorKind, params.ActorID = &kind, &q.Actor.ID
	}
	rows, err := l.DB.OperatorAuditEntries(ctx, l.DB.System(), params)
	if err != nil {
		return nil, fmt.Errorf("read the operators' audit log: %w", err)
	}
	entries := make([]Entry, len(rows))
	for i, row := range rows {
		entries[i] = stored(row.AuditEntry, row.OperatorEmail)
	}
	return entries, nil
}

// check tells whether anything can be what is asked for. Fault: INVALID on until.
func (q Query) check() (possible bool, err error) {
	if q.Since != nil && q.Until != nil && q.Until.Before(*q.Since) {
		return false, fault.Invalid("until", "must not be before since")
	}
	for _, text := range []*string{q.Action, q.Object} {
		if text != nil && (!utf8.ValidString(*text) || strings.ContainsRune(*text, 0)) {
			return false, nil // Postgres has no such text
		}
	}
	return true, nil
}

// nameMembers adds the addresses of members, which the record itself does not hold.
func (l *Log) nameMembers(ctx context.Context, merchantID int64, entries []Entry) error {
	var ids []int64
	for _, entry := range entries {
		if entry.ActorKind == account.KindMember {
			ids = append(ids, entry.ActorID)
		}
	}
	if len(ids) == 0 {
		return nil
	}
	rows, err := l.DB.MemberAddresses(ctx, l.DB.System(), db.MemberAddressesParams{MerchantID: merchantID, Ids: ids})
	if err != nil {
		return err
	}
	addresses := make(map[int64]string, len(rows))
	for _, row := range rows {
		addresses[row.ID] = row.Email
	}
	for i := range entries {
		if address, is := addresses[entries[i].ActorID]; is && entries[i].ActorKind == account.KindMember {
			entries[i].ActorLabel = &address
		}
	}
	return nil
}

// Place is where an entry stands in the record.
type Place struct {
	At time.Time
	ID int64
}

// Newest is the place in front of all entries.
func Newest() Place { return Place{At: time.Date(9999, time.December, 31, 0, 0, 0, 0, time.UTC)} }

// stored is an entry whose actor is called what the first of the names says that is there.
func stored(row db.AuditEntry, names ...*string) Entry {
	entry := Entry{
		ID: row.ID, At: row.BegunAt, ActorKind: account.Kind(row.ActorKind), ActorLabel: row.ActorName, Action: row.Action, Fields: row.Fields,
		Object: row.Object, Outcome: Unknown, Code: row.Code, RequestID: row.RequestID, Address: row.Address, UserAgent: row.UserAgent,
	}
	if row.ActorID != nil {
		entry.ActorID = *row.ActorID
	}
	for _, name := range names {
		if entry.ActorLabel == nil {
			entry.ActorLabel = name
		}
	}
	if row.Outcome != nil {
		entry.Outcome = Outcome(*row.Outcome)
	}
	return entry
}
