package webhook

import (
	"context"
	"sync"
	"time"
)

// atOnce bounds how many drains share a statement, and with it how long each waits for the others' rows.
const atOnce = 50

// group makes one statement of what the drains of a process ask of the database at the same time: an idle endpoint costs a share of
// a statement for each look, and a commit is paid for once. What comes while a statement runs goes into the next. The zero value is ready.
type group[Q, A any] struct {
	mu      sync.Mutex
	waiting []question[Q, A]
	serving bool
}

type question[Q, A any] struct {
	ask    Q
	answer chan told[A] // has room, so that nobody waits for one that has given up
}

type told[A any] struct {
	value A
	err   error
}

// ask waits for the answer to q. The function answers many at once, in their order; before it is called, others get a moment to come
// along. An answer that ctx does not live to see is lost, although its statement may have been made.
func (g *group[Q, A]) ask(ctx context.Context, q Q, moment time.Duration, answers func(context.Context, []Q) ([]A, error)) (A, error) {
	one := question[Q, A]{q, make(chan told[A], 1)}
	g.mu.Lock()
	g.waiting = append(g.waiting, one)
	if !g.serving {
		g.serving = true
		// Who comes along must not lose the answer to one that gives up.
		go g.serve(context.WithoutCancel(ctx), moment, answers)
	}
	g.mu.Unlock()
	select {
	case a := <-one.answer:
		return a.value, a.err
	case <-ctx.Done():
		var none A
		return none, ctx.Err()
	}
}

func (g *group[Q, A]) serve(ctx context.Context, moment time.Duration, answers func(context.Context, []Q) ([]A, error)) {
	for {
		time.Sleep(moment)
		g.mu.Lock()
		n := min(len(g.waiting), atOnce)
		now := g.waiting[:n:n]
		g.waiting = g.waiting[n:]
		g.serving = n > 0
		g.mu.Unlock()
		if n == 0 {
			return
		}
		bounded, cancel := context.WithTimeout(ctx, bookTimeout)
		tell(bounded, now, answers)
		cancel()
	}
}

// tell gives each its own error where a statement of several fails: nobody suffers for another's question.
func tell[Q, A any](ctx context.Context, asked []question[Q, A], answers func(context.Context, []Q) ([]A, error)) {
	questions := make([]Q, len(asked))
	for i, one := range asked {
		questions[i] = one.ask
	}
	values, err := answers(ctx, questions)
	if err != nil && len(asked) > 1 {
		for i := range asked {
			tell(ctx, asked[i:i+1], answers)
		}
		return
	}
	for i, one := range asked {
		a := told[A]{err: err}
		if err == nil {
			a.value = values[i]
		}
		one.answer <- a
	}
}

// beat is a pulse that all drains of a process share, so that those with nothing else to do look together. The zero value is ready.
type beat struct {
	mu   sync.Mutex
	next chan struct{}
}

// after is closed at the next beat, within the given time. Nothing beats while nobody waits.
func (b *beat) after(d time.Duration) <-chan struct{} {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.next == nil {
		next := make(chan struct{})
		b.next = next
		time.AfterFunc(d, func() {
			b.mu.Lock()
			b.next = nil
			b.mu.Unlock()
			close(next)
		})
	}
	return b.next
}
