// Package audit owns the record of who did what to which object from where, and of how many tokens were minted for whom.
package audit

import (
	"context"
	"fmt"
	"log/slog"
	"net/netip"
	"time"

	"portico/db"
	"portico/internal/account"
	"portico/internal/fault"
)

// finishWithin bounds the wait for an outcome to be recorded: whoever asked for the act is waiting.
const finishWithin = 5 * time.Second

// Outcome is what an act came to.
type Outcome string

// The outcomes, as in the schema's AuditOutcome.
const (
	Done    Outcome = "DONE"
	Refused Outcome = "REFUSED" // with the code of the fault
	Failed  Outcome = "FAILED"
	// Unknown is never stored: it is what an entry says whose act is still going on, or whose end nobody recorded.
	Unknown Outcome = "UNKNOWN"
)

// Log keeps the record. Use it by its address.
type Log struct {
	DB  *db.DB
	Now func() time.Time
	// Retention is how long entries are kept.
	Retention time.Duration
	Log       *slog.Logger
}

// Act is something that a caller sets out to do. Nothing in it is a value of the caller's choice: no name, no address, no secret.
type Act struct {
	Action    string   // a permanent name: for GraphQL the mutation's
	Object    string   // the global id of what it is done to, as far as that is known beforehand
	Fields    []string // the names of the input's fields that are given
	RequestID string
	Origin    account.Origin
}

// Result is what an act came to, for its entry.
type Result struct {
	Object     string     // what it was done to, where Act could not name it
	MerchantID int64      // whose act it turned out to be, where the caller came without a merchant
	CustomerID int64      // for whom a token was minted
	Refused    fault.Code // why the caller's input was not accepted, where the act's answer says so and not its error
}

// Record performs an act, which do is, between an entry that names it and the entry's completion: whatever is done has an entry, even
// if the process dies. Its error is do's, or why the entry could not be written; then do was not called.
func (l *Log) Record(ctx context.Context, caller account.Caller, act Act, do func() (Result, error)) error {
	entry := l.entryOf(caller, act)
	id, err := l.DB.BeginAuditEntry(ctx, l.scope(entry.MerchantID), db.BeginAuditEntryParams{
		MerchantID: entry.MerchantID, BegunAt: entry.BegunAt, ActorKind: entry.ActorKind, ActorID: entry.ActorID,
		ActorName: entry.ActorName, Action: entry.Action, Fields: entry.Fields, Object: entry.Object, RequestID: entry.RequestID, Address: entry.Address, UserAgent: entry.UserAgent,
	})
	if err != nil {
		return fmt.Errorf("begin the audit entry of %s: %w", act.Action, err)
	}
	var result Result
	outcome, code := Failed, (*string)(nil) // what a panic leaves
	defer func() { l.complete(ctx, id, entry, result, outcome, code) }()
	result, err = do()
	outcome, code = outcomeOf(result, err)
	return err
}

// Refuse records that an act was refused before it began.
func (l *Log) Refuse(ctx context.Context, caller account.Caller, act Act, refused error) error {
	outcome, code := outcomeOf(Result{}, refused)
	return l.write(ctx, l.entryOf(caller, act), outcome, code)
}

func (l *Log) complete(ctx context.Context, id int64, begun db.RecordAuditEntryParams, result Result, outcome Outcome, code *string) {
	// The act is over, whether or not its time is.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), finishWithin)
	defer cancel()
	completed, err := l.DB.CompleteAuditEntry(ctx, l.scope(begun.MerchantID), db.CompleteAuditEntryParams{
		ID: id, BegunMerchantID: begun.MerchantID, MerchantID: optional(result.MerchantID), Object: optional(result.Object),
		Outcome: string(outcome), Code: code,
	})
	if err == nil && completed != 1 {
		err = fmt.Errorf("%d entries completed", completed)
	}
	if err != nil {
		// The act cannot be taken back. Its entry says that nobody knows what it came to.
		l.Log.ErrorContext(ctx, "the outcome of an act was not recorded", "entry", id, "action", begun.Action, "outcome", outcome, "error", err)
	}
}

func (l *Log) write(ctx context.Context, entry db.RecordAuditEntryParams, outcome Outcome, code *string) error {
	entry.Outcome, entry.Code = string(outcome), code
	if err := l.DB.RecordAuditEntry(ctx, l.scope(entry.MerchantID), entry); err != nil {
		return fmt.Errorf("write the audit entry of %s: %w", entry.Action, err)
	}
	return nil
}

// scope reaches the entries of the merchant, or of none.
func (l *Log) scope(merchantID *int64) db.Scope {
	if merchantID == nil {
		return l.DB.System()
	}
	return l.DB.Tenant(*merchantID)
}

// entryOf is the entry of an act that has no outcome yet.
func (l *Log) entryOf(caller account.Caller, act Act) db.RecordAuditEntryParams {
	fields := act.Fields
	if fields == nil {
		fields = []string{}
	}
	return db.RecordAuditEntryParams{
		MerchantID: optional(caller.MerchantID), BegunAt: l.Now(), ActorKind: string(caller.Kind), ActorID: optional(caller.ID()),
		ActorName: optional(caller.ShellUser), Action: act.Action, Fields: fields, Object: optional(act.Object), RequestID: act.RequestID,
		Address: known(act.Origin.Address), UserAgent: Summary(act.Origin.UserAgent),
	}
}

func outcomeOf(result Result, err error) (Outcome, *string) {
	switch faults := fault.List(err); {
	case len(faults) > 0:
		return Refused, optional(string(faults[0].Code))
	case err != nil:
		return Failed, nil
	case result.Refused != "":
		return Refused, optional(string(result.Refused))
	}
	return Done, nil
}

// optional is nil for what is not there.
func optional[T comparable](value T) *T {
	var none T
	if value == none {
		return nil
	}
	return &value
}

func known(address netip.Addr) *netip.Addr {
	if !address.IsValid() {
		return nil
	}
	return &address
}
