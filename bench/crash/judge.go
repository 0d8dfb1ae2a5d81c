package main

import (
	"context"
	"crypto/sha256"
	"fmt"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"portico/db"
	"portico/internal/verify"
)

// lag is how late the sweeps may be when everything has settled.
const lag = 30 * time.Second

// judge holds the end of the run against every rule.
func judge(ctx context.Context, o options, d *db.DB, r *report, h *house, m *market, inbox *receiver) error {
	if err := judgeInvariants(ctx, d, r); err != nil {
		return err
	}
	err := d.System().Tx(ctx, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, `set local timezone to 'UTC'`); err != nil {
			return err
		}
		for _, rule := range bookRules() {
			rows, err := tx.Query(ctx, rule.question)
			if err != nil {
				return fmt.Errorf("%s: %w", rule.sentence, err)
			}
			violations, err := pgx.CollectRows(rows, pgx.RowTo[string])
			if err != nil {
				return fmt.Errorf("%s: %w", rule.sentence, err)
			}
			r.rule(rule.sentence, violations)
		}
		if err := judgeSales(ctx, tx, r, m); err != nil {
			return err
		}
		if err := judgeEvents(ctx, tx, r, inbox); err != nil {
			return err
		}
		return judgeWork(ctx, tx, o, r, inbox)
	})
	if err != nil {
		return err
	}
	return judgeProcesses(o, r, h, m)
}

// judgeInvariants asks what `portico verify --quiescent` asks.
func judgeInvariants(ctx context.Context, d *db.DB, r *report) error {
	results, err := verify.Run(ctx, d, time.Now(), verify.Options{Quiescent: true, Lag: lag})
	if err != nil {
		return err
	}
	var violations []string
	for _, result := range results {
		if result.Violations > 0 {
			violations = append(violations, fmt.Sprintf("%d: %s: %d, such as %s", result.Invariant, result.Name, result.Violations,
				strings.Join(result.Examples, ", ")))
		}
	}
	r.rule("portico verify is clean", violations)
	return nil
}

// judgeSales looks for what Portico said it had done.
func judgeSales(ctx context.Context, tx pgx.Tx, r *report, m *market) error {
	type state struct {
		Begun, Canceled bool
	}
	var missing []string
	for _, one := range m.merchants {
		for _, c := range one.customers {
			if !c.sold && !c.canceled {
				continue
			}
			rows, err := tx.Query(ctx, `select period_index >= 0 or trial_end is not null, canceled_at is not null
				from subscription where merchant_id = $1 and id = $2`, one.id, number(c.subscription))
			if err != nil {
				return fmt.Errorf("look for a sale: %w", err)
			}
			found, err := pgx.CollectRows(rows, pgx.RowToStructByPos[state])
			if err != nil {
				return fmt.Errorf("look for a sale: %w", err)
			}
			switch {
			case len(found) == 0:
				missing = append(missing, fmt.Sprintf("%s bought %s, which does not exist", c.email, c.subscription))
			case c.sold && !found[0].Begun:
				missing = append(missing, fmt.Sprintf("%s bought %s, which has not begun", c.email, c.subscription))
			case c.canceled && !found[0].Canceled:
				missing = append(missing, fmt.Sprintf("%s canceled %s, which goes on", c.email, c.subscription))
			}
		}
	}
	r.rule("what Portico said it had done is done", missing)
	return nil
}

const eventsOfEndpoint = `
	select 'evt_' || v.id, format('%s of subscription %s', v.type, v.subscription_id), v.body
	from webhook_endpoint e
	join event v on v.merchant_id = e.merchant_id
	where e.url = $1
	order by v.id`

// judgeEvents compares the outbox with what the receiver got.
func judgeEvents(ctx context.Context, tx pgx.Tx, r *report, inbox *receiver) error {
	received := inbox.all()
	var unheard, unlike, unknown []string
	for _, path := range inbox.paths() {
		rows, err := tx.Query(ctx, eventsOfEndpoint, inbox.url+path) //nolint:rowserrcheck // ForEachRow does
		if err != nil {
			return fmt.Errorf("read events: %w", err)
		}
		var id, what string
		var body []byte
		_, err = pgx.ForEachRow(rows, []any{&id, &what, &body}, func() error {
			key := delivery{path, id}
			switch got, came := received[key]; {
			case !came:
				unheard = append(unheard, fmt.Sprintf("%s %s: %s", path, id, what))
			case got.hash != sha256.Sum256(body):
				unlike = append(unlike, fmt.Sprintf("%s %s: %s", path, id, what))
			}
			delete(received, key)
			return nil
		})
		if err != nil {
			return fmt.Errorf("read events: %w", err)
		}
	}
	for key := range received {
		unknown = append(unknown, fmt.Sprintf("%s %s", key.path, key.id))
	}
	r.rule("every event reached the receiver", unheard)
	r.rule("the receiver got no event that does not exist", unknown)
	r.rule("every body is the one that is stored", unlike)
	r.rule("signatures fit, and repeated deliveries kept their id and body", inbox.complaints())
	r.rule("the events of a subscription first came in the order of their sequence", inbox.disordered())
	return nil
}

