package webhook

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"portico/db"
)

// idlers are the drains of this process that have sent everything and wait for more. One statement at each look asks for all of them,
// which costs less than a job, a lease and a drain for each event of an endpoint that gets one now and then. The zero value is ready.
type idlers struct {
	mu      sync.Mutex
	of      map[idleEndpoint]chan struct{}
	looking bool
}

type idleEndpoint struct{ merchantID, endpointID int64 }

// idleQuestion asks which of the endpoints have something due.
type idleQuestion func(context.Context, []idleEndpoint) ([]idleEndpoint, error)

// wait gives a channel that is closed when the endpoint has something due; nil where so many wait already that one statement would not
// do. Who waits no longer leaves.
func (all *idlers) wait(ctx context.Context, one idleEndpoint, ask idleQuestion, beat *beat, log *slog.Logger) <-chan struct{} {
	all.mu.Lock()
	defer all.mu.Unlock()
	if len(all.of) >= atOnce {
		return nil
	}
	if all.of == nil {
		all.of = map[idleEndpoint]chan struct{}{}
	}
	due := make(chan struct{})
	all.of[one] = due
	if !all.looking {
		all.looking = true
		go all.lookOut(context.WithoutCancel(ctx), ask, beat, log)
	}
	return due
}

func (all *idlers) leave(one idleEndpoint) {
	all.mu.Lock()
	defer all.mu.Unlock()
	delete(all.of, one)
}

// lookOut wakes those for whom something is due, until nobody waits. It looks with the drains that look themselves.
func (all *idlers) lookOut(ctx context.Context, ask idleQuestion, beat *beat, log *slog.Logger) {
	for {
		<-beat.after(lookEvery)
		waiting, someone := all.waiting()
		if !someone {
			return
		}
		looking, cancel := context.WithTimeout(ctx, bookTimeout)
		due, err := ask(looking, waiting)
		cancel()
		if err != nil {
			log.WarnContext(ctx, "cannot look for what idle drains wait for: they look themselves", "error", err)
			due = waiting
		}
		all.wake(due)
	}
}

func (all *idlers) waiting() (endpoints []idleEndpoint, someone bool) {
	all.mu.Lock()
	defer all.mu.Unlock()
	all.looking = len(all.of) > 0
	for one := range all.of {
		endpoints = append(endpoints, one)
	}
	return endpoints, all.looking
}

func (all *idlers) wake(due []idleEndpoint) {
	all.mu.Lock()
	defer all.mu.Unlock()
	for _, one := range due {
		if waits := all.of[one]; waits != nil {
			delete(all.of, one)
			close(waits)
		}
	}
}

// whichAreDue answers which of the endpoints have something due.
func (w *Webhooks) whichAreDue(ctx context.Context, endpoints []idleEndpoint) ([]idleEndpoint, error) {
	p := db.EndpointsThatAreDueParams{Now: w.Now()}
	for _, one := range endpoints {
		p.MerchantIds = append(p.MerchantIds, one.merchantID)
		p.EndpointIds = append(p.EndpointIds, one.endpointID)
	}
	rows, err := w.DB.EndpointsThatAreDue(ctx, w.DB.Tenant(tenants(p.MerchantIds)...).ByIndex(), p)
	if err != nil {
		return nil, fmt.Errorf("look for due deliveries of idle endpoints: %w", err)
	}
	due := make([]idleEndpoint, len(rows))
	for i, row := range rows {
		due[i] = idleEndpoint{row.MerchantID, row.EndpointID}
	}
	return due, nil
}

// rest lets the drain wait for its next look: among the idlers after it has sent something and finds no more.
func (d *drain) rest(ctx context.Context, now time.Time) <-chan struct{} {
	if d.quiet > 0 && d.sent > 0 && d.w.Linger > 0 {
		if d.idle = d.w.idlers.wait(ctx, idleEndpoint{d.merchantID, d.endpointID}, d.w.whichAreDue, &d.w.beat, d.w.Log); d.idle != nil {
			d.idleTil = now.Add(d.w.Linger)
			return d.idle
		}
	}
	return d.w.beat.after(lookEvery)
}

// rise ends the drain's rest among the idlers. One that has waited in vain is quiet.
func (d *drain) rise(inVain bool) {
	if d.idle == nil {
		return
	}
	d.w.idlers.leave(idleEndpoint{d.merchantID, d.endpointID})
	d.idle = nil
	if inVain {
		d.quiet = mostQuiet
	}
}
