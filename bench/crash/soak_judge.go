package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"
)

// overtakes is when a failing delivery lets the later ones of its subscription go ahead: only runs that are shorter can ask for the order.
const overtakes = 10 * time.Minute

// sent is an event as Portico has it.
type sent struct {
	ID, Type               string
	Subscription, Sequence int64
	Hash                   string
}

// judge holds what the receivers have written down against the outbox.
func (s *soak) judge(ctx context.Context, r *report) error {
	if err := judgeInvariants(ctx, s.site.db, r); err != nil {
		return err
	}
	outbox, err := s.outbox(ctx)
	if err != nil {
		return err
	}
	told := len(outbox) - s.before
	var miscounted []string
	if committed := int(s.publisher.committed.Load()); told != committed {
		miscounted = []string{fmt.Sprintf("%d events were committed, and there are %d", committed, told)}
	}
	r.rule("an event exists exactly if its change committed", miscounted)
	logs := map[string][]entry{}
	repeats, refused := 0, 0
	for _, in := range s.inboxes {
		all, err := in.entries()
		if err != nil {
			return fmt.Errorf("read the log of %s: %w", in.Name, err)
		}
		for _, e := range all {
			logs[e.Path] = append(logs[e.Path], e)
			if e.Refused {
				refused++
			}
		}
		for _, e := range in.Endpoints {
			v := judgeEndpoint(e, outbox, logs[e.Path], s.o.lasting+s.o.patience < overtakes)
			v.add(r, e.Path)
			repeats += v.repeats
		}
	}
	if err := judgeLogs(r, append(s.site.house.programs, s.hooks.programs...)); err != nil {
		return err
	}
	r.fact("published", fmt.Sprintf("%d events, and %d that were rolled back", told, s.publisher.rolledBack.Load()))
	r.fact("received", fmt.Sprintf("%d times again, and refused %d times", repeats, refused))
	r.fact("killed", fmt.Sprintf("%d times", r.killed))
	var idle []string
	for what, many := range map[string]int{
		"kills": r.killed + 1 - s.o.kills, "events": told - s.o.events/4, "rollbacks": int(s.publisher.rolledBack.Load()),
		"refusals": refused, "repeated deliveries": repeats,
	} {
		if many <= 0 {
			idle = append(idle, "too few "+what)
		}
	}
	r.rule("there was something to go wrong", idle)
	return nil
}

const outboxOf = `select 'evt_' || id, type, coalesce(subscription_id, 0), sequence, body from event where merchant_id = $1 order by id`

// outbox is every event of the merchant.
func (s *soak) outbox(ctx context.Context) ([]sent, error) {
	var all []sent
	err := s.site.db.System().Tx(ctx, func(tx pgx.Tx) error {
		rows, err := tx.Query(ctx, outboxOf, s.merchant.id) //nolint:rowserrcheck // ForEachRow does
		if err != nil {
			return err
		}
		var e sent
		var body []byte
		_, err = pgx.ForEachRow(rows, []any{&e.ID, &e.Type, &e.Subscription, &e.Sequence, &body}, func() error {
			hash := sha256.Sum256(body)
			e.Hash = hex.EncodeToString(hash[:])
			all = append(all, e)
			return nil
		})
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("read the outbox: %w", err)
	}
	return all, nil
}

// verdict is what was wrong at an endpoint.
type verdict struct {
	lost, unlike, uninvited, broken, gaps, disordered []string
	repeats                                           int
}

// add reports it.
func (v verdict) add(r *report, path string) {
	for _, rule := range []ruling{
		{"every event reached every endpoint that wants it", v.lost},
		{"every delivery, repeated ones too, had the bytes of its event", v.unlike},
		{"no endpoint got an event that it does not want or that does not exist", v.uninvited},
		{"every signature fits", v.broken},
		{"the sequences of every subscription are whole", v.gaps},
		{"the events of a subscription first came in the order of their sequence", v.disordered},
	} {
		for i := range rule.violations {
			rule.violations[i] = path + ": " + rule.violations[i]
		}
		r.more(rule.sentence, rule.violations)
	}
}

func judgeEndpoint(e endpoint, outbox []sent, log []entry, ordered bool) verdict {
	var v verdict
	wanted := map[string]sent{}
	highest := map[int64]int64{}
	for _, event := range outbox {
		if slices.Contains(e.Types, event.Type) {
			wanted[event.ID] = event
			highest[event.Subscription] = max(highest[event.Subscription], event.Sequence)
		}
	}
	times := map[string]int{}
	lanes := map[int64][]int64{}
	for _, got := range log {
		event, asked := wanted[got.ID]
		switch {
		case got.Wrong != "":
			v.broken = append(v.broken, got.ID+": "+got.Wrong)
			continue
		case !asked:
			v.uninvited = append(v.uninvited, fmt.Sprintf("%s: %s of subscription %d", got.ID, got.Type, got.Subscription))
			continue
		case got.Hash != event.Hash || got.Sequence != event.Sequence || got.Subscription != event.Subscription:
			v.unlike = append(v.unlike, fmt.Sprintf("%s: %s of subscription %d", got.ID, got.Type, got.Subscription))
			continue
		case got.Refused:
			continue
		}
		if times[got.ID]++; times[got.ID] > 1 {
			v.repeats++
			continue
		}
		lane := lanes[got.Subscription]
		if ordered && len(lane) > 0 && got.Sequence < lane[len(lane)-1] {
			v.disordered = append(v.disordered, fmt.Sprintf("event %d of subscription %d came behind %d", got.Sequence, got.Subscription, lane[len(lane)-1]))
		}
		lanes[got.Subscription] = append(lane, got.Sequence)
	}
	for id, event := range wanted {
		if times[id] == 0 {
			v.lost = append(v.lost, fmt.Sprintf("%s: %s of subscription %d", id, event.Type, event.Subscription))
		}
	}
	if len(e.Types) == len(everyType()) {
		for subscription, last := range highest {
			if many := int64(len(lanes[subscription])); many != last {
				v.gaps = append(v.gaps, fmt.Sprintf("subscription %d: %d events of %d", subscription, many, last))
			}
		}
	}
	return v
}