// judgeWork makes sure that the run was one: rules about nothing hold.
func judgeWork(ctx context.Context, tx pgx.Tx, o options, r *report, inbox *receiver) error {
	var sold, renewed, ended, unpaid, recharged int
	err := tx.QueryRow(ctx, `select
		(select count(*) from subscription where period_index >= 0 or trial_end is not null),
		(select count(*) from invoice where status = 'PAID' and period_index > 0),
		(select count(*) from subscription where ended_at is not null),
		(select count(*) from payment_attempt where status = 'FAILED'),
		(select count(*) from invoice i where status = 'PAID' and period_index > 0 and exists (
			select from subscription s where s.merchant_id = i.merchant_id and s.id = i.subscription_id and s.test_clock_id is null))`).
		Scan(&sold, &renewed, &ended, &unpaid, &recharged)
	if err != nil {
		return fmt.Errorf("count what was done: %w", err)
	}
	deliveries, repeats := 0, 0
	for _, got := range inbox.all() {
		deliveries, repeats = deliveries+1, repeats+got.times-1
	}
	r.fact("sold", fmt.Sprintf("%d subscriptions, of which %d have ended", sold, ended))
	r.fact("renewed", fmt.Sprintf("%d periods, of which %d in real time; %d charges were declined", renewed, recharged, unpaid))
	r.fact("received", fmt.Sprintf("%d events, and %d of them again", deliveries, repeats))
	r.fact("killed", fmt.Sprintf("%d times", r.killed))
	var idle []string
	for _, done := range []struct {
		what  string
		count int
	}{
		{"kills", r.killed + 1 - o.kills}, {"sales", sold}, {"renewals on a test clock", renewed - recharged},
		{"renewals in real time", recharged}, {"endings", ended}, {"declined charges", unpaid}, {"repeated deliveries", repeats},
	} {
		if done.count <= 0 {
			idle = append(idle, "too few "+done.what)
		}
	}
	r.rule("there was something to go wrong", idle)
	return nil
}

// judgeProcesses asks for what nobody should have seen.
func judgeProcesses(o options, r *report, h *house, m *market) error {
	if err := judgeLogs(r, h.programs); err != nil {
		return err
	}
	r.rule("every answer made sense", m.failures.complaints)
	r.fact("asked again", fmt.Sprintf("%d requests whose answer was lost, %d that met an internal error", m.failures.lost, len(m.failures.internal)))
	if o.mode == modePostgres {
		return nil // every request may meet the error that the database is gone
	}
	internal, err := explained(h.program(victimServe), m.failures.internal)
	r.rule("no request met an internal error", internal)
	return err
}

// judgeLogs asks how the processes ended, and what they said.
func judgeLogs(r *report, programs []*program) error {
	var strays, panics []string
	for _, p := range programs {
		strays = append(strays, p.strays...)
		found, err := p.said(func(line string) bool {
			return strings.HasPrefix(line, "panic:") || strings.Contains(line, "PanicError") || strings.Contains(line, "goroutine ")
		})
		if err != nil {
			return fmt.Errorf("read the log of %s: %w", p.name, err)
		}
		panics = append(panics, found...)
	}
	r.rule("no process ended by itself, and all stopped when asked to", strays)
	r.rule("nothing panicked", panics)
	return nil
}

// explained are the internal errors with what the log says of them.
func explained(serve *program, failures []internalFailure) ([]string, error) {
	var found []string
	for _, failure := range failures {
		said, err := serve.said(func(line string) bool {
			return failure.requestID != "" && strings.Contains(line, failure.requestID)
		})
		if err != nil {
			return nil, fmt.Errorf("read the log of serve: %w", err)
		}
		found = append(found, fmt.Sprintf("%s: %v %s", failure.operation, failure.internalError, strings.Join(said, " ")))
	}
	return found, nil
}
