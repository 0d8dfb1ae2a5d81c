package db

import (
	"context"
	"slices"
	"sync"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"
	"github.com/jackc/pgx/v5/pgxpool"
)

// roundSize is how many questions go together at most. Each waits for those before it.
const roundSize = 16

// together is the single statements that may go with those of other requests: they are asked by many at the same time, only read, and
// find their row by its key.
func together() []string {
	return []string{accessOf, aPIKeyByHash, clientBySecretHash, tokenKeyByHash, productByRef}
}

// rounds lets requests share round trips. Half of the pool's connections are places for questions. Who finds a place free asks alone and
// at once; who finds none waits, and when a place becomes free, those who wait go there together: one batch, in which each question
// follows the setting of its own tenant. Postgres runs nothing after what fails in a batch, so no question is ever
// answered in a scope that was not entered for it.
//
// A round only ever gives whole answers. What it has not answered, because it, another question or the connection failed, is
// asked again by who asked it, alone, and ends as it would have without the round.
type rounds struct {
	pool  *pgxpool.Pool
	types sync.Pool // of *pgtype.Map, which serves one goroutine at a time

	mu      sync.Mutex
	free    int // places
	waiting []*question
}

func newRounds(pool *pgxpool.Pool) *rounds {
	return &rounds{
		pool: pool, free: max(1, int(pool.Config().MaxConns)/2),
		types: sync.Pool{New: func() any {
			types := pgtype.NewMap()
			registerTypes(types)
			return types
		}},
	}
}

// question is a single statement that waits for a round, or is in one. Its arguments are read until it is done, even if who asked has left.
type question struct {
	enter, sql string
	as, args   []any
	round      *round
	answer     *answer       // nil where there is none; to be read after done
	done       chan struct{} // closed when the round has nothing more to say
	left       bool
}

// round is the questions that go together.
type round struct {
	questions []*question
	awaited   int // questions that are neither done nor left
	giveUp    context.CancelFunc
}

// ask gives the answer of a round, or nil for who has to ask alone: in the place, if there is one, which is then given back.
func (r *rounds) ask(ctx context.Context, q *question) (*answer, *place) {
	r.mu.Lock()
	if r.free > 0 {
		r.free--
		r.mu.Unlock()
		return nil, &place{rounds: r}
	}
	r.waiting = append(r.waiting, q)
	r.mu.Unlock()
	select {
	case <-q.done:
		return q.answer, nil
	case <-ctx.Done():
		r.leave(q)
		return nil, nil
	}
}

// leave is for who waits no longer. The others of the round do not notice; one that nobody waits for is given up.
func (r *rounds) leave(q *question) {
	r.mu.Lock()
	defer r.mu.Unlock()
	q.left = true
	if q.round == nil {
		r.waiting = slices.DeleteFunc(r.waiting, func(other *question) bool { return other == q })
		return
	}
	select {
	case <-q.done:
	default:
		if q.round.awaited--; q.round.awaited == 0 {
			q.round.giveUp()
		}
	}
}

// place is one connection's worth of asking.
type place struct{ rounds *rounds }

// giveBack lets those who wait have the place.
func (p *place) giveBack() {
	if p == nil || p.rounds == nil {
		return
	}
	r := p.rounds
	p.rounds = nil
	if ctx, next := r.next(); next != nil {
		go r.run(ctx, next)
	}
}

// next takes the questions for a place, or gives it up.
func (r *rounds) next() (context.Context, *round) {
	r.mu.Lock()
	defer r.mu.Unlock()
	n := min(len(r.waiting), roundSize)
	if n == 0 {
		r.free++
		return nil, nil
	}
	ctx, giveUp := context.WithCancel(context.Background())
	next := &round{questions: slices.Clone(r.waiting[:n]), awaited: n, giveUp: giveUp}
	r.waiting = slices.Delete(r.waiting, 0, n)
	for _, q := range next.questions {
		q.round = next
	}
	return ctx, next
}

// run performs one round after the other until nobody waits.
func (r *rounds) run(ctx context.Context, at *round) { //nolint:contextcheck // each round has a context of its own, which next makes
	for at != nil {
		r.perform(ctx, at)
		at.giveUp()
		ctx, at = r.next()
	}
}

// A batch without BEGIN is one implicit transaction. Each of its statements sees what was committed when it began.
func (r *rounds) perform(ctx context.Context, at *round) {
	batch := &pgx.Batch{}
	for _, q := range at.questions {
		batch.Queue(q.enter, q.as...)
		batch.Queue(q.sql, q.args...)
	}
	results := r.pool.SendBatch(ctx, batch)
	defer func() { _ = results.Close() }()
	failed := false
	for _, q := range at.questions {
		var a *answer
		if !failed {
			a = readAnswer(results)
			failed = a == nil
		}
		r.finish(q, a)
	}
}

func (r *rounds) finish(q *question, a *answer) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if q.answer = a; !q.left {
		q.round.awaited--
	}
	close(q.done)
}
